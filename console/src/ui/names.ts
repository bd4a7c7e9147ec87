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

/** An id out of a name: German letters are written out. */
export const idOf = (name: string): string => name.toLowerCase()
  .replace(/ä/g, 'ae').replace(/ö/g, 'oe').replace(/ü/g, 'ue').replace(/ß/g, 'ss').normalize('NFKD')
  .replace(/[^a-z0-9]+/g, '-').replace(/^[^a-z]+|-+$/g, '').slice(0, 60).replace(/^new$/, 'new-segment');

/** The id of something new that is called so, which nothing else has. */
export const freeId = (name: string, taken: string[]): string => {
  const id = idOf(name);
  let n = 1;
  while (taken.includes(n === 1 ? id : `${id}-${n}`)) n += 1;
  return n === 1 ? id : `${id}-${n}`;
};
