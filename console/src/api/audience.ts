// What the builder of segments and the page of a segment ask beside the lists. Fields as in app/estimates.py, language.py, choices.py, queries_audience.py.
import { keepPreviousData, queryOptions } from '@tanstack/react-query';
import type { Tree } from '../builder/tree.ts';
import { get, post, withQuery } from './client';
import type { ExplainNode, Page, Text } from './types';

export interface Fault {
  code: string;
  what: string;
  line: number;
  column: number;
  expected: string[];
  nearest: string;
  mend: string;
}

export interface Expression {
  text: string | null;
  tree: Tree | null;
  words: { de?: string; en?: string };
  fault: Fault | null;
  type: string | null;
  reads: string[];
  cost: { looks: number; loops: number; alone: string[] } | null;
  hints: string[];
}

export interface Count {
  estimate: number;
  low: number;
  high: number;
}

export interface Step {
  kind: string;
  text: string;
  words: { de: string; en: string };
  alone: Count;
  remaining: Count;
  missing: Count | null;
  steps: Step[];
}

export interface Reach {
  channel: string;
  consented: Count;
  reachable: Count;
  under_caps: Count;
}

export interface Estimate {
  fault: Fault | null;
  persons: number;
  looked_at: number;
  exact: boolean;
  at: string;
  count: Count | null;
  funnel: Step | null;
  reach: Reach[];
  drawn: number | null;
  fixed: boolean;
}

export interface Field {
  path: string;
  type: string;
  seen: number;
}

export interface EventChoice {
  name: string;
  title: Text | null;
  origin: string;
  volume: number;
  properties: Field[];
}

export interface Named {
  id: string;
  title: Text;
}

export interface StageChoice {
  id: string;
  title: Text;
  names: string[];
  titles: Record<string, Text>;
}

export interface Choices {
  person: Field[];
  traits: Field[];
  events: EventChoice[];
  channels: string[];
  purposes: Named[];
  segments: Named[];
  journeys: Named[];
  scores: Named[];
  stages: StageChoice[];
  categories: string[];
  brands: string[];
}

export interface Meeting {
  segments: string[];
  persons: number;
}

export interface Overlap {
  sizes: { [segment: string]: number };
  meetings: Meeting[];
  together: number;
}

export interface TrendDay {
  day: string;
  entered: number;
  left: number;
  members: number;
}

export interface Trend {
  days: TrendDay[];
}

export interface User {
  kind: string;
  id: string;
  field: string;
}

export interface Health {
  looks: number;
  alone: string[];
  timed: boolean;
  version: number;
  events: string[];
  speaks_of: string[];
  used_in: User[];
}

export interface WhyMember {
  person_id: string;
  label: string;
  segment: string;
  member: boolean;
  since: string | null;
  held: boolean;
  at: string;
  rule: ExplainNode;
  apart: string;
}

/** In which stage of a definition a person is, null in none; notes: the stages that staff may note. */
export interface StageSince {
  stage: string;
  title: Text;
  name: string | null;
  since: string | null;
  notes: string[];
}

/** How many persons are in each stage of a definition, and in none. */
export interface StageItem {
  id: string;
  title: Text;
  note: string | null;
  stages: { name: string; persons: number; title: Text }[];
  none: number;
}

export interface StageChanges {
  since: string;
  changes: { was: string | null; to: string | null; changes: number }[];
}

export interface RungWhy {
  name: string;
  here: boolean;
  when: ExplainNode;
  exit: ExplainNode | null;
}

export interface StageWhy {
  person_id: string;
  label: string;
  stage: string;
  name: string | null;
  since: string | null;
  stays: string | null;
  at: string;
  rungs: RungWhy[];
}

/** A condition in one of its forms. */
export interface Said {
  text?: string;
  tree?: Tree;
  words?: string;
  language?: string;
}

const part = (id: string): string => encodeURIComponent(id);

/** Nothing is stored by these two: they are asked with POST because a condition is long. */
export const expressionQuery = (said: Said) =>
  queryOptions({
    queryKey: ['expression', said], queryFn: () => post<Expression>('/api/expressions', said), staleTime: Infinity, gcTime: 60_000,
    placeholderData: keepPreviousData,
  });

export const estimateQuery = (said: Said, exact: boolean, segment: string) =>
  queryOptions({
    queryKey: ['estimate', said, exact, segment], queryFn: () => post<Estimate>('/api/estimates', { ...said, exact, segment }), staleTime: 30_000, gcTime: 60_000,
    placeholderData: keepPreviousData, retry: false,
  });

export const choicesQuery = queryOptions({ queryKey: ['choices'], queryFn: () => get<Choices>('/api/choices'), staleTime: 30_000 });

export const healthQuery = (id: string) =>
  queryOptions({ queryKey: ['health', id], queryFn: () => get<Health>(`/api/segments/${part(id)}/health`), refetchInterval: 30_000 });

export const trendQuery = (id: string, days: number) =>
  queryOptions({ queryKey: ['trend', id, days], queryFn: () => get<Trend>(withQuery(`/api/segments/${part(id)}/trend`, { days })), staleTime: 30_000 });

export const overlapQuery = (ids: string[]) =>
  queryOptions({
    queryKey: ['overlap', ids], queryFn: () => get<Overlap>(withQuery('/api/overlap', { segments: ids.join(',') })), enabled: ids.length > 1,
    placeholderData: keepPreviousData,
  });

export const whyMemberQuery = (id: string, person: string) =>
  queryOptions({
    queryKey: ['why-member', id, person], queryFn: () => get<WhyMember>(withQuery(`/api/segments/${part(id)}/why`, { person })), enabled: person !== '',
  });

export const stagesOfQuery = (id: string) =>
  queryOptions({ queryKey: ['stages-of', id], queryFn: () => get<Page<StageSince>>(`/api/persons/${part(id)}/stages`) });

export const whyStageQuery = (stage: string, person: string) =>
  queryOptions({ queryKey: ['why-stage', stage, person], queryFn: () => get<StageWhy>(withQuery(`/api/stages/${part(stage)}/why`, { person })) });

export const stagesQuery = queryOptions({ queryKey: ['stages'], queryFn: () => get<Page<StageItem>>('/api/stages') });

export const stageChangesQuery = (stage: string, days: number) =>
  queryOptions({ queryKey: ['stage-changes', stage, days], queryFn: () => get<StageChanges>(withQuery(`/api/stages/${part(stage)}/changes`, { days })) });
