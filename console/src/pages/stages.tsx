import { Button, NativeSelect } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { stageChangesQuery, type StageItem, type StageSince, stagesOfQuery, stagesQuery, whyStageQuery } from '../api/audience';
import { post } from '../api/client';
import { useWords } from '../i18n';
import { Notice, Reason } from '../ui/ask';
import { useNamed } from '../ui/named';
import { Card, Failure, Pill, Rows, TableWrap } from '../ui/parts';
import ui from '../ui/ui.module.css';
import chart from './builder.module.css';
import css from './person.module.css';
import { Node } from './Why';

/** Takes earlier notes back: no stage is called so. */
const BACK = ' ';

function WhyStage({ stage, person }: { stage: string; person: string }) {
  const { t, f } = useWords();
  const named = useNamed();
  const { data, error } = useQuery(whyStageQuery(stage, person));
  if (error !== null) return <Failure error={error} />;
  if (data === undefined) return <Rows count={2} height={30} />;
  return (
    <>
      {data.stays !== null && <p className={`${ui.dim} ${ui.small}`}>{t.stages.stays(f.moment(data.stays))}</p>}
      {data.rungs.map((rung) => (
        <div key={rung.name}>
          <b>{named.stage(stage, rung.name)}</b> {rung.here && <Pill tone="teal">{t.stages.here}</Pill>}
          <ul className={css.tree}><Node node={rung.when} /></ul>
          {rung.exit !== null && <><small>{t.stages.exit}</small><ul className={css.tree}><Node node={rung.exit} /></ul></>}
        </div>
      ))}
    </>
  );
}

/** What staff know of it, with why: a note counts as long as the rules say. */
function Note({ one, person }: { one: StageSince; person: string }) {
  const { t } = useWords();
  const client = useQueryClient();
  const named = useNamed();
  const [name, setName] = useState('');
  const [why, setWhy] = useState('');
  const note = useMutation({
    mutationFn: () => post(`/api/persons/${encodeURIComponent(person)}/stages`, { stage: one.stage, name: name === BACK ? '' : name, why: why.trim() }),
    onSuccess: () => {
      setName('');
      setWhy('');
      return client.invalidateQueries({ predicate: ({ queryKey: [kind] }) => ['stages-of', 'why-stage', 'timeline'].includes(String(kind)) });
    },
  });
  const submit = (event: FormEvent) => { event.preventDefault(); note.mutate(); };
  return (
    <form onSubmit={submit}>
      <NativeSelect
        label={t.stages.noted} description={t.stages.notedText} value={name} onChange={(event) => setName(event.currentTarget.value)}
        data={[{ value: '', label: t.stages.choose }, ...one.notes.map((value) => ({ value, label: named.stage(one.stage, value) })), { value: BACK, label: t.stages.takeBack }]}
      />
      <Reason value={why} onChange={setWhy} />
      <Button type="submit" size="xs" mt={8} loading={note.isPending} disabled={name === '' || why.trim() === ''}>{t.stages.save}</Button>
      {note.isError && <Failure error={note.error} />}
      {note.isSuccess && <Notice>{t.stages.saved}</Notice>}
    </form>
  );
}

function Row({ one, person }: { one: StageSince; person: string }) {
  const { t, f, say } = useWords();
  const named = useNamed();
  const [open, setOpen] = useState(false);
  return (
    <li className={css.fact}>
      <div className={css.line}>
        <span>{say(one.title, one.stage)}</span>
        <Pill tone={one.name === null ? 'gray' : 'teal'}>{named.stage(one.stage, one.name)}</Pill>
      </div>
      {one.since !== null && <small title={f.exact(one.since)}>{t.person.since(f.date(one.since))}</small>}
      <details className={css.more} onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>{t.stages.why}</summary>
        {open && <WhyStage stage={one.stage} person={person} />}
      </details>
      {one.notes.length > 0 && (
        <details className={css.more}>
          <summary>{t.stages.note}</summary>
          <Note one={one} person={person} />
        </details>
      )}
    </li>
  );
}

/** Where a person is on the way, by need; nothing stands there where no stages are defined. */
export function Stages({ id }: { id: string }) {
  const { t } = useWords();
  const { data, error, refetch } = useQuery(stagesOfQuery(id));
  if (error !== null) return <Failure error={error} retry={() => void refetch()} />;
  if (data === undefined || data.items.length === 0) return null;
  return (
    <Card title={t.stages.title}>
      <ul className={css.facts}>{data.items.map((one) => <Row key={one.stage} one={one} person={id} />)}</ul>
    </Card>
  );
}

const DAYS = 30;

function Changes({ id }: { id: string }) {
  const { t, f } = useWords();
  const { stage } = useNamed();
  const { data, error } = useQuery(stageChangesQuery(id, DAYS));
  if (error !== null) return <Failure error={error} />;
  if (data === undefined) return <Rows count={2} height={30} />;
  if (data.changes.length === 0) return <p className={ui.dim}>{t.stages.noChanges}</p>;
  return (
    <ul className={css.facts}>
      {data.changes.map((one) => (
        <li className={css.fact} key={`${one.was}>${one.to}`}>
          {t.stages.change(stage(id, one.was), stage(id, one.to))} <b>{f.number(one.changes)}</b>
        </li>
      ))}
    </ul>
  );
}

function Counts({ one }: { one: StageItem }) {
  const { t, f, say } = useWords();
  const [open, setOpen] = useState(false);
  const rows = [...one.stages.map((row) => ({ name: say(row.title, row.name), persons: row.persons })), { name: t.stages.none, persons: one.none }];
  const most = Math.max(1, ...rows.map((row) => row.persons));
  return (
    <Card title={t.stages.of(say(one.title, one.id))}>
      <div className={`${ui.dim} ${ui.small}`} style={{ marginBottom: 8 }}>{t.stages.text}</div>
      <TableWrap label={say(one.title, one.id)}>
        <table className={`${ui.table} ${chart.reach}`}>
          <thead><tr><th scope="col">{t.stages.noted}</th><th scope="col">{t.persons.title}</th></tr></thead>
          <tbody>
            {rows.map((row, place) => (
              <tr key={place}>
                <th scope="row">{row.name}</th>
                <td style={{ width: '70%' }}><span className={chart.meeting}><b style={{ minWidth: '3.5rem', textAlign: 'end' }}>{f.number(row.persons)}</b><span className={chart.track}><span style={{ width: `${(100 * row.persons) / most}%` }} /></span></span></td>
              </tr>
            ))}
          </tbody>
        </table>
      </TableWrap>
      <details className={ui.fold} onToggle={(event) => setOpen(event.currentTarget.open)}>
        <summary>{t.stages.changes(f.number(DAYS))}</summary>
        {open && <Changes id={one.id} />}
      </details>
    </Card>
  );
}

/** How many are where on the way, by need. */
export function StageCounts() {
  const { data, error, refetch } = useQuery(stagesQuery);
  if (error !== null) return <Failure error={error} retry={() => void refetch()} />;
  return <>{data?.items.map((one) => <Counts key={one.id} one={one} />)}</>;
}
