import type { Filter, Item, Row, Test } from '../builder/model.ts';
import { asks } from '../builder/model.ts';
import type { Text } from '../api/types';
import { useWords, word } from '../i18n';
import { useFieldName } from '../ui/named';
import { useChoices, useEventName } from './BuilderFields';

/** A row as a short sentence, as the figures beside it name it; null for what was written by hand. */
export function useSentence(): (item: Item) => string | null {
  const { t, say } = useWords();
  const choices = useChoices();
  const [fieldName, eventName] = [useFieldName(), useEventName()];
  const test = (of: string, one: Test, called: Record<string, Text> = {}): string =>
    [of, t.builder.ops[one.op], asks(one.op) && one.values.map((value) => (value.kind === 'bool' ? (value.value === 'true' ? t.builder.yes : t.builder.no) : say(called[value.value] ?? value.value, value.value))).join(', ')].filter(Boolean).join(' ');
  const named = (list: { id: string; title: Parameters<typeof say>[0] }[], id: string) => say(list.find((one) => one.id === id)?.title ?? id, id);
  const when = (within: string) => (within === '' ? '' : `${t.builder.within} ${within.slice(0, -1)} ${word(t.builder.units, within.slice(-1))}`);
  const event = (row: Extract<Row, { kind: 'event' }>): string => {
    const names = row.names.map((name) => { const found = choices.events.find((one) => one.name === name); return found === undefined ? name : eventName(found); }).join(' / ');
    const counted = row.how === 'once' || row.how === 'never' ? '' : `${t.builder.countOps[row.op] ?? ''} ${row.number}${row.how === 'count' ? ' ×' : ''}`;
    const of = row.of === '' ? '' : fieldName(row.of);
    const details = row.filters.map((one: Filter) => `${t.builder.with} ${test(fieldName(one.path), one)}`).join(', ');
    return [`${names}:`, row.how === 'count' ? '' : t.builder.hows[row.how], of, counted, when(row.within), details].filter((part) => part !== '').join(' ');
  };
  return (item) => {
    switch (item.kind) {
      case 'group': return t.estimate.groups[item.mode] ?? '';
      case 'trait': return test(item.root === 'score' ? named(choices.scores, item.path) : item.root === 'stage' ? named(choices.stages, item.path) : fieldName(item.path), item, item.root === 'stage' ? choices.stages.find((one) => one.id === item.path)?.titles : {});
      case 'event': return event(item);
      case 'consent': return `${item.yes ? t.builder.consents.yes : t.builder.consents.no} ${named(choices.purposes, item.purpose)} ${t.builder.by} ${word(t.words.channel, item.channel)}`;
      case 'reach': return `${item.yes ? t.builder.reaches.yes : t.builder.reaches.no} ${word(t.words.channel, item.channel)}`;
      case 'segment': return `${item.yes ? t.builder.members.yes : t.builder.members.no} ${named(item.of === 'segment' ? choices.segments : choices.journeys, item.segment)}`;
      case 'other': return null;
    }
  };
}
