import { Button, NativeSelect, SegmentedControl, TextInput, VisuallyHidden } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import { arrivalsQuery, sourcesQuery } from '../api/data_queries';
import { statusQuery } from '../api/queries';
import { BUCKETS, type Connection } from '../api/stream';
import type { LiveSearch, Outcome } from '../app/router';
import { useWords, word } from '../i18n';
import { Icon } from '../ui/icons';
import { Card, Code, Empty, Failure, More, PageHead, Rows, Tiles } from '../ui/parts';
import ui from '../ui/ui.module.css';
import css from './live.module.css';
import { LiveRow } from './LiveRows';
import { type Filter, usePerson, useItems } from './live_items';

const TOUCHPOINTS = ['web', 'app', 'store', 'email', 'phone'];

const curl = (): string => `curl ${window.location.origin}/v1/track -u WRITE_KEY: \\
  -H 'Content-Type: application/json' \\
  -d '{"anonymousId": "device-1", "event": "Product Viewed",
       "properties": {"name": "Garden chair", "price": 49.90, "currency": "EUR"},
       "context": {"touchpoint": "web"}}'`;

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
  const dead = data.dead_letters;
  return (
    <Tiles
      label={t.live.tilesLabel}
      items={[
        { label: t.live.tiles.persons, value: f.number(data.persons) },
        { label: t.live.tiles.events, value: f.number(data.events) },
        { label: t.live.tiles.messages, value: f.number(data.messages_today) },
        { label: t.live.tiles.pending, value: f.number(data.pending) },
        {
          label: t.live.tiles.dead, ...(dead > 0 && { tone: 'warm' as const }),
          value: dead === 0 ? f.number(0) : <Link to="/dead-letters" className={css.count ?? ''}>{f.number(dead)}</Link>,
        },
      ]}
    />
  );
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

/** A field whose text is taken over shortly after the last key. */
function Typed({ label, placeholder, value, error, put }: { label: string; placeholder: string; value: string; error?: string | undefined; put: (text: string) => void }) {
  const [typed, setTyped] = useState(value);
  const soon = useDebouncedCallback(put, 250);
  useEffect(() => {
    if (value === '') setTyped('');
  }, [value]);
  return (
    <TextInput
      className={css.field ?? ''} label={label} placeholder={placeholder} value={typed} error={error}
      onChange={(event) => { setTyped(event.currentTarget.value); soon(event.currentTarget.value); }}
    />
  );
}

function Bar({ filter, put, unknown, state, pulse }: {
  filter: Filter; put: (next: LiveSearch) => void; unknown: boolean; state: Connection | 'paused'; pulse: number[];
}) {
  const { t } = useWords();
  const { data: known } = useQuery(sourcesQuery);
  const { data: came } = useQuery({ ...arrivalsQuery, refetchInterval: false });
  const sources = [...new Set([...(known?.items.map((one) => one.id) ?? []), ...(came?.items.map((one) => one.source) ?? []), ...(filter.source === '' ? [] : [filter.source])])];
  return (
    <div className={css.bar}>
      <div className={css.line}>
        <SegmentedControl
          aria-label={t.live.outcome} size="sm" value={filter.outcome === '' ? 'all' : filter.outcome}
          onChange={(value) => put({ outcome: value === 'all' ? undefined : (value as Outcome) })}
          data={[{ value: 'all', label: t.live.allOutcomes }, ...(['accepted', 'refused', 'aside'] as const).map((value) => ({ value, label: t.live.outcomes[value] }))]}
        />
        <Pulse pulse={pulse} />
        <span className={css.state} data-state={state} role="status"><span className={css.lamp} />{t.live.connection[state]}</span>
      </div>
      <NativeSelect
        className={css.field ?? ''} label={t.live.source} value={filter.source} onChange={(event) => put({ source: event.currentTarget.value })}
        data={[{ value: '', label: t.live.allSources }, ...sources.map((value) => ({ value, label: value }))]}
      />
      <NativeSelect
        className={css.field ?? ''} label={t.live.touchpoint} value={filter.touchpoint} onChange={(event) => put({ touchpoint: event.currentTarget.value })}
        data={[{ value: '', label: t.live.allTouchpoints }, ...TOUCHPOINTS.map((value) => ({ value, label: word(t.words.touchpoint, value) }))]}
      />
      <Typed label={t.live.name} placeholder={t.live.namePlaceholder} value={filter.name} put={(name) => put({ name })} />
      <Typed label={t.live.person} placeholder={t.live.personPlaceholder} value={filter.typed} error={unknown ? t.live.nobody : undefined} put={(person) => put({ person: person.trim() })} />
    </div>
  );
}

export function Live() {
  const { t, f } = useWords();
  const { outcome = '', touchpoint = '', name = '', source = '', person = '' } = useSearch({ from: '/inside/' });
  const navigate = useNavigate();
  const [paused, setPaused] = useState(false);
  const whose = usePerson(person);
  const filter: Filter = { outcome, touchpoint, name, source, typed: person, person: whose.id };
  const { items, waiting, first, more, busy, ended, stream, failed } = useItems(filter, paused);
  const opened = useRef(stream.entries[0]?.seq ?? 0);
  const put = (next: LiveSearch) => void navigate({ to: '/', replace: true, search: { outcome: outcome || undefined, touchpoint, name, source, person, ...next } });
  const filtered = [outcome, touchpoint, name, source, person].some((one) => one !== '');
  // Definitions alone are no life yet: the first event is still to come.
  const silent = filtered ? items.length === 0 : items.every((item) => item.kind === 'accepted' && item.entry.type === 'definition');
  if (opened.current === 0 && first.data?.[0] !== undefined) opened.current = first.data[0].seq;
  const loading = first.isPending && first.fetchStatus !== 'idle';
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
        <Bar filter={filter} put={put} unknown={whose.unknown} state={paused ? 'paused' : stream.connection} pulse={stream.pulse} />
        {waiting > 0 && (
          <div className={css.fresh}>
            <Button size="compact-sm" radius="xl" onClick={() => setPaused(false)}>{t.live.waiting(waiting, f.number(waiting))}</Button>
          </div>
        )}
        {failed !== null && <div style={{ padding: '1rem' }}><Failure error={failed} retry={() => void first.refetch()} /></div>}
        {loading && <Rows />}
        {!loading && failed === null && silent && <NoRows filtered={filtered} onClear={() => void navigate({ to: '/', replace: true, search: {} })} />}
        {items.length > 0 && (
          <>
            <VisuallyHidden component="h2">{t.live.stream}</VisuallyHidden>
            <ul className={css.rows} aria-label={t.live.stream}>
              {items.map((item) => <LiveRow key={item.id} item={item} fresh={item.kind === 'accepted' && item.entry.seq > opened.current && opened.current > 0} />)}
            </ul>
            <More shown={!ended && (outcome === '' || outcome === 'accepted')} busy={busy} onClick={() => void more()}>{t.live.older}</More>
          </>
        )}
      </Card>
    </>
  );
}
