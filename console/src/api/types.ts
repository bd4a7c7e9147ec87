// The REST API as the console reads it, written by hand from the interface. Times are RFC 3339 in UTC.
// A value that the server may not know is `null`, never left out.

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type Properties = { [key: string]: Json };

/** A text as definitions hold it: one for all languages, or one per language. */
export type Text = string | { [language: string]: string };

export interface Page<T> {
  items: T[];
  next: string | null;
}

export interface Problem {
  type?: string;
  title: string;
  status: number;
  code?: string;
  detail?: string;
  where?: string;
  mend?: string;
}

export interface Session {
  name: string;
  role: string;
  language: string;
}

export interface Status {
  version: string;
  home: string;
  company: string;
  now: string;
  mode: string;
  persons: number;
  events: number;
  pending: number;
  dead_letters: number;
  duplicates: number;
  messages_today: number;
  last_event_at: string | null;
  segments: number;
  journeys: number;
}

export interface Entry {
  seq: number;
  clock: string;
  at: string;
  type: string;
  name: string;
  person_id: string | null;
  person_label: string | null;
  source: string;
  touchpoint: string;
  origin: number;
  properties: Properties;
}

export interface Identifier {
  kind: string;
  value: string;
  first_at: string | null;
}

export interface PersonItem {
  person_id: string;
  label: string;
  known: boolean;
  identifiers: Identifier[];
  country: string | null;
  last_seen_at: string | null;
  segments: string[];
}

export interface Consent {
  channel: string;
  address: string;
  purpose: string;
  status: string;
  at: string;
  source: string;
  wording: string;
  evidence: string;
  expires_at: string;
}

export interface PersonRun {
  journey: string;
  version: number;
  run: string;
  status: string;
  step: string | null;
  arm: string;
  key: string | null;
  entered_at: string;
  ended_at: string | null;
  goal: boolean;
}

export interface Person {
  person_id: string;
  label: string;
  known: boolean;
  identifiers: Identifier[];
  traits: { [name: string]: { value: Json; at: string | null; computed: boolean } };
  consents: Consent[];
  segments: { id: string; since: string }[];
  stages: { stage: string; name: string; since: string }[];
  journeys: PersonRun[];
  created_at: string | null;
  last_seen_at: string | null;
  aliases: string[];
}

export type TimelineKind = 'event' | 'decision' | 'system';

export interface TimelineItem {
  seq: number;
  at: string;
  clock: string;
  kind: TimelineKind;
  name: string;
  touchpoint: string | null;
  source: string;
  properties: Properties | null;
  verdict: string | null;
  reason: string | null;
  reason_text: { de: string; en: string } | null;
  journey: string | null;
  step: string | null;
  channel: string | null;
  message: string | null;
  until: string | null;
  objects: ObjectRef[];
}

/** A business object by its kind and id. */
export interface ObjectRef {
  kind: string;
  id: string;
}

export interface ExplainNode {
  text: string;
  /** In plain words, where they are told. */
  words?: { de: string; en: string } | null;
  value: Json;
  held: boolean | null;
  children: ExplainNode[];
  /** Why there is no value, where the parts do not tell. */
  note?: 'too_many_members' | 'list_cut';
}

export interface WhyVerdict {
  seq?: number;
  at?: string | null;
  clock: string | null;
  verdict: string;
  reason: string | null;
  reason_text?: { de: string; en: string } | null;
  journey: string | null;
  step: string | null;
  channel: string | null;
  message: string | null;
  until?: string | null;
}

export interface Why {
  person_id: string;
  verdicts: WhyVerdict[];
  entry: { journey: string; entered: boolean; rule: ExplainNode | null; reason?: string | null; candidates?: number } | null;
}

export interface SegmentItem {
  id: string;
  title: Text;
  where: string;
  members: number;
  updated_at: string | null;
  /** Pages may know whether their visitor is a member. */
  on_site: boolean;
  /** It was changed, and its members are being worked out. */
  building: { step: 'look' | 'tell'; looked: number; of: number } | null;
  /** The condition in plain words, by language. */
  words: Record<string, string>;
  /** Who is put on its list is a member too. */
  manual: boolean;
}

export interface Segment extends SegmentItem {
  definition: string;
  listens: string[];
  used_by: string[];
  frozen: string | null;
}

export interface JourneyItem {
  id: string;
  title: Text;
  state: string;
  version: number;
  entered: number;
  in_progress: number;
  contacted: number;
  goal: number;
  control: number;
  has_goal: boolean;
}

export interface JourneyCounts {
  entered: number;
  control: number;
  contacted: number;
  goal: number;
  exited: number;
  done: number;
  in_progress: number;
}

export interface JourneyStep {
  id: string;
  kind: string;
  title: Text;
  detail: Text;
  then: string | null;
  else: string | null;
  entered: number;
  here: number;
  left: number;
}

export interface JourneyEntry {
  kind: string;
  name: string | null;
  where: string | null;
  key: string | null;
  reenter: string | null;
}

export interface Journey {
  id: string;
  title: Text;
  state: string;
  version: number;
  definition: string;
  counts: JourneyCounts;
  steps: JourneyStep[];
  has_goal: boolean;
  entry: JourneyEntry;
  exit: { name: string; when: string }[];
  goal: { event: string; where: string | null; within: string | null } | null;
  control: number;
}

/** What counts: the value of the goal's events (money), or whether the goal was reached at all. */
export type Metric = 'value' | 'reached';

export interface Note {
  code: string;
  level: 'alarm' | 'warning';
  text: { [language: string]: string };
}

export type Verdict = 'no_statement_yet' | 'up' | 'down' | 'smaller_than';

export interface Arm {
  n: number;
  buyers: number;
  revenue: number;
  mean: number | null;
}

export interface Report {
  journey: string;
  title: Text;
  currency: string | null;
  metric: Metric;
  window_days: number | null;
  arms: { treated: Arm; control: Arm };
  effect: {
    estimate: number | null;
    ci: [number | null, number | null] | null;
    p: number | null;
    p_welch: number | null;
    lift: number | null;
    lift_ci: [number | null, number | null] | null;
  };
  verdict: Verdict;
  verdict_bound: number | null;
  incremental: { estimate: number | null; ci: [number | null, number | null] | null };
  sample_ratio: { expected: number | null; observed: number | null; p: number | null; ok: boolean };
  excluded: { immature: number; contaminated: number; no_control: number };
  contacted: number;
  responders: number | null;
  position: number | null;
  gate: { buyers_needed: number; buyers_smallest: number };
  warnings: Note[];
}
