import { infiniteQueryOptions, keepPreviousData, queryOptions } from '@tanstack/react-query';
import { get, post, withQuery } from './client';
import type {
  AgentDraft, FoundObject, Arrivals, Belonging, Delivery, Destination, EventSeen, Graph, Group, GroupItem, Letter, Letters, Member, ObjectCount, ObjectItem, Product, ProductRecord, Refusal, Review, Source,
} from './data';
import type { Page } from './types';

const part = (id: string): string => encodeURIComponent(id);

/** A list page by page: what all paged lists of this file share. */
function paged<T extends { next: string | null }>(key: readonly unknown[], path: string, query: Record<string, string> = {}, every?: number) {
  return infiniteQueryOptions({
    queryKey: key,
    queryFn: ({ pageParam }) => get<T>(withQuery(path, { ...query, cursor: pageParam, limit: 50 })),
    initialPageParam: '',
    getNextPageParam: (last) => last.next ?? undefined,
    placeholderData: keepPreviousData,
    ...(every !== undefined && { refetchInterval: every }),
  });
}

export const sourcesQuery = queryOptions({ queryKey: ['sources'], queryFn: () => get<Page<Source>>('/api/sources') });

export const destinationsQuery = queryOptions({
  queryKey: ['destinations'],
  queryFn: () => get<Page<Destination>>('/api/destinations'),
  refetchInterval: ({ state }) => (state.data?.items.some((one) => one.asked) === true ? 1_500 : 5_000),
});

/** What a webhook has not got and is not sent any more. */
export const deliveriesQuery = (id: string, enabled: boolean) => ({ ...paged<Page<Delivery>>(['deliveries', id], `/api/destinations/${part(id)}/deliveries`, { status: 'dead' }), enabled });

export const arrivalsQuery = queryOptions({ queryKey: ['arrivals'], queryFn: () => get<Page<Arrivals>>('/api/arrivals'), refetchInterval: 5_000 });

const REFUSALS_KEPT = 300;

/** Where several processes serve, each answers for itself: what one told before stays beside what another tells now. */
export const refusalsQuery = (every: number | false) =>
  queryOptions({
    queryKey: ['refusals'],
    queryFn: async ({ client }): Promise<Page<Refusal>> => {
      const answer = await get<Page<Refusal>>('/api/refusals');
      const told = new Set(answer.items.map((one) => one.process));
      const others = (client.getQueryData<Page<Refusal>>(['refusals'])?.items ?? []).filter((one) => !told.has(one.process));
      const items = [...answer.items, ...others].sort((a, b) => (b.at ?? '').localeCompare(a.at ?? ''));
      return { items: items.slice(0, REFUSALS_KEPT), next: null };
    },
    refetchInterval: every,
  });

export const catalogQuery = (q: string, origin: string) => paged<Page<EventSeen>>(['catalog', q, origin], '/api/catalog', { q, origin });

export const catalogEventQuery = (name: string) =>
  queryOptions({ queryKey: ['catalog-event', name], queryFn: () => get<EventSeen>(`/api/catalog/${part(name)}`) });

export const lettersQuery = (code: string) => paged<Letters>(['letters', code], '/api/dead-letters', { code });

/** The newest dead letters, for those who watch what comes in. */
export const newestLettersQuery = queryOptions({ queryKey: ['letters'], queryFn: () => get<Letters>('/api/dead-letters?limit=50') });

export const letterQuery = (position: number, enabled: boolean) =>
  queryOptions({ queryKey: ['letter', position], queryFn: () => get<Letter>(`/api/dead-letters/${position}`), enabled });

export const identityQuery = (id: string) =>
  queryOptions({ queryKey: ['identity', id], queryFn: () => get<Graph>(`/api/persons/${part(id)}/identity`) });

export const reviewsQuery = (person: string) => paged<Page<Review>>(['reviews', person], '/api/reviews', { person });

export const objectsQuery = (id: string) =>
  queryOptions({ queryKey: ['objects', id], queryFn: () => get<Page<ObjectCount>>(`/api/persons/${part(id)}/objects`) });

export const objectsOfQuery = (id: string, kind: string, status: string) => ({
  ...paged<Page<ObjectItem>>(['objects', id, kind, status], `/api/persons/${part(id)}/objects/${part(kind)}`, { status }),
  enabled: kind !== '',
});

/** Objects of any kind whose id begins with what was typed: ids are long, names of persons rarely hold a digit. */
export const foundObjectsQuery = (q: string) =>
  queryOptions({
    queryKey: ['found-objects', q],
    queryFn: () => get<Page<FoundObject>>(withQuery('/api/object-search', { q, limit: 5 })),
    enabled: q.length >= 3 && /\d/.test(q),
  });

export const productsQuery = (q: string) => paged<Page<Product>>(['products', q], '/api/products', { q });

export const productQuery = (id: string) => queryOptions({ queryKey: ['product', id], queryFn: () => get<ProductRecord>(`/api/products/${part(id)}`) });

export const belongsQuery = (id: string) =>
  queryOptions({ queryKey: ['groups-of', id], queryFn: () => get<Page<Belonging>>(`/api/persons/${part(id)}/groups`) });

export const groupsQuery = (type: string) => paged<Page<GroupItem>>(['groups', type], `/api/groups/${part(type)}`);

export const groupQuery = (type: string, id: string) =>
  queryOptions({ queryKey: ['group', type, id], queryFn: () => get<Group>(`/api/groups/${part(type)}/${part(id)}`) });

export const groupMembersQuery = (type: string, id: string) =>
  paged<Page<Member>>(['group-members', type, id], `/api/groups/${part(type)}/${part(id)}/members`);

/** One draft as it is now. A reference stands in a body, never in an address. */
export const draftQuery = (ref: string, id: string) =>
  queryOptions({ queryKey: ['draft', id], queryFn: () => post<AgentDraft>('/api/drafts/find', { ref }), refetchInterval: 15_000 });

export const draftsOfQuery = (id: string) =>
  queryOptions({ queryKey: ['drafts-of', id], queryFn: () => get<Page<AgentDraft>>(`/api/persons/${part(id)}/drafts`) });
