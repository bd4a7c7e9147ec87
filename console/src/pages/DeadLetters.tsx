import { Button, NativeSelect } from '@mantine/core';
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { post } from '../api/client';
import type { Letter, Replayed } from '../api/data';
import { letterQuery, lettersQuery } from '../api/data_queries';
import { statusQuery } from '../api/queries';
import { useWords, word } from '../i18n';
import { Confirm, Notice } from '../ui/ask';
import { Icon } from '../ui/icons';
import { useNow } from '../ui/now';
import { Card, Code, Empty, Failure, More, PageHead, Pill, Rows } from '../ui/parts';
import ui from '../ui/ui.module.css';
import { escaped } from '../ui/values';
import css from './letters.module.css';

const CODES = ['schema_violation', 'poison', 'undecodable', 'id_conflict', 'no_owner'] as const;

interface Again { positions?: number[]; code?: string; as_new?: boolean }

function Bytes({ letter }: { letter: Letter }) {
  const { t } = useWords();
  const [open, setOpen] = useState(false);
  const whole = useQuery(letterQuery(letter.position, open && letter.cut));
  const shown = whole.data ?? letter;
  return (
    <details className={ui.fold} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t.letters.bytes}</summary>
      {shown.encoding !== 'utf-8' && <div className={`${ui.dim} ${ui.small}`}>{t.letters.base64}</div>}
      {whole.isError && <Failure error={whole.error} retry={() => void whole.refetch()} />}
      {shown.cut && whole.isFetching ? <Rows count={2} height={24} /> : open && <Code text={escaped(shown.body)} label={t.letters.bytes} wrap />}
    </details>
  );
}

function One({ letter, busy, onReplay }: { letter: Letter; busy: boolean; onReplay: (again: Again) => void }) {
  const { t, f } = useWords();
  const now = useNow();
  const conflict = letter.code === 'id_conflict';
  return (
    <li className={css.letter}>
      <div className={css.first}>
        <b>{letter.name ?? t.letters.unnamed}</b>
        <Pill tone="warm" icon="aside">{word(t.letters.codes, letter.code)}</Pill>
        {letter.at !== null && <time className={`${ui.dim} ${ui.small}`} dateTime={letter.at} title={f.exact(letter.at)}>{f.ago(letter.at, now)}</time>}
      </div>
      <div style={{ overflowWrap: 'anywhere' }}>{escaped(letter.detail)}</div>
      <div className={`${ui.dim} ${ui.small}`}>{word(t.letters.means, letter.code)}</div>
      <dl className={ui.pairs}>
        <dt>{t.letters.source}</dt><dd>{letter.source}</dd>
        {letter.received_at !== null && <><dt>{t.letters.received}</dt><dd>{f.moment(letter.received_at)}</dd></>}
        <dt>{t.letters.version}</dt><dd className={ui.mono}>{letter.version}</dd>
        <dt>{t.letters.position}</dt><dd className={ui.mono}>{letter.position}</dd>
        {letter.items !== 1 && <><dt>{t.letters.items}</dt><dd>{f.number(letter.items)}</dd></>}
      </dl>
      <Bytes letter={letter} />
      <div>
        {conflict && <Confirm label={t.letters.asNew} ask={t.letters.asNewAsk} action={t.letters.asNewYes} busy={busy} onYes={() => onReplay({ positions: [letter.position], as_new: true })} icon="loop" />}
        {!conflict && letter.replayable && (
          <Button size="xs" variant="default" loading={busy} leftSection={<Icon name="loop" size={14} />} onClick={() => onReplay({ positions: [letter.position] })}>{t.letters.replay}</Button>
        )}
        {!conflict && !letter.replayable && <span className={`${ui.dim} ${ui.small}`}>{t.letters.never}</span>}
      </div>
    </li>
  );
}

function Result({ done }: { done: Replayed }) {
  const { t, f } = useWords();
  const kept = Object.entries(done.kept);
  return (
    <Notice tone={kept.length > 0 ? 'warm' : 'teal'} icon={kept.length > 0 ? 'info' : 'check'}>
      <b>{t.letters.replayed(done.replayed, f.number(done.replayed))}</b>
      {done.replayed > 0 && <div>{t.letters.replayedText}</div>}
      {kept.map(([reason, n]) => <div key={reason}>{t.letters.kept(f.number(n), word(t.letters.keptWhy, reason))}</div>)}
    </Notice>
  );
}

export function DeadLetters() {
  const { t, f } = useWords();
  const { code = '' } = useSearch({ from: '/inside/dead-letters' });
  const navigate = useNavigate();
  const client = useQueryClient();
  const list = useInfiniteQuery(lettersQuery(code));
  const replay = useMutation({
    mutationFn: (again: Again) => post<Replayed>('/api/dead-letters/replay', again),
    onSuccess: () => Promise.all([client.invalidateQueries({ queryKey: ['letters'] }), client.invalidateQueries({ queryKey: statusQuery.queryKey })]),
  });
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  const counts = list.data?.pages[0]?.counts ?? {};
  const total = Object.values(counts).reduce((sum, n) => sum + n, 0);
  const chosen = code === '' ? total : (counts[code] ?? 0);
  return (
    <>
      <PageHead title={t.letters.title} lead={t.letters.lead} />
      {replay.data !== undefined && <Result done={replay.data} />}
      {replay.isError && <div style={{ marginBottom: '1.25rem' }}><Failure error={replay.error} /></div>}
      <Card flush label={t.letters.title}>
        {total > 0 && (
          <div className={ui.bar}>
            <NativeSelect
              className={ui.field ?? ''} label={t.letters.reason} value={code}
              onChange={(event) => void navigate({ to: '/dead-letters', replace: true, search: { code: event.currentTarget.value || undefined } })}
              data={[{ value: '', label: t.letters.all(f.number(total)) }, ...CODES.map((one) => ({ value: one, label: `${t.letters.codes[one]} (${f.number(counts[one] ?? 0)})` }))]}
            />
            {chosen > 0 && code !== 'id_conflict' && (
              <Confirm
                label={t.letters.replayAll(f.number(chosen))} ask={t.letters.replayAllAsk(f.number(Math.min(chosen, 1_000)))} action={t.letters.replayYes}
                busy={replay.isPending} onYes={() => replay.mutate(code === '' ? {} : { code })} icon="loop"
              />
            )}
          </div>
        )}
        {list.isError && <div style={{ padding: '1rem' }}><Failure error={list.error} retry={() => void list.refetch()} /></div>}
        {list.isPending && <Rows count={4} height={90} />}
        {list.isSuccess && items.length === 0 && <Empty icon="check" title={total === 0 ? t.letters.emptyTitle : t.letters.noneOfCode} text={t.letters.emptyText} />}
        {items.length > 0 && <ul className={ui.list}>{items.map((one) => <One key={one.position} letter={one} busy={replay.isPending} onReplay={(again) => replay.mutate(again)} />)}</ul>}
        <More shown={list.hasNextPage} busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t.app.more}</More>
      </Card>
    </>
  );
}
