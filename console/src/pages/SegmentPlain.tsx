import { useQuery } from '@tanstack/react-query';
import { choicesQuery, expressionQuery } from '../api/audience';
import { type Group, groupOf, type Item } from '../builder/model.ts';
import { useWords } from '../i18n';
import { Card, Pill } from '../ui/parts';
import ui from '../ui/ui.module.css';
import { useFieldName } from '../ui/named';
import { ChoicesContext, useChoices, useEventName } from './BuilderFields';
import { useSentence } from './sentence';

const sayable = (item: Item): boolean => (item.kind === 'group' ? item.items.every(sayable) : item.kind !== 'other');

function Lines({ group }: { group: Group }) {
  const { t } = useWords();
  const sentence = useSentence();
  return (
    <>
      {group.items.length > 1 && <span className={ui.dim}>{t.estimate.groups[group.mode]}</span>}
      <ul style={{ margin: '0.2rem 0 0', paddingInlineStart: '1.2rem' }}>
        {group.items.map((item) => <li key={item.id}>{item.kind === 'group' ? <Lines group={item} /> : sentence(item)}</li>)}
      </ul>
    </>
  );
}

/** A condition in the sentences of the builder, with the names that segments and events have for people; else in the words of the language. */
export function PlainCondition({ where, words }: { where: string; words: string | undefined }) {
  const choices = useQuery(choicesQuery);
  const told = useQuery({ ...expressionQuery({ text: where }), enabled: where !== '' });
  const group = told.data?.tree == null || told.isPlaceholderData ? null : groupOf(told.data.tree);
  if (choices.data === undefined || group === null || group.items.length === 0 || !sayable(group)) return words === undefined ? null : <p style={{ margin: '0 0 0.8rem' }}>{words}</p>;
  return (
    <ChoicesContext.Provider value={choices.data}>
      <div style={{ margin: '0 0 0.8rem' }} title={words}><Lines group={group} /></div>
    </ChoicesContext.Provider>
  );
}

function Heard({ listens }: { listens: string[] }) {
  const { t, say } = useWords();
  const choices = useChoices();
  const [fieldName, eventName] = [useFieldName(), useEventName()];
  const named = (one: string): string => {
    const [, kind, id] = /^(segment|inJourney)\("(.+)"\)$/.exec(one) ?? [];
    const known = (kind === 'segment' ? choices.segments : choices.journeys).find((found) => found.id === id);
    const event = choices.events.find((found) => found.name === one);
    if (kind !== undefined) return say(known?.title ?? id ?? one, id ?? one);
    if (event !== undefined) return eventName(event);
    return one === 'time' ? t.segments.time : one.startsWith('trait.') ? fieldName(one.slice(6)) : one;
  };
  return <span className={ui.pills}>{listens.map((one) => <Pill key={one} title={one}>{named(one)}</Pill>)}</span>;
}

/** What makes a person be asked again. */
export function Listens({ listens }: { listens: string[] }) {
  const { t } = useWords();
  const choices = useQuery(choicesQuery);
  if (listens.length === 0 || choices.data === undefined) return null;
  return (
    <Card title={t.segments.listens}>
      <div className={`${ui.dim} ${ui.small}`} style={{ marginBottom: 8 }}>{t.segments.listensText}</div>
      <ChoicesContext.Provider value={choices.data}><Heard listens={listens} /></ChoicesContext.Provider>
    </Card>
  );
}
