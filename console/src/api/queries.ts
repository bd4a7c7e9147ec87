import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query';
import { get, withQuery } from './client';
import type {
  Entry, Journey, JourneyItem, Page, Person, PersonItem, Report, Segment, SegmentItem, Session, Status, TimelineItem, Why,
} from './types';

const segmentOf = (id: string): string => encodeURIComponent(id);

export const sessionQuery = queryOptions({
  queryKey: ['session'],
  queryFn: () => get<Session>('/api/session'),
  staleTime: Infinity,
  retry: false,
});

export const statusQuery = queryOptions({ queryKey: ['status'], queryFn: () => get<Status>('/api/status'), refetchInterval: 15_000 });

export interface EventFilter {
  touchpoint: string;
  name: string;
  source: string;
  /** An id or kind:value. */
  person: string;
}

export const eventsQuery = (filter: EventFilter, before?: number) =>
  queryOptions({
    queryKey: ['events', filter, before ?? 0],
    queryFn: async (): Promise<Entry[]> => {
      const answer = await get<Page<Entry> | Entry[]>(
        withQuery('/api/events', { before, limit: 50, ...filter }),
      );
      return Array.isArray(answer) ? answer : answer.items;
    },
    staleTime: 0,
    gcTime: 0,
  });

export const personsQuery = (q: string) =>
  infiniteQueryOptions({
    queryKey: ['persons', q],
    queryFn: ({ pageParam }) => get<Page<PersonItem>>(withQuery('/api/persons', { q, cursor: pageParam, limit: 50 })),
    initialPageParam: '',
    getNextPageParam: (last) => last.next ?? undefined,
    placeholderData: keepPreviousData,
  });

export const personQuery = (id: string) =>
  queryOptions({ queryKey: ['person', id], queryFn: () => get<Person>(`/api/persons/${segmentOf(id)}`) });

export type TimelineFilter = 'all' | 'event' | 'decision';

export const timelineQuery = (id: string, kind: TimelineFilter) =>
  infiniteQueryOptions({
    queryKey: ['timeline', id, kind],
    queryFn: ({ pageParam }) =>
      get<Page<TimelineItem>>(withQuery(`/api/persons/${segmentOf(id)}/timeline`, { cursor: pageParam, limit: 50, kind })),
    initialPageParam: '',
    getNextPageParam: (last) => last.next ?? undefined,
    placeholderData: keepPreviousData,
  });

export const whyQuery = (id: string, journey: string) =>
  queryOptions({
    queryKey: ['why', id, journey],
    queryFn: () => get<Why>(withQuery(`/api/persons/${segmentOf(id)}/why`, { journey })),
    enabled: journey !== '',
  });

export const segmentsQuery = queryOptions({
  queryKey: ['segments'],
  queryFn: () => get<Page<SegmentItem>>('/api/segments'),
  refetchInterval: 10_000,
});

export const segmentQuery = (id: string) =>
  queryOptions({ queryKey: ['segments', id], queryFn: () => get<Segment>(`/api/segments/${segmentOf(id)}`), refetchInterval: ({ state }) => (state.data?.building == null ? 10_000 : 1_500) });

export const membersQuery = (id: string) =>
  infiniteQueryOptions({
    queryKey: ['members', id],
    queryFn: ({ pageParam }) => get<Page<PersonItem>>(withQuery(`/api/segments/${segmentOf(id)}/members`, { cursor: pageParam })),
    initialPageParam: '',
    getNextPageParam: (last) => last.next ?? undefined,
  });

export const journeysQuery = queryOptions({
  queryKey: ['journeys'],
  queryFn: () => get<Page<JourneyItem>>('/api/journeys'),
  refetchInterval: 10_000,
});

export const journeyQuery = (id: string) =>
  queryOptions({ queryKey: ['journeys', id], queryFn: () => get<Journey>(`/api/journeys/${segmentOf(id)}`), refetchInterval: 10_000 });

export const reportQuery = (id: string) =>
  queryOptions({
    queryKey: ['report', id],
    queryFn: () => get<Report>(`/api/journeys/${segmentOf(id)}/report`),
    staleTime: 60_000,
    refetchInterval: 120_000,
  });
