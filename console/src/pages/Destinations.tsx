import { Button } from '@mantine/core';
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import { post } from '../api/client';
import type { Acted, Destination } from '../api/data';
import { deliveriesQuery, destinationsQuery } from '../api/data_queries';
import { useWords, word } from '../i18n';
import { Confirm, Notice } from '../ui/ask';
import { Icon, type IconName } from '../ui/icons';
import { useNow } from '../ui/now';
import { useNamed } from '../ui/named';
import { Card, Code, Empty, Failure, More, PageHead, Pill, Rows, type Tone } from '../ui/parts';
import ui from '../ui/ui.module.css';
import { Exports } from './Lists';

const TONES: { [state: string]: [Tone, IconName] } = {
  live: ['teal', 'check'], new: ['gray', 'clock'], failing: ['warm', 'alert'], paused: ['gray', 'pause'], gone: ['red', 'cross'],
};

const EXAMPLE = `kind: destination
id: warehouse
title: {de: Datei für die Auswertung, en: File for the analysts}
type: file            # or table, webhook, audience
segment: active-shopper
purpose: service
columns: [email]
every: 1h

# einklang apply destination.yaml
# all there is to say: docs/destinations.md`;

/** Who sets one up, and how: it is a definition, so people of the technical kind do. */
function SetUp() {
  const { t } = useWords();
  return (
    <details className={ui.fold} style={{ textAlign: 'start' }}>
      <summary>{t.destinations.setUp}</summary>
      <p className={`${ui.dim} ${ui.small}`} style={{ margin: '0 0 0.6rem' }}>{t.destinations.setUpText}</p>
      <Code text={EXAMPLE} label="destination.yaml" />
    </details>
  );
}

type Act = (action: string, body?: { seq: number }) => void;

/** What a webhook has not got and is not sent any more. */
function Dead({ destination, busy, onAct }: { destination: Destination; busy: boolean; onAct: Act }) {
  const { t, f } = useWords();
  const [open, setOpen] = useState(false);
  const list = useInfiniteQuery(deliveriesQuery(destination.id, open));
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <details className={ui.fold} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t.destinations.dead(destination.dead, f.number(destination.dead))}</summary>
      {list.isError && <Failure error={list.error} retry={() => void list.refetch()} />}
      {open && list.isPending && <Rows count={2} height={32} />}
      <ul className={ui.list}>
        {items.map((one) => (
          <li key={one.seq} className={ui.pills} style={{ padding: '6px 0', alignItems: 'center' }}>
            <Link to="/persons/$id" params={{ id: one.person_id }} className={ui.textLink ?? ''}>{one.person_id}</Link>
            <span className={`${ui.dim} ${ui.small}`}>{one.taken_at !== null && f.moment(one.taken_at)} · {t.destinations.tried(one.attempts, f.number(one.attempts))}</span>
            <span style={{ overflowWrap: 'anywhere' }}>{one.reason}</span>
            <Button size="xs" variant="default" loading={busy} onClick={() => onAct('replay', { seq: one.seq })}>{t.destinations.again}</Button>
          </li>
        ))}
      </ul>
      <More shown={list.hasNextPage} busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t.app.more}</More>
      {destination.dead > 1 && (
        <Confirm label={t.destinations.againAll} ask={t.destinations.againAsk(f.number(destination.dead))} action={t.destinations.againYes} busy={busy} onYes={() => onAct('replay')} icon="loop" />
      )}
    </details>
  );
}

function Figures({ destination: it }: { destination: Destination }) {
  const { t, f } = useWords();
  const now = useNow();
  const leftOut = Object.entries(it.left_out);
  return (
    <dl className={ui.pairs}>
      <dt>{t.destinations.sent}</dt><dd>{f.number(it.sent)}{it.done_at !== null && <span className={ui.dim} title={f.exact(it.done_at)}> · {t.destinations.last(f.ago(it.done_at, now))}</span>}</dd>
      {it.waiting > 0 && <><dt>{t.destinations.waiting}</dt><dd>{f.number(it.waiting)}</dd></>}
      {it.again_at !== null && <><dt>{t.destinations.next}</dt><dd title={f.exact(it.again_at)}>{f.moment(it.again_at)}</dd></>}
      {it.held_since !== null && <><dt>{t.destinations.since}</dt><dd>{f.moment(it.held_since)}</dd></>}
      {it.error !== '' && <><dt>{t.destinations.error}</dt><dd style={{ overflowWrap: 'anywhere' }}>{t.destinations.faults[it.error] ?? it.error}</dd></>}
      {leftOut.length > 0 && (
        <><dt>{t.destinations.leftOut}</dt><dd>{leftOut.map(([reason, n]) => `${f.number(n)} ${word(t.destinations.reasons, reason)}`).join(', ')}</dd></>
      )}
    </dl>
  );
}

function One({ destination: it }: { destination: Destination }) {
  const { t, say } = useWords();
  const { segment, purpose } = useNamed();
  const client = useQueryClient();
  const act = useMutation({
    mutationFn: ({ action, body }: { action: string; body: { seq: number } | undefined }) => post<Acted>(`/api/destinations/${encodeURIComponent(it.id)}/${action}`, body ?? {}),
    onSuccess: () => Promise.all([client.invalidateQueries({ queryKey: ['destinations'] }), client.invalidateQueries({ queryKey: ['deliveries', it.id] })]),
  });
  const onAct: Act = (action, body) => act.mutate({ action, body });
  const [tone, icon] = TONES[it.state] ?? ['gray', 'dot'];
  const stopped = it.held_since !== null;
  const runs = !stopped && it.state !== 'paused' && it.state !== 'failing' && (it.type !== 'webhook' || it.waiting > 0);
  return (
    <Card
      title={it.title === null ? it.id : say(it.title, it.id)}
      aside={
        <span className={ui.pills}>
          <Pill tone={tone} icon={icon}>{word(t.destinations.states, it.state)}</Pill>
          {it.asked && <Pill tone="teal" icon="loop">{t.destinations.running}</Pill>}
          <Pill>{word(t.destinations.types, it.type)}</Pill>
          {it.type !== 'table' && <span className={`${ui.mono} ${ui.dim}`}>{it.to}</span>}
        </span>
      }
    >
      <div className={ui.stack}>
        {act.error !== null && <Failure error={act.error} />}
        {act.data?.action === 'replayed' && <Notice icon="loop">{t.destinations.replayed(act.data.replayed, String(act.data.replayed))}</Notice>}
        <div>
          {t.destinations.of} {it.segments.map((name, n) => <span key={name}>{n > 0 && ', '}<Link to="/segments/$id" params={{ id: name }} className={ui.textLink ?? ''}>{segment(name)}</Link></span>)}
          <span className={ui.dim}> · {t.destinations.purpose(purpose(it.purpose))}</span>
        </div>
        <Figures destination={it} />
        {it.type !== 'webhook' && <div className={`${ui.dim} ${ui.small}`}>{t.destinations.lies} <span className={ui.mono}>destinations/{it.id}</span></div>}
        {it.dead > 0 && <Dead destination={it} busy={act.isPending} onAct={onAct} />}
        <div>
          {stopped || it.state === 'failing' ? (
            <Button size="xs" variant="default" loading={act.isPending} leftSection={<Icon name="play" size={14} />} onClick={() => onAct('resume')}>{stopped ? t.destinations.resume : t.destinations.now}</Button>
          ) : null}
          {runs && <Button size="xs" variant="default" loading={act.isPending || it.asked} leftSection={<Icon name="loop" size={14} />} onClick={() => onAct('run')}>{t.destinations.run}</Button>}{' '}
          {!stopped && it.state !== 'paused' && (
            <Confirm label={t.destinations.pause} ask={t.destinations.pauseAsk} action={t.destinations.pauseYes} busy={act.isPending} onYes={() => onAct('pause')} icon="pause" />
          )}
        </div>
      </div>
    </Card>
  );
}

export function Destinations() {
  const { t } = useWords();
  const list = useQuery(destinationsQuery);
  return (
    <>
      <PageHead title={t.destinations.title} lead={t.destinations.lead} />
      <div className={ui.stack}>
        {list.isError && <Failure error={list.error} retry={() => void list.refetch()} />}
        {list.isPending && <Card><Rows count={3} /></Card>}
        {list.data?.items.length === 0 && <Card><Empty icon="out" title={t.destinations.emptyTitle} text={t.destinations.emptyText}><SetUp /></Empty></Card>}
        {list.data?.items.map((one) => <One key={one.id} destination={one} />)}
        {(list.data?.items.length ?? 0) > 0 && <SetUp />}
        <Exports />
      </div>
    </>
  );
}
