// What an agent typed over a draft that its customer may change meanwhile: nothing of either is lost, nothing is decided by us.

import type { Json, Properties } from '../api/types';

/** What an agent typed into a field, and what stood there when that began; undefined: nothing. */
export interface Edit {
  value: Json;
  from: Json | undefined;
}
export type Edits = Record<string, Edit>;

export const same = (a: Json | undefined, b: Json | undefined): boolean => JSON.stringify(a) === JSON.stringify(b);

/** The edits that still say something, over what is there now: one that is there already is done. */
export const open = (edits: Edits, there: Properties): Edits =>
  Object.fromEntries(Object.entries(edits).filter(([name, edit]) => !same(edit.value, there[name])));

/** Fields that both changed: what is there is not what the agent began with. */
export const conflicts = (edits: Edits, there: Properties): string[] =>
  Object.entries(edits).filter(([name, edit]) => !same(edit.from, there[name]) && !same(edit.value, there[name])).map(([name]) => name);

export const typed = (edits: Edits, there: Properties, name: string, value: Json): Edits =>
  ({ ...edits, [name]: { value, from: name in edits ? edits[name]?.from : there[name] } });

export const merged = (edits: Edits, there: Properties): Properties =>
  ({ ...there, ...Object.fromEntries(Object.entries(edits).map(([name, edit]) => [name, edit.value])) });

/** Fields that differ between two states of a draft. */
export const changed = (before: Properties, after: Properties): string[] =>
  [...new Set([...Object.keys(before), ...Object.keys(after)])].filter((name) => !same(before[name], after[name]));

/** What a field is shown as: choices are the boxes of one group, as forms save them; anything else keeps its shape untouched. */
export type Shape = 'text' | 'number' | 'yes' | 'choices' | 'other';
export const shapeOf = (value: Json | undefined): Shape => {
  if (typeof value === 'boolean') return 'yes';
  if (typeof value === 'number') return 'number';
  if (value === null || value === undefined || typeof value === 'string') return 'text';
  const boxes = !Array.isArray(value) && Object.values(value).length > 0 && Object.values(value).every((one) => typeof one === 'boolean');
  return boxes ? 'choices' : 'other';
};

/** A name of a field or form as people read it: `firstName`, `first_name` and `first-name` are "First name". */
export const readable = (name: string): string => {
  const words = name.replace(/([\p{Ll}\d])(\p{Lu})/gu, '$1 $2').replace(/[_\-./]+/g, ' ').trim();
  return words === '' ? name : words.charAt(0).toUpperCase() + words.slice(1).replace(/ (\p{Lu})(?=\p{Ll})/gu, (_, first: string) => ` ${first.toLowerCase()}`);
};

/** A code as it is told: XXXX-XXXX, whatever was typed around it. */
export const asCode = (said: string): string => {
  const signs = said.toUpperCase().replace(/[^0-9A-Z]/g, '').slice(0, 8);
  return signs.length > 4 ? `${signs.slice(0, 4)}-${signs.slice(4)}` : signs;
};
