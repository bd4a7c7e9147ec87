// What the builder shows: groups of rows. Each row is made of a tree and makes the same tree again; what no row can say stays as it is.
import {
  binary, call, field, literal, type Literal, literalOf, method, named, not, numberText, path, pathOf, property, same, text, type Tree,
} from './tree.ts';

export type Mode = 'all' | 'any' | 'none';
export type Op = 'is' | 'isNot' | 'atLeast' | 'atMost' | 'moreThan' | 'lessThan' | 'oneOf' | 'contains' | 'beginsWith' | 'known' | 'unknown' | 'ageFrom' | 'ageBelow' | 'birthdayIn';

export interface Group { id: number; kind: 'group'; mode: Mode; items: Item[] }
export interface Test { op: Op; values: Literal[] }
/** A trait, a field of the person, or what a score or the stages say (`path` is their id). */
export type Root = 'trait' | 'person' | 'score' | 'stage';
export interface TraitRow extends Test { id: number; kind: 'trait'; root: Root; path: string }
/** A property of an event, of one of its products (`products[].category`), or of the event itself (`event.touchpoint`). */
export interface Filter extends Test { id: number; path: string }
export type How = 'once' | 'never' | 'count' | 'sum' | 'avg' | 'max' | 'min';
export interface EventRow { id: number; kind: 'event'; names: string[]; how: How; of: string; op: Op; number: string; within: string; filters: Filter[] }
export interface ConsentRow { id: number; kind: 'consent'; channel: string; purpose: string; yes: boolean }
export interface ReachRow { id: number; kind: 'reach'; channel: string; yes: boolean }
export interface SegmentRow { id: number; kind: 'segment'; of: 'segment' | 'inJourney'; segment: string; yes: boolean }
export interface OtherRow { id: number; kind: 'other'; tree: Tree }
export type Row = TraitRow | EventRow | ConsentRow | ReachRow | SegmentRow | OtherRow;
export type Item = Group | Row;

let last = 0;
export const nextId = (): number => ++last;

const SIGNS: Partial<Record<Op, string>> = { is: '==', isNot: '!=', atLeast: '>=', atMost: '<=', moreThan: '>', lessThan: '<' };
const OPS: Record<string, Op> = { '==': 'is', '!=': 'isNot', '>=': 'atLeast', '<=': 'atMost', '>': 'moreThan', '<': 'lessThan' };
const LENGTH = /^[1-9]\d{0,4}[hdw]$/;

// --- rows -> tree ---

function tested(of: Tree, test: Test): Tree {
  const [first] = test.values;
  const sign = SIGNS[test.op];
  if (test.op === 'known') return call('has', of);
  if (test.op === 'unknown') return not(call('has', of));
  if (test.op === 'oneOf') return binary('in', of, { kind: 'list', args: test.values.map(literal) });
  const value = literal(first ?? { kind: 'string', value: '' });
  if (test.op === 'ageFrom' || test.op === 'ageBelow') return binary(test.op === 'ageFrom' ? '>=' : '<', call('age', of), value);
  if (test.op === 'birthdayIn') return binary('<=', call('anniversary', of), binary('+', named('today'), call('duration', text(`${first?.value ?? '0'}d`))));
  if (sign !== undefined) return binary(sign, of, value);
  return method(test.op === 'contains' ? 'contains' : 'startsWith', of, value);
}

const split = (path_: string): string[] => path_.split('.');

function filterTree(filter: Filter): Tree {
  const [list, element] = filter.path.split('[].');
  if (element !== undefined) {
    const inner = tested(split(element).reduce(field, named('p')), filter);
    return method('exists', property(split(list ?? '')), named('p'), inner);
  }
  if (filter.path === 'event.touchpoint') return tested(path('event', ['touchpoint']), filter);
  return tested(property(split(filter.path)), filter);
}

function eventTree(row: EventRow): Tree {
  let set = call('events', ...row.names.map(text));
  if (row.within !== '') set = method('within', set, text(row.within));
  const filters = row.filters.map(filterTree);
  if (filters.length > 0) set = method('where', set, filters.length === 1 ? (filters[0] as Tree) : { kind: 'and', args: filters });
  if (row.how === 'once') return method('exists', set);
  if (row.how === 'never') return not(method('exists', set));
  const measured = row.how === 'count' ? method('count', set) : method(row.how, set, property(split(row.of)));
  return tested(measured, { op: row.op, values: [{ kind: 'number', value: row.number }] });
}

const maybe = (yes: boolean, tree: Tree): Tree => (yes ? tree : not(tree));

export function rowTree(row: Row): Tree {
  switch (row.kind) {
    case 'trait': return tested(row.root === 'score' || row.root === 'stage' ? call(row.root, text(row.path)) : path(row.root, split(row.path)), row);
    case 'event': return eventTree(row);
    case 'consent': return maybe(row.yes, call('consent', text(row.channel), text(row.purpose)));
    case 'reach': return maybe(row.yes, call('reachable', text(row.channel)));
    case 'segment': return maybe(row.yes, call(row.of, text(row.segment)));
    case 'other': return row.tree;
  }
}

/** The tree of what is filled in; null where nothing is. */
export function groupTree(group: Group): Tree | null {
  const parts = group.items
    .map((item) => (item.kind === 'group' ? groupTree(item) : complete(item) ? rowTree(item) : null))
    .filter((part) => part !== null);
  const [first] = parts;
  if (first === undefined) return null;
  if (group.mode === 'none') return not(parts.length === 1 ? first : { kind: 'or', args: parts });
  return parts.length === 1 ? first : { kind: group.mode === 'all' ? 'and' : 'or', args: parts };
}

// --- what is filled in ---

const NO_VALUE = new Set<Op>(['known', 'unknown']);
export const asks = (op: Op): boolean => !NO_VALUE.has(op);

const testComplete = (test: Test): boolean =>
  !asks(test.op) || (test.values.length > 0 && test.values.every((one) => one.value.trim() !== '' && (one.kind !== 'number' || numberText(one.value) !== null)));

export function complete(row: Row): boolean {
  switch (row.kind) {
    case 'trait': return row.path !== '' && testComplete(row);
    case 'event': {
      const counted = row.how === 'once' || row.how === 'never' || (numberText(row.number) !== null && (row.how === 'count' || row.of !== ''));
      return row.names.length > 0 && counted && (row.within === '' || LENGTH.test(row.within)) && row.filters.every((one) => one.path !== '' && testComplete(one));
    }
    case 'segment': return row.segment !== '';
    default: return true;
  }
}

export const open = (group: Group): number =>
  group.items.reduce((n, item) => n + (item.kind === 'group' ? open(item) : complete(item) ? 0 : 1), 0);

// --- tree -> rows ---

/** `age(x) >= 18`, `anniversary(x) <= today + duration("7d")`. */
function aged(sign: string | undefined, name: string | undefined, of: Tree, right: Tree): [Tree, Test] | null {
  if (name === 'age' && right.kind === 'number' && (sign === '>=' || sign === '<')) {
    return [of, { op: sign === '<' ? 'ageBelow' : 'ageFrom', values: [{ kind: 'number', value: String(right.value) }] }];
  }
  const days = /^(\d{1,3})d$/.exec(String(right.args?.[1]?.args?.[0]?.value ?? ''));
  return name === 'anniversary' && sign === '<=' && days !== null ? [of, { op: 'birthdayIn', values: [{ kind: 'number', value: days[1] ?? '' }] }] : null;
}

function testOf(tree: Tree): [Tree, Test] | null {
  const [left, right] = tree.args ?? [];
  if (left === undefined) return null;
  if (tree.kind === 'call' && tree.name === 'has') return [left, { op: 'known', values: [] }];
  if (tree.kind === 'not') return left.kind === 'call' && left.name === 'has' && left.args?.[0] !== undefined ? [left.args[0], { op: 'unknown', values: [] }] : null;
  if (right === undefined) return null;
  const [of] = left.args ?? [];
  if (tree.kind === 'binary' && left.kind === 'call' && of !== undefined && (left.name === 'age' || left.name === 'anniversary')) return aged(tree.sign, left.name, of, right);
  if (tree.kind === 'binary' && tree.sign === 'in' && right.kind === 'list') {
    const values = (right.args ?? []).map(literalOf);
    return values.length > 0 && values.every((one) => one !== null) ? [left, { op: 'oneOf', values }] : null;
  }
  const value = literalOf(right);
  if (value === null) return null;
  const op = tree.kind === 'binary' ? OPS[tree.sign ?? ''] : tree.kind === 'method' && tree.name === 'contains' ? 'contains' : tree.kind === 'method' && tree.name === 'startsWith' ? 'beginsWith' : undefined;
  return op === undefined ? null : [left, { op, values: [value] }];
}

function filterOf(tree: Tree): Filter | null {
  if (tree.kind === 'method' && tree.name === 'exists' && tree.args?.length === 3) {
    const [list, variable, body] = tree.args as [Tree, Tree, Tree];
    const found = testOf(body);
    const [outer, inner] = [pathOf(list), found === null ? null : pathOf(found[0])];
    if (found === null || outer === null || inner === null || variable.name !== 'p' || inner[0] !== 'p' || inner.length < 2) return null;
    return { id: nextId(), path: `${outer.join('.')}[].${inner.slice(1).join('.')}`, ...found[1] };
  }
  const found = testOf(tree);
  const names = found === null ? null : pathOf(found[0]);
  if (found === null || names === null) return null;
  const kept = names[0] === 'event' && names[1] === 'properties' ? names.slice(2) : names;
  return { id: nextId(), path: kept.join('.'), ...found[1] };
}

interface Set { names: string[]; within: string; filters: Filter[] }

function setOf(tree: Tree): Set | null {
  const [of, more] = tree.args ?? [];
  if (tree.kind === 'call' && tree.name === 'events') {
    const names = (tree.args ?? []).map((one) => (one.kind === 'string' ? String(one.value) : null));
    return names.length > 0 && names.every((one) => one !== null) ? { names, within: '', filters: [] } : null;
  }
  if (tree.kind !== 'method' || of === undefined || more === undefined) return null;
  const before = setOf(of);
  if (before === null || before.filters.length > 0) return null;
  if (tree.name === 'within' && before.within === '' && more.kind === 'string' && LENGTH.test(String(more.value))) return { ...before, within: String(more.value) };
  if (tree.name !== 'where') return null;
  const filters = (more.kind === 'and' ? (more.args ?? []) : [more]).map(filterOf);
  return filters.every((one) => one !== null) ? { ...before, filters } : null;
}

const MEASURES = new Set(['count', 'sum', 'avg', 'max', 'min']);

function eventOf(tree: Tree): EventRow | null {
  const inner = tree.kind === 'not' ? tree.args?.[0] : tree;
  if (inner?.kind === 'method' && inner.name === 'exists' && inner.args?.length === 1) {
    const set = setOf(inner.args[0] as Tree);
    return set === null ? null : { id: nextId(), kind: 'event', how: tree.kind === 'not' ? 'never' : 'once', of: '', op: 'atLeast', number: '2', ...set };
  }
  const found = testOf(tree);
  const measured = found?.[0];
  if (found === null || measured?.kind !== 'method' || !MEASURES.has(measured.name ?? '')) return null;
  const [of, what] = measured.args ?? [];
  const set = of === undefined ? null : setOf(of);
  const names = what === undefined ? [] : pathOf(what);
  const [value] = found[1].values;
  if (set === null || names === null || value?.kind !== 'number' || found[1].values.length !== 1) return null;
  const kept = names[0] === 'event' && names[1] === 'properties' ? names.slice(2) : names;
  return { id: nextId(), kind: 'event', how: measured.name as How, of: kept.join('.'), op: found[1].op, number: value.value, ...set };
}

function askedOf(tree: Tree): Row | null {
  const inner = tree.kind === 'not' ? tree.args?.[0] : tree;
  const said = (inner?.args ?? []).map((one) => (one.kind === 'string' ? String(one.value) : ''));
  const yes = tree.kind !== 'not';
  if (inner?.kind !== 'call') return null;
  if (inner.name === 'consent') return { id: nextId(), kind: 'consent', channel: said[0] ?? '', purpose: said[1] ?? '', yes };
  if (inner.name === 'reachable') return { id: nextId(), kind: 'reach', channel: said[0] ?? '', yes };
  if (inner.name === 'segment' || inner.name === 'inJourney') return { id: nextId(), kind: 'segment', of: inner.name, segment: said[0] ?? '', yes };
  return null;
}

function traitOf(tree: Tree): TraitRow | null {
  const found = testOf(tree);
  const [of, more] = [found?.[0], found?.[0].args?.[0]];
  if (found !== null && of?.kind === 'call' && (of.name === 'score' || of.name === 'stage') && more?.kind === 'string') {
    return { id: nextId(), kind: 'trait', root: of.name, path: String(more.value), ...found[1] };
  }
  const names = found === null ? null : pathOf(found[0]);
  if (found === null || names === null || names.length < 2 || (names[0] !== 'trait' && names[0] !== 'person')) return null;
  return { id: nextId(), kind: 'trait', root: names[0], path: names.slice(1).join('.'), ...found[1] };
}

/** A row that makes this very tree again; else the tree itself, shown in words. */
function rowOf(tree: Tree): Row {
  for (const read of [askedOf, eventOf, traitOf]) {
    const row = read(tree);
    if (row !== null && complete(row) && same(rowTree(row), tree)) return row;
  }
  return { id: nextId(), kind: 'other', tree };
}

function itemOf(tree: Tree): Item {
  const inner = tree.kind === 'not' ? tree.args?.[0] : undefined;
  if (inner?.kind === 'or') return { id: nextId(), kind: 'group', mode: 'none', items: (inner.args ?? []).map(itemOf) };
  if (tree.kind === 'and' || tree.kind === 'or') return { id: nextId(), kind: 'group', mode: tree.kind === 'and' ? 'all' : 'any', items: (tree.args ?? []).map(itemOf) };
  return rowOf(tree);
}

/** The rows of a tree: always a group. `true` is everybody: no row. */
export function groupOf(tree: Tree): Group {
  const item = itemOf(tree);
  if (item.kind === 'group') return item;
  return { id: nextId(), kind: 'group', mode: 'all', items: tree.kind === 'bool' && tree.value === true ? [] : [item] };
}

// --- changes ---

/** The group with one item replaced (by its id), or taken out. */
export const changed = (group: Group, id: number, to: Item | null): Group => ({
  ...group,
  items: group.items.flatMap((item) => (item.id === id ? (to === null ? [] : [to]) : item.kind === 'group' ? [changed(item, id, to)] : [item])),
});

export const NEW: { [kind in Exclude<Item['kind'], 'other'>]: () => Item } = {
  group: () => ({ id: nextId(), kind: 'group', mode: 'any', items: [] }),
  trait: () => ({ id: nextId(), kind: 'trait', root: 'trait', path: '', op: 'is', values: [{ kind: 'string', value: '' }] }),
  event: () => ({ id: nextId(), kind: 'event', names: [], how: 'once', of: '', op: 'atLeast', number: '2', within: '', filters: [] }),
  consent: () => ({ id: nextId(), kind: 'consent', channel: 'email', purpose: 'marketing', yes: true }),
  reach: () => ({ id: nextId(), kind: 'reach', channel: 'email', yes: true }),
  segment: () => ({ id: nextId(), kind: 'segment', of: 'segment', segment: '', yes: true }),
};
