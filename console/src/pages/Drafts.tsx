import { Button, TextInput } from '@mantine/core';
import { useMutation, useQuery } from '@tanstack/react-query';
import { type FormEvent, useEffect, useState } from 'react';
import { post } from '../api/client';
import type { AgentDraft } from '../api/data';
import { draftQuery, draftsOfQuery } from '../api/data_queries';
import { useWords } from '../i18n';
import { Icon } from '../ui/icons';
import { Card, Empty, Failure, PageHead, Rows } from '../ui/parts';
import ui from '../ui/ui.module.css';
import { asCode, readable } from './draft';
import { About, DraftForm, Status } from './DraftForm';
import css from './drafts.module.css';

const CODE_SIGNS = 9;

function Found({ first, onAgain }: { first: AgentDraft; onAgain: () => void }) {
  const { t } = useWords();
  const { data } = useQuery({ ...draftQuery(first.ref, first.draft.id), initialData: first });
  return (
    <Card title={readable(data.draft.form)} aside={<Status draft={data.draft} />} label={t.drafts.one}>
      <div style={{ marginBottom: '1.1rem' }}><About draft={data.draft} person /></div>
      <DraftForm first={first} />
      {data.draft.status !== 'open' && <Button variant="default" onClick={onAgain}>{t.drafts.another}</Button>}
    </Card>
  );
}

/** For agents: a customer tells the code of a half-filled form, and it is gone on with here. */
export function Drafts() {
  const { t } = useWords();
  const [code, setCode] = useState('');
  const find = useMutation({ mutationFn: (told: string) => post<AgentDraft>('/api/drafts/find', { code: told }) });
  const look = (told: string) => {
    if (!find.isPending) find.mutate(told);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (code.length === CODE_SIGNS) look(code);
  };
  const again = () => {
    setCode('');
    find.reset();
  };
  return (
    <>
      <PageHead
        title={t.drafts.title} lead={t.drafts.lead}
        actions={find.data !== undefined && <Button variant="default" leftSection={<Icon name="search" size={16} />} onClick={again}>{t.drafts.another}</Button>}
      />
      <div className={ui.stack}>
        {find.data === undefined && (
          <Card>
            <form onSubmit={submit} className={css.code}>
              <TextInput
                label={t.drafts.code} description={t.drafts.codeText} size="md" value={code} autoFocus autoComplete="off" spellCheck={false} inputWrapperOrder={['label', 'input', 'description', 'error']}
                placeholder="K7F3-QX9P" maxLength={20}
                onChange={(event) => {
                  const told = asCode(event.currentTarget.value);
                  setCode(told);
                  find.reset();
                  if (told.length === CODE_SIGNS && told !== code) look(told);
                }}
              />
              <Button type="submit" size="md" mb={25} loading={find.isPending} disabled={code.length !== CODE_SIGNS}>{t.drafts.open}</Button>
            </form>
          </Card>
        )}
        {find.error !== null && <Failure error={find.error} />}
        {find.data !== undefined && <Found key={find.data.draft.id} first={find.data} onAgain={again} />}
      </div>
    </>
  );
}

/** The open drafts of a person who was recognised. */
export function DraftsOf({ id }: { id: string }) {
  const { t } = useWords();
  const { data, error, refetch, isPending } = useQuery(draftsOfQuery(id));
  const [chosen, setChosen] = useState<AgentDraft | null>(null);
  const only = data?.items.length === 1 ? data.items[0] : undefined;
  useEffect(() => {
    if (only !== undefined) setChosen((before) => before ?? only); // stays when it was submitted: how it ended is said there
  }, [only]);
  if (isPending) return <Rows count={3} />;
  if (error !== null) return <div className={css.pane}><Failure error={error} retry={() => void refetch()} /></div>;
  const opened = chosen;
  const items = opened === null || data.items.some((one) => one.draft.id === opened.draft.id) ? data.items : [opened, ...data.items];
  if (items.length === 0) return <Empty icon="pen" title={t.drafts.noneTitle} text={t.drafts.noneText} />;
  return (
    <ul className={css.rows}>
      {items.map((one) => {
        const isOpen = opened?.draft.id === one.draft.id;
        return (
          <li className={css.row} key={one.draft.id}>
            <div className={css.rowHead}>
              <div><b>{readable(one.draft.form)}</b><About draft={one.draft} /></div>
              {!isOpen && <Button size="xs" variant="default" onClick={() => setChosen(one)}>{t.drafts.goOn}</Button>}
            </div>
            {isOpen && <div style={{ marginTop: '1.1rem' }}><DraftForm key={one.draft.id} first={opened} /></div>}
          </li>
        );
      })}
    </ul>
  );
}
