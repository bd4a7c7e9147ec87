import { Button, NativeSelect, TextInput, VisuallyHidden } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect, useMemo, useRef, useState } from 'react';
import { eventsQuery, statusQuery } from '../api/queries';
import { BUCKETS, type Connection, live, useLive } from '../api/stream';
import type { Entry } from '../api/types';
import { useWords, word } from '../i18n';
import { Icon, touchpointIcon } from '../ui/icons';
import { personName } from '../ui/names';
import { Card, Code, Empty, Failure, More, PageHead, Rows, Tiles } from '../ui/parts';
import ui from '../ui/ui.module.css';
import { PropertyLine } from '../ui/values';
import css from './live.module.css';

const TOUCHPOINTS = ['web', 'app', 'store', 'email', 'phone'];
const SHOWN = 150;

const curl = (): string => `curl ${window.location.origin}/v1/track -u WRITE_KEY: \\
  -H 'Content-Type: application/json' \\
  -d '{"anonymousId": "device-1", "event": "Product Viewed",
       "properties": {"name": "Garden chair", "price": 49.90, "currency": "EUR"},
       "context": {"touchpoint": "web"}}'`;

function Row({ entry, fresh }: { entry: Entry; fresh: boolean }) {
  const { t, f } = useWords();
  const own = entry.source === 'einklang';
  const place = own ? 'einklang' : entry.touchpoint === '' ? 'none' : entry.touchpoint;
  return (
    <li className={css.row} data-own={own} data-fresh={fresh}>
      <span className={css.icon} title={word(t.words.touchpoint, place)}><Icon name={touchpointIcon(entry.touchpoint, entry.source)} /></span>
      <div style={{ minWidth: 0 }}>
        <div className={css.first}>
          <span className={css.name}>{entry.name === '' ? entry.type : entry.name}</span>
          {entry.person_id !== null && (
            <Link to="/persons/$id" params={{ id: entry.person_id }} className={ui.textLink ?? ''}>{personName(entry.person_label ?? entry.person_id, t)}</Link>
          )}
          <span className={`${ui.dim} ${ui.small}`}>{word(t.words.touchpoint, place)}</span>
        </div>
        <PropertyLine properties={entry.properties} />
      </div>
      <time className={css.when} dateTime={entry.at} title={f.exact(entry.at)}>{f.seconds(entry.at)}</time>
    </li>
  );
}

function Pulse({ pulse }: { pulse: number[] }) {
  const { t, f } = useWords();
  const most = Math.max(4, ...pulse);
  const total = pulse.reduce((sum, n) => sum + n, 0);
  return (
    <div className={css.pulse}>
      <svg viewBox={`0 0 ${BUCKETS * 4} 34`} preserveAspectRatio="none" role="img" aria-label={`${t.live.pulse}: ${t.live.pulseText(total, f.number(total))}`}>
        {pulse.map((n, place) => {
          const height = n === 0 ? 1 : 3 + (n / most) * 30;
          return <rect key={place} x={place * 4} y={34 - height} width="2.6" height={height} rx="1" fill={n === 0 ? 'var(--ek-line)' : 'var(--ek-chart-1)'} />;
        })}
      </svg>
      <small>{t.live.pulseText(total, f.number(total))}</small>
    </div>
  );
}

function Counters() {
  const { t, f } = useWords();
  const { data } = useQuery(statusQuery);
  if (data === undefined) return <Rows count={1} height={64} />;
  return (
    <Tiles
      label={t.live.tilesLabel}
      items={[
        { label: t.live.tiles.persons, value: f.number(data.persons) },
        { label: t.live.tiles.events, value: f.number(data.events) },
        { label: t.live.tiles.messages, value: f.number(data.messages_today) },
        { label: t.live.tiles.pending, value: f.number(data.pending) },
        { label: t.live.tiles.dead, value: f.number(data.dead_letters), ...(data.dead_letters > 0 && { tone: 'warm' as const }) },
      ]}
    />
  );
}

/** What is on the list: what came over the stream before what the log told, each entry once. */
function useEntries(touchpoint: string, name: string, paused: boolean) {
  const stream = useLive();
  const first = useQuery(eventsQuery({ touchpoint, name }));
  const client = useQueryClient();
  const [older, setOlder] = useState<Entry[]>([]);
  const [ended, setEnded] = useState(false);
  const [busy, setBusy] = useState(false);
  const [held, setHeld] = useState<Entry[] | null>(null);
  useEffect(() => {
    setOlder([]);
    setEnded(false);
  }, [touchpoint, name]);
  useEffect(() => setHeld(paused ? live.read().entries : null), [paused]);

  const fits = useMemo(() => {
    const wanted = name.toLowerCase();
    return (entry: Entry) => (touchpoint === '' || entry.touchpoint === touchpoint) && (wanted === '' || entry.name.toLowerCase().includes(wanted));
  }, [touchpoint, name]);
  const entries = useMemo(() => {
    const known = new Map<number, Entry>();
    for (const entry of [...(held ?? stream.entries), ...(first.data ?? []), ...older]) {
      if (fits(entry)) known.set(entry.seq, entry);
    }
    return [...known.values()].sort((a, b) => b.seq - a.seq);
  }, [stream.entries, held, first.data, older, fits]);
  const heldTop = held?.[0]?.seq ?? 0;
  const waiting = held === null ? 0 : stream.entries.filter((entry) => entry.seq > heldTop && fits(entry)).length;

  const more = async () => {
    const last = entries.at(-1);
    if (last === undefined) return;
    setBusy(true);
    try {
      const got = await client.fetchQuery(eventsQuery({ touchpoint, name }, last.seq));
      setOlder((kept) => [...kept, ...got]);
      setEnded(got.length === 0);
    } finally {
      setBusy(false);
    }
  };
  const shown = older.length > 0 ? entries : entries.slice(0, SHOWN);
  return { entries: shown, waiting, first, more, busy, ended, stream };
}

function NoRows({ filtered, onClear }: { filtered: boolean; onClear: () => void }) {
  const { t } = useWords();
  if (!filtered) {
    return (
      <Empty icon="live" title={t.live.emptyTitle} text={t.live.emptyText}>
        <Code text={curl()} label="curl" />
        <p className={`${ui.dim} ${ui.small}`}>{t.live.emptyKey}</p>
      </Empty>
    );
  }
  return (
    <Empty icon="search" title={t.live.noMatchTitle} text={t.live.noMatchText}>
      <div style={{ textAlign: 'center' }}><Button variant="default" onClick={onClear}>{t.app.clear}</Button></div>
    </Empty>
  );
}

function Bar({ touchpoint, name, put, state, pulse }: {
  touchpoint: string; name: string; put: (next: { touchpoint?: string; name?: string }) => void; state: Connection | 'paused'; pulse: number[];
}) {
  const { t } = useWords();
  const [typed, setTyped] = useState(name);
  const putName = useDebouncedCallback((text: string) => put({ name: text }), 250);
  useEffect(() => {
    if (name === '') setTyped('');
  }, [name]);
  return (
    <div className={css.bar}>
      <NativeSelect
        className={css.field ?? ''} label={t.live.touchpoint} value={touchpoint} onChange={(event) => put({ touchpoint: event.currentTarget.value })}
        data={[{ value: '', label: t.live.allTouchpoints }, ...TOUCHPOINTS.map((value) => ({ value, label: word(t.words.touchpoint, value) }))]}
      />
      <TextInput
        className={css.field ?? ''} label={t.live.name} placeholder={t.live.namePlaceholder} value={typed}
        onChange={(event) => { setTyped(event.currentTarget.value); putName(event.currentTarget.value); }}
      />
      <Pulse pulse={pulse} />
      <span className={css.state} data-state={state} role="status"><span className={css.lamp} />{t.live.connection[state]}</span>
    </div>
  );
}

export function Live() {
  const { t, f } = useWords();
  const { touchpoint = '', name = '' } = useSearch({ from: '/inside/' });
  const navigate = useNavigate();
  const [paused, setPaused] = useState(false);
  const { entries, waiting, first, more, busy, ended, stream } = useEntries(touchpoint, name, paused);
  const opened = useRef(stream.entries[0]?.seq ?? 0);
  const put = (next: { touchpoint?: string; name?: string }) =>
    void navigate({ to: '/', replace: true, search: { touchpoint, name, ...next } });
  const filtered = touchpoint !== '' || name !== '';
  // Definitions alone are no life yet: the first event is still to come.
  const silent = filtered ? entries.length === 0 : entries.every((entry) => entry.type === 'definition');
  if (opened.current === 0 && first.data?.[0] !== undefined) opened.current = first.data[0].seq;

  return (
    <>
      <PageHead
        title={t.live.title} lead={t.live.lead}
        actions={
          <Button
            variant={paused ? 'filled' : 'default'} leftSection={<Icon name={paused ? 'play' : 'pause'} size={16} />}
            onClick={() => setPaused((was) => !was)} aria-pressed={paused}
          >
            {paused ? t.live.resume : t.live.pause}
          </Button>
        }
      />
      <Counters />
      <Card flush label={t.live.stream}>
        <Bar touchpoint={touchpoint} name={name} put={put} state={paused ? 'paused' : stream.connection} pulse={stream.pulse} />
        {waiting > 0 && (
          <div className={css.fresh}>
            <Button size="compact-sm" radius="xl" onClick={() => setPaused(false)}>{t.live.waiting(waiting, f.number(waiting))}</Button>
          </div>
        )}
        {first.isError && <div style={{ padding: '1rem' }}><Failure error={first.error} retry={() => void first.refetch()} /></div>}
        {first.isPending && <Rows />}
        {first.isSuccess && silent && <NoRows filtered={filtered} onClear={() => put({ touchpoint: '', name: '' })} />}
        {entries.length > 0 && (
          <>
            <VisuallyHidden component="h2">{t.live.stream}</VisuallyHidden>
            <ul className={css.rows} aria-label={t.live.stream}>
              {entries.map((entry) => <Row key={entry.seq} entry={entry} fresh={entry.seq > opened.current && opened.current > 0} />)}
            </ul>
            <More shown={!ended} busy={busy} onClick={() => void more()}>{t.live.older}</More>
          </>
        )}
      </Card>
    </>
  );
}
