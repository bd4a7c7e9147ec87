// The REST API of sources, the catalog of events, dead letters, identity, objects and products, as types.ts does it.

import type { Json, Page, Properties, Text } from './types';

export interface Key {
  id: string;
  hint: string;
  created_at: string;
  ends_at: string | null;
}

export interface Source {
  id: string;
  kind: string;
  name: string;
  events_per_s: number | null;
  keys: Key[];
}

export interface MadeKey {
  source: Source;
  key: string | null;
}

export interface Arrivals {
  source: string;
  events: number;
  last_at: string | null;
  hours: number[];
  names: { [name: string]: number };
}

/** Where the members of segments go, and how that is. */
export interface Destination {
  id: string;
  type: string;
  title: Text | null;
  segments: string[];
  purpose: string;
  to: string;
  state: string;
  waiting: number;
  dead: number;
  behind: number;
  sent: number;
  attempts: number;
  done_at: string | null;
  tried_at: string | null;
  again_at: string | null;
  held_since: string | null;
  error: string;
  left_out: { [reason: string]: number };
  asked: boolean;
}

export interface Delivery {
  seq: number;
  person_id: string;
  status: string;
  attempts: number;
  taken_at: string | null;
  next_at: string | null;
  reason: string;
}

export interface Acted {
  id: string;
  action: string;
  replayed: number;
}

export interface Refusal {
  n: number;
  at: string | null;
  source: string | null;
  status: number;
  code: string;
  message: string;
  mend: string;
  where: string;
  name: string | null;
  message_id: string | null;
  identifiers: string[];
  body: string;
  process: number;
  times: number;
}

/** A half-filled form as it was last saved. */
export interface Draft {
  id: string;
  form: string;
  fields: Properties;
  version: number;
  status: string;
  saved_at: string;
  by: string;
  touchpoint: string;
  person: string | null;
}

/** ref: opens this draft; it stands in no address. token: of its owner, told to server keys alone. */
export interface AgentDraft {
  ref: string;
  draft: Draft;
  token: string | null;
}

export interface PropertySeen {
  name: string;
  declared: string | null;
  types: { [type: string]: number };
  samples: string[];
}

export interface EventSeen {
  name: string;
  origin: string;
  title: Text | null;
  volume: number;
  first_at: string | null;
  last_at: string | null;
  looked_at: number;
  marked: number;
  dead_letters: number;
  schema: Properties | null;
  on_violation: string | null;
  version: number | null;
  versions: number[];
  properties: PropertySeen[];
  keep_days: number | null;
  expired_before: string | null;
}

export interface Letter {
  position: number;
  at: string | null;
  received_at: string | null;
  source: string;
  code: string;
  detail: string;
  version: string;
  items: number;
  name: string | null;
  replayable: boolean;
  body: string;
  encoding: string;
  cut: boolean;
}

export interface Letters extends Page<Letter> {
  counts: { [code: string]: number };
}

export interface Replayed {
  replayed: number;
  kept: { [reason: string]: number };
}

export interface End {
  kind: string;
  value: string;
}

export interface IdentityNode extends End {
  first_at: string | null;
  priority: number;
  unique: boolean;
  limit: number;
  usable: boolean;
}

export interface Evidence {
  a: End;
  b: End;
  evidence: string;
  source: string;
  authenticated: boolean;
  strength: number;
  at: string | null;
  message_id: string;
  joined: boolean;
  other: string | null;
}

export interface SignedIn {
  at: string | null;
  by: End;
  void: boolean;
}

export interface Device {
  value: string;
  sign_ins: SignedIn[];
}

export interface KeptApart {
  a: End;
  b: End;
  at: string | null;
}

export interface IdentityChange {
  kind: string;
  at: string | null;
  persons: string[];
  message_id: string | null;
  actor: string | null;
  why: string | null;
}

export interface Graph {
  person_id: string;
  label: string;
  nodes: IdentityNode[];
  edges: Evidence[];
  apart: KeptApart[];
  devices: Device[];
  aliases: string[];
  changes: IdentityChange[];
  reviews: number;
}

export interface Who {
  person_id: string;
  label: string;
}

export interface Review {
  id: number;
  person_a: Who;
  person_b: Who;
  reason: string;
  reason_text: { [language: string]: string };
  at: string | null;
  calls: number;
  a: End;
  b: End;
  evidence: Evidence | null;
}

/** One person of a preview. */
export interface Side {
  person_id: string;
  label: string;
  identifiers: End[];
  traits: number;
  events: number;
  runs: { run: string; journey: string; step: string; key: string }[];
  consents: { channel: string; purpose: string; address: string; status: string }[];
}

export interface Preview {
  kind: string;
  before: Side[];
  after: Side[];
  message_id: string;
}

export interface ObjectCount {
  kind: string;
  title: Text | null;
  count: number;
  states: { [state: string]: number };
}

export interface ObjectEvent {
  seq: number;
  at: string | null;
  name: string;
}

export interface ObjectItem {
  id: string;
  kind: string;
  state: string | null;
  state_since: string | null;
  began_at: string | null;
  changed_at: string | null;
  valid_from: Json;
  valid_until: Json;
  valid: boolean | null;
  money: number | null;
  currency: string | null;
  fields: Properties;
  events: ObjectEvent[];
}

/** A business object that a search found, and whose it is. */
export interface FoundObject {
  kind: string;
  id: string;
  person_id: string;
  label: string;
}

/** A row of the list of products. */
export interface Product {
  product_id: string;
  name: string | null;
  category: string | null;
  brand: string | null;
  price: number | null;
  properties: Properties;
}

export interface RelatedProduct {
  product_id: string;
  name: string | null;
}

export interface ProductRecord {
  product_id: string;
  name: string | null;
  texts: { [language: string]: { [field: string]: string } };
  category: string | null;
  categories: string[];
  brand: string | null;
  price: number | null;
  currency: string | null;
  prices: { price?: number; currency?: string; from?: string; until?: string }[];
  stock: number | null;
  branches: { [branch: string]: Json };
  accessories: RelatedProduct[];
  successors: RelatedProduct[];
  substitutes: RelatedProduct[];
  properties: Properties;
}

/** A group of a person, and the person's role there. */
export interface Belonging {
  type: string;
  id: string;
  role: string | null;
  contact_person: boolean;
  since: string | null;
  traits: Properties;
  size: number;
}

export interface GroupItem {
  type: string;
  id: string;
  traits: Properties;
  size: number;
}

export interface Member {
  person_id: string;
  label: string;
  role: string | null;
  contact_person: boolean;
  since: string | null;
}

export interface Group extends GroupItem {
  counted: number;
  contacts: Member[];
  members: Member[];
  next: string | null;
}
