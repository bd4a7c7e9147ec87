// The tree of an expression as the REST API speaks it (GET /api/expressions/schema). It is built and taken apart here, never read from text.

export interface Tree {
  kind: string;
  name?: string;
  sign?: string;
  value?: string | boolean;
  args?: Tree[];
}

export interface Literal {
  kind: 'string' | 'number' | 'bool' | 'date';
  value: string;
}

const NAME = /^[_a-zA-Z][_a-zA-Z0-9]*$/;
/** What no name may be; such a trait stands in brackets. */
const RESERVED = new Set(
  ('as break const continue else false for function if import in let loop namespace null package return true var void while').split(' '),
);
const ROOTS = new Set(['person', 'trait', 'now', 'today', 'event', 'prior', 'entry', 'step', 'vars', 'goal', 'journey', 'data']);

export const plain = (name: string): boolean => NAME.test(name) && !RESERVED.has(name);

export const text = (value: string): Tree => ({ kind: 'string', value });
export const named = (name: string): Tree => ({ kind: 'name', name });
export const call = (name: string, ...args: Tree[]): Tree => ({ kind: 'call', name, args });
export const method = (name: string, receiver: Tree, ...args: Tree[]): Tree => ({ kind: 'method', name, args: [receiver, ...args] });
export const not = (part: Tree): Tree => ({ kind: 'not', args: [part] });
export const binary = (sign: string, left: Tree, right: Tree): Tree => ({ kind: 'binary', sign, args: [left, right] });
export const field = (of: Tree, name: string): Tree =>
  plain(name) ? { kind: 'field', name, args: [of] } : { kind: 'index', args: [of, text(name)] };

/** A number as the API writes it: no needless zeros, at most nine places. */
export function numberText(typed: string): string | null {
  const found = /^(-?)0*(\d{1,20})(?:[.,](\d{1,9}))?$/.exec(typed.trim());
  if (found === null) return null;
  const rest = (found[3] ?? '').replace(/0+$/, '');
  return `${found[1] ?? ''}${found[2] ?? '0'}${rest === '' ? '' : `.${rest}`}`;
}

export function literal(one: Literal): Tree {
  if (one.kind === 'bool') return { kind: 'bool', value: one.value === 'true' };
  if (one.kind === 'date') return call('date', text(one.value));
  if (one.kind === 'string') return text(one.value);
  const number = numberText(one.value) ?? '0';
  return number.startsWith('-') ? { kind: 'neg', args: [{ kind: 'number', value: number.slice(1) }] } : { kind: 'number', value: number };
}

export function literalOf(tree: Tree): Literal | null {
  if (tree.kind === 'string') return { kind: 'string', value: String(tree.value) };
  if (tree.kind === 'bool') return { kind: 'bool', value: String(tree.value) };
  if (tree.kind === 'number') return { kind: 'number', value: String(tree.value) };
  const inner = tree.args?.[0];
  if (tree.kind === 'neg' && inner?.kind === 'number') return { kind: 'number', value: `-${String(inner.value)}` };
  if (tree.kind === 'call' && tree.name === 'date' && inner?.kind === 'string' && /^\d{4}-\d\d-\d\d$/.test(String(inner.value))) {
    return { kind: 'date', value: String(inner.value) };
  }
  return null;
}

/** `trait.address.country` and the like: from the root, name by name. */
export const path = (root: string, names: string[]): Tree => names.reduce(field, named(root));

export function pathOf(tree: Tree): string[] | null {
  if (tree.kind === 'name') return [tree.name ?? ''];
  const [of, key] = tree.args ?? [];
  const before = of !== undefined && (tree.kind === 'field' || (tree.kind === 'index' && key?.kind === 'string' && !plain(String(key.value)))) ? pathOf(of) : null;
  return before === null ? null : [...before, tree.kind === 'field' ? (tree.name ?? '') : String(key?.value)];
}

/** A property inside an event. What is called as a root, or is no name, is written out. */
export const property = (names: string[]): Tree =>
  plain(names[0] ?? '') && !ROOTS.has(names[0] ?? '') ? path(names[0] ?? '', names.slice(1)) : path('event', ['properties', ...names]);

export const same = (a: Tree, b: Tree): boolean => JSON.stringify(ordered(a)) === JSON.stringify(ordered(b));

const ordered = (tree: Tree): unknown => [tree.kind, tree.name ?? null, tree.sign ?? null, tree.value ?? null, (tree.args ?? []).map(ordered)];
