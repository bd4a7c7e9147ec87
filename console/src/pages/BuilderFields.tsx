import { NativeSelect, TextInput } from '@mantine/core';
import { createContext, useContext, useId } from 'react';
import type { Choices, EventChoice, Field } from '../api/audience';
import { asks, type Op, type Test } from '../builder/model.ts';
import type { Literal } from '../builder/tree.ts';
import { useWords } from '../i18n';
import css from './builder.module.css';

export const ChoicesContext = createContext<Choices | null>(null);

export function useChoices(): Choices {
  const found = useContext(ChoicesContext);
  if (found === null) throw new Error('useChoices outside of ChoicesContext');
  return found;
}

export interface Option { value: string; label: string }
export interface Options { group: string; items: Option[] }

/** A choice in a sentence. What stands there and is in no list is offered too, so that nothing is lost by looking. */
export function Choice({ label, value, onChange, options, empty, wide = false }: {
  label: string; value: string; onChange: (value: string) => void; options: Option[] | Options[]; empty?: string; wide?: boolean;
}) {
  const flat = options.flatMap((one) => ('group' in one ? one.items : [one]));
  const missing = value !== '' && !flat.some((one) => one.value === value);
  return (
    <NativeSelect size="sm" aria-label={label} value={value} className={(wide ? css.wide : css.choice) ?? ''} onChange={(event) => onChange(event.currentTarget.value)} data-open={value === ''}>
      {empty !== undefined && <option value="">{empty}</option>}
      {missing && <option value={value}>{value}</option>}
      {options.map((one) => ('group' in one
        ? one.items.length > 0 && <optgroup key={one.group} label={one.group}>{one.items.map((item) => <option key={item.value} value={item.value}>{item.label}</option>)}</optgroup>
        : <option key={one.value} value={one.value}>{one.label}</option>))}
    </NativeSelect>
  );
}

export function useEventName(): (event: EventChoice) => string {
  const { t, say } = useWords();
  return (event) => (event.title === null ? (t.builder.events[event.name] ?? event.name) : say(event.title, event.name));
}

const TEXTS: Op[] = ['is', 'isNot', 'oneOf', 'contains', 'beginsWith', 'known', 'unknown'];
const NUMBERS: Op[] = ['is', 'isNot', 'atLeast', 'atMost', 'moreThan', 'lessThan', 'known', 'unknown'];
const OPS: Record<string, Op[]> = {
  number: NUMBERS, money: NUMBERS, bool: ['is', 'known', 'unknown'], date: ['is', 'atLeast', 'lessThan', 'ageFrom', 'ageBelow', 'birthdayIn', 'known', 'unknown'],
  timestamp: ['known', 'unknown'], map: ['known', 'unknown'], string: TEXTS,
};
const AGES = new Set<Op>(['ageFrom', 'ageBelow', 'birthdayIn']);
const COUNTED = new Set<Op>(['atLeast', 'atMost', 'moreThan', 'lessThan']);

const kindOf = (type: string, op: Op): Literal['kind'] =>
  AGES.has(op) ? 'number' : type === 'number' || type === 'money' ? 'number' : type === 'bool' ? 'bool' : type === 'date' ? 'date' : type !== 'string' && COUNTED.has(op) ? 'number' : 'string';

/** The test for another field: what was typed stays where it fits. */
export function fitted(test: Test, type: string): Test {
  const known = OPS[type] ?? [...TEXTS, ...COUNTED];
  const op = known.includes(test.op) ? test.op : (known[0] ?? 'is');
  const kind = kindOf(type, op);
  const values = test.values.filter((one) => one.kind === kind);
  return { op, values: asks(op) && values.length === 0 ? [{ kind, value: kind === 'bool' ? 'true' : '' }] : values };
}

function useSuggestions(path: string): Option[] {
  const choices = useChoices();
  const { language } = useWords();
  if (/(^|\.)category$/.test(path)) return choices.categories.map((value) => ({ value, label: '' }));
  if (/(^|\.)brand$/.test(path)) return choices.brands.map((value) => ({ value, label: '' }));
  if (/(^|\.)country$/.test(path)) {
    const names = new Intl.DisplayNames([language], { type: 'region' });
    return ['DE', 'AT', 'CH', 'FR', 'NL', 'BE', 'LU', 'IT', 'ES', 'PL', 'CZ', 'DK', 'SE', 'GB', 'IE', 'US'].map((value) => ({ value, label: names.of(value) ?? value }));
  }
  return path === 'language' ? [{ value: 'de', label: 'Deutsch' }, { value: 'en', label: 'English' }] : [];
}

function Value({ path, test, offered, onChange }: { path: string; test: Test; offered: Option[]; onChange: (test: Test) => void }) {
  const { t } = useWords();
  const id = useId();
  const known = useSuggestions(path);
  const suggestions = offered.length > 0 ? offered : known;
  const [first] = test.values;
  const kind = first?.kind ?? 'string';
  if (kind === 'bool') {
    return (
      <Choice
        label={t.builder.value} value={first?.value ?? 'true'} options={[{ value: 'true', label: t.builder.yes }, { value: 'false', label: t.builder.no }]}
        onChange={(value) => onChange({ ...test, values: [{ kind, value }] })}
      />
    );
  }
  const many = test.op === 'oneOf';
  if (offered.length > 0 && (test.op === 'is' || test.op === 'isNot')) {
    return <Choice label={t.builder.value} value={first?.value ?? ''} empty={t.builder.choose} options={offered} onChange={(value) => onChange({ ...test, values: [{ kind, value }] })} />;
  }
  const put = (typed: string) => onChange({
    ...test, values: many ? typed.split(',').map((one) => ({ kind, value: one.trim() })) : [{ kind, value: typed }],
  });
  return (
    <>
      <TextInput
        size="sm" className={css.value ?? ''} aria-label={t.builder.value} list={suggestions.length > 0 ? id : undefined} data-open={(first?.value ?? '') === ''}
        type={kind === 'date' ? 'date' : 'text'} inputMode={kind === 'number' ? 'decimal' : undefined} placeholder={many ? t.builder.valuesText : t.builder.value}
        {...(many ? { defaultValue: test.values.map((one) => one.value).join(', ') } : { value: first?.value ?? '' })} onChange={(event) => put(event.currentTarget.value)}
      />
      {suggestions.length > 0 && <datalist id={id}>{suggestions.map((one) => <option key={one.value} value={one.value} label={one.label} />)}</datalist>}
    </>
  );
}

/** `is at least 5`, of a trait or a detail. */
export function TestFields({ path, type, test, offered = [], onChange }: { path: string; type: string; test: Test; offered?: Option[]; onChange: (test: Test) => void }) {
  const { t } = useWords();
  const known = OPS[type] ?? [...TEXTS, ...COUNTED];
  const ops = known.includes(test.op) ? known : [test.op, ...known];
  const choose = (op: Op) => {
    const kind = test.values[0] !== undefined && (test.op === 'is' || test.op === 'isNot' || kindOf(type, op) === test.values[0].kind) && !COUNTED.has(op) ? test.values[0].kind : kindOf(type, op);
    const kept = test.values.filter((one) => one.kind === kind).slice(0, op === 'oneOf' ? undefined : 1);
    onChange({ op, values: !asks(op) ? [] : kept.length > 0 ? kept : [{ kind, value: kind === 'bool' ? 'true' : '' }] });
  };
  return (
    <>
      <Choice
        label={t.builder.comparison} value={test.op} onChange={(op) => choose(op as Op)}
        options={ops.map((op) => ({ value: op, label: (type === 'date' ? t.builder.dateOps[op] : undefined) ?? t.builder.ops[op] }))}
      />
      {asks(test.op) && <Value key={String(test.op === 'oneOf')} path={path} test={test} offered={offered} onChange={onChange} />}
    </>
  );
}

export const typeOf = (fields: Field[], path: string): string => fields.find((one) => one.path === path)?.type ?? 'dyn';

/** What can be compared: lists and the like have parts of their own. */
export const comparable = (fields: Field[]): Field[] => fields.filter((one) => !one.type.startsWith('list') && one.type !== 'map' && one.type !== 'null');
