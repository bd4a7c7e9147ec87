import { Button } from '@mantine/core';
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { post, withQuery } from '../api/client';
import type { Preview, Side } from '../api/data';
import { useWords, word } from '../i18n';
import { Notice, Reason } from '../ui/ask';
import { Icon } from '../ui/icons';
import { inOrder, personName } from '../ui/names';
import { Failure, Pill, Rows } from '../ui/parts';
import ui from '../ui/ui.module.css';
import css from './identity.module.css';

/** What the server is asked before somebody has written why: a preview keeps nothing of it. */
const LOOKING = 'preview';

function OneSide({ side }: { side: Side }) {
  const { t, f } = useWords();
  return (
    <div className={css.side}>
      <b>{personName(side.label, t)}</b>
      <span className={`${ui.mono} ${ui.dim}`}>{side.person_id}</span>
      <ul>
        {inOrder(side.identifiers.map((one) => ({ ...one, first_at: null }))).map((one) => (
          <li key={`${one.kind}:${one.value}`}><span className={ui.dim}>{word(t.words.identifier, one.kind)}</span> <span className={ui.mono}>{one.value}</span></li>
        ))}
      </ul>
      <span className={`${ui.dim} ${ui.small}`}>{t.decide.counts(f.number(side.events), f.number(side.traits))}</span>
      {side.runs.length > 0 && <span className={ui.pills}>{side.runs.map((run) => <Pill key={run.run} icon="journeys">{run.journey}</Pill>)}</span>}
      {side.consents.length > 0 && (
        <ul>
          {side.consents.map((one, place) => (
            <li key={place}>{word(t.words.purpose, one.purpose)} {t.timeline.via(word(t.words.channel, one.channel))}: {word(t.words.consent, one.status)}</li>
          ))}
        </ul>
      )}
    </div>
  );
}

export function BeforeAfter({ preview }: { preview: Preview }) {
  const { t } = useWords();
  const column = (when: 'before' | 'after', sides: Side[]) => (
    <div className={css.column} data-when={when}>
      <div className={css.columnHead}>{t.decide[when]}</div>
      {sides.map((side) => <OneSide key={side.person_id} side={side} />)}
    </div>
  );
  return (
    <div className={css.sides} role="group" aria-label={t.decide.preview}>
      {column('before', preview.before)}
      <Icon name="right" size={22} />
      {column('after', preview.after)}
    </div>
  );
}

/**
 * A decision of staff: what it would change stands there before it is made, and why is asked.
 * `body` null: there is nothing to decide yet. The server works the preview out by folding; nothing is stored.
 */
export function Decide({ path, body, action, done, after }: {
  path: string; body: Record<string, unknown> | null; action: string; done: (preview: Preview) => ReactNode; after?: () => void;
}) {
  const { t } = useWords();
  const client = useQueryClient();
  const [why, setWhy] = useState('');
  const preview = useQuery({
    queryKey: ['preview', path, body],
    queryFn: () => post<Preview>(withQuery(path, { preview: 'true' }), { ...body, why: LOOKING }),
    enabled: body !== null, retry: false, staleTime: 0, gcTime: 0, placeholderData: keepPreviousData,
  });
  const decide = useMutation({
    mutationFn: () => post<Preview>(path, { ...body, why: why.trim() }),
    onSuccess: () => {
      after?.();
      return client.invalidateQueries({ predicate: ({ queryKey: [kind] }) => ['person', 'persons', 'identity', 'timeline', 'reviews'].includes(String(kind)) });
    },
  });
  if (decide.data !== undefined) return <Notice>{done(decide.data)}</Notice>;
  if (body === null) return null;
  return (
    <div className={ui.stack}>
      {preview.isPending && <Rows count={2} height={110} />}
      {preview.isError && <Failure error={preview.error} retry={() => void preview.refetch()} />}
      {preview.data !== undefined && !preview.isError && (
        <>
          <BeforeAfter preview={preview.data} />
          <Reason value={why} onChange={setWhy} />
          {decide.isError && <Failure error={decide.error} />}
          <div className={ui.pills} style={{ alignItems: 'center' }}>
            <Button disabled={why.trim() === '' || preview.isFetching} loading={decide.isPending} onClick={() => decide.mutate()}>{action}</Button>
            {why.trim() === '' && <span className={`${ui.dim} ${ui.small}`}>{t.decide.whyFirst}</span>}
          </div>
        </>
      )}
    </div>
  );
}

/** Where the persons are found that a decision left. */
export function Left({ preview, text }: { preview: Preview; text: string }) {
  const { t } = useWords();
  return (
    <>
      <b>{text}</b>
      <div>{t.decide.carriedOut}</div>
      <span className={ui.pills}>
        {preview.after.map((side) => (
          <Link key={side.person_id} to="/persons/$id" params={{ id: side.person_id }} search={{ tab: 'identity' }} className={ui.textLink ?? ''}>{personName(side.label, t)}</Link>
        ))}
      </span>
    </>
  );
}
