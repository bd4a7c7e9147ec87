// What is being written, kept in this browser until it is saved.
import { type Group, groupOf, groupTree } from './model.ts';
import type { Tree } from './tree.ts';

export type View = 'rows' | 'words' | 'text';
export interface Draft { name: string; view: View; group: Group; typed: string }
interface Kept { name: string; view: View; tree: Tree | null; typed: string }

const keyOf = (id: string): string => `einklang-segment-draft:${id}`;

export const EMPTY: Draft = { name: '', view: 'rows', group: groupOf({ kind: 'bool', value: true }), typed: '' };
export const EVERYBODY: Tree = { kind: 'bool', value: true };

export function keep(id: string, draft: Draft | null): void {
  try {
    if (draft === null) localStorage.removeItem(keyOf(id));
    else localStorage.setItem(keyOf(id), JSON.stringify({ name: draft.name, view: draft.view, tree: groupTree(draft.group), typed: draft.typed } satisfies Kept));
  } catch {
    // A browser that keeps nothing still lets a segment be written and saved in one go.
  }
}

export function kept(id: string): Draft | null {
  try {
    const found = JSON.parse(localStorage.getItem(keyOf(id)) ?? 'null') as Kept | null;
    return found === null ? null : { name: found.name, view: found.view, group: groupOf(found.tree ?? EVERYBODY), typed: found.typed };
  } catch {
    return null;
  }
}
