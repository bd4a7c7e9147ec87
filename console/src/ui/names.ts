import type { Identifier } from '../api/types';
import type { Dictionary } from '../i18n/en';

const ORDER = ['userId', 'email', 'phone'];

const rank = (kind: string): number => {
  const place = ORDER.indexOf(kind);
  return place >= 0 ? place : kind === 'anonymousId' ? ORDER.length + 1 : ORDER.length;
};

/** What staff know somebody by comes first, traces of devices last. */
export const inOrder = (identifiers: Identifier[]): Identifier[] => [...identifiers].sort((a, b) => rank(a.kind) - rank(b.kind));

/** The label of a person; a visitor of whom there is only a long device id gets a short name. */
export const personName = (label: string, t: Dictionary): string =>
  label === '' ? t.person.fallback : /^[0-9a-f-]{16,}$/i.test(label) ? t.persons.visitor(label.slice(0, 8)) : label;
