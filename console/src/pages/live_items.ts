import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useMemo, useState } from 'react';
import { ApiError } from '../api/client';
import type { Letter, Refusal } from '../api/data';
import { newestLettersQuery, refusalsQuery } from '../api/data_queries';
import { type EventFilter, eventsQuery, personQuery, statusQuery } from '../api/queries';
import { live, useLive } from '../api/stream';
import type { Entry } from '../api/types';
import { asPerson } from '../ui/named';
import type { LiveItem } from './LiveRows';

const SHOWN = 150;
const REFUSALS_MS = 2_000;
const NOBODY = 'nobody';

export interface Filter extends Omit<EventFilter, 'person'> {
  /** '' for all. */
  outcome: string;
  /** What stands in the field of the person. */
  typed: string;
  /** Whose events: '' everybody's, 'nobody' while nobody is found. */
  person: string;
}

/** Who is meant by what was typed. */
export function usePerson(typed: string): { id: string; unknown: boolean } {
  const found = useQuery({ ...personQuery(asPerson(typed)), enabled: typed !== '' });
  if (typed === '') return { id: '', unknown: false };
  return { id: found.data?.person_id ?? NOBODY, unknown: found.error instanceof ApiError && found.error.status === 404 };
}

const bare = (source: string | null): string => (source ?? '').replace(/^server:/, '');

/** What the doors refused and what was put aside, as far as the filters let it through. */
function useOthers(filter: Filter, paused: boolean): LiveItem[] {
  const wanted = filter.touchpoint === '';
  const refused = useQuery({ ...refusalsQuery(paused ? false : REFUSALS_MS), enabled: wanted && filter.outcome !== 'accepted' && filter.outcome !== 'aside' });
  const { data: status } = useQuery(statusQuery);
  const aside = useQuery({ ...newestLettersQuery, enabled: wanted && filter.outcome !== 'accepted' && filter.outcome !== 'refused' && (status?.dead_letters ?? 0) > 0 });
  const client = useQueryClient();
  const dead = status?.dead_letters ?? 0;
  useEffect(() => {
    void client.invalidateQueries({ queryKey: newestLettersQuery.queryKey, exact: true });
  }, [dead, client]);
  const fits = (name: string | null, source: string | null, whose: string): boolean =>
    wanted && (name ?? '').toLowerCase().includes(filter.name.toLowerCase()) && (filter.source === '' || bare(source) === bare(filter.source))
    && (filter.typed === '' || whose.includes(filter.typed.replace(/^\w+:/, '')));
  const took = (outcome: string): boolean => filter.outcome === '' || filter.outcome === outcome;
  const refusals = took('refused') ? (refused.data?.items ?? []) : [];
  const letters = took('aside') ? (aside.data?.items ?? []) : [];
  const when = (at: string | null): number => (at === null ? 0 : Date.parse(at));
  return [
    ...refusals.filter((one: Refusal) => fits(one.name, one.source, one.identifiers.join(' ')))
      .map((one): LiveItem => ({ kind: 'refused', id: `r${one.process}-${one.n}`, at: when(one.at), refusal: one })),
    ...letters.filter((one: Letter) => fits(one.name, one.source, one.body))
      .map((one): LiveItem => ({ kind: 'aside', id: `d${one.position}`, at: when(one.at), letter: one })),
  ];
}

/** What is on the list: what came over the stream before what the log told, each entry once, and what was not taken in. */
export function useItems(filter: Filter, paused: boolean) {
  const stream = useLive();
  const { outcome, touchpoint, name, source, person } = filter;
  const asked = useMemo<EventFilter>(() => ({ touchpoint, name, source: bare(source), person }), [touchpoint, name, source, person]);
  const accepted = outcome === '' || outcome === 'accepted';
  const first = useQuery({ ...eventsQuery(asked), enabled: accepted && person !== NOBODY });
  const client = useQueryClient();
  const [older, setOlder] = useState<Entry[]>([]);
  const [ended, setEnded] = useState(false);
  const [busy, setBusy] = useState(false);
  const [held, setHeld] = useState<Entry[] | null>(null);
  useEffect(() => {
    setOlder([]);
    setEnded(false);
  }, [asked]);
  useEffect(() => setHeld(paused ? live.read().entries : null), [paused]);

  const fits = useMemo(() => {
    const wanted = asked.name.toLowerCase();
    return (entry: Entry) =>
      accepted && (asked.touchpoint === '' || entry.touchpoint === asked.touchpoint) && (wanted === '' || entry.name.toLowerCase().includes(wanted))
      && (asked.source === '' || bare(entry.source) === asked.source) && (asked.person === '' || entry.person_id === asked.person);
  }, [asked, accepted]);
  const entries = useMemo(() => {
    const known = new Map<number, Entry>();
    // What the server found for the filters fits: it also knows the ids that were merged away.
    for (const entry of [...(held ?? stream.entries).filter(fits), ...(accepted ? [...(first.data ?? []), ...older] : [])]) known.set(entry.seq, entry);
    return [...known.values()].sort((a, b) => b.seq - a.seq);
  }, [stream.entries, held, first.data, older, fits, accepted]);
  const heldTop = held?.[0]?.seq ?? 0;
  const waiting = held === null ? 0 : stream.entries.filter((entry) => entry.seq > heldTop && fits(entry)).length;
  const others = useOthers(filter, paused);

  const more = async () => {
    const last = entries.at(-1);
    if (last === undefined) return;
    setBusy(true);
    try {
      const got = await client.fetchQuery(eventsQuery(asked, last.seq));
      setOlder((kept) => [...kept, ...got]);
      setEnded(got.length === 0);
    } finally {
      setBusy(false);
    }
  };
  const taken = older.length > 0 ? entries : entries.slice(0, SHOWN);
  // Beside entries only what is not older than they are: further down it would stand before what is not loaded yet.
  const oldest = taken.length >= 50 ? Date.parse(taken.at(-1)?.clock ?? '') : 0;
  const items = [
    ...taken.map((entry): LiveItem => ({ kind: 'accepted', id: `e${entry.seq}`, at: Date.parse(entry.clock), entry })),
    ...others.filter((one) => !accepted || one.at >= oldest),
  ].sort((a, b) => b.at - a.at || (a.kind === 'accepted' && b.kind === 'accepted' ? b.entry.seq - a.entry.seq : 0));
  return { items, waiting, first, more, busy, ended, stream, failed: first.error };
}
