import { useQuery } from '@tanstack/react-query';
import { choicesQuery } from '../api/audience';
import type { Json, Properties, Text } from '../api/types';
import { useWords, word } from '../i18n';

const SAME_MS = 300_000;
/** Of what Einklang tells itself this says nothing to people: places and numbers of its own. */
const OF_ITS_OWN = new Set(['version', 'status', 'key', 'run', 'late', 'purpose', 'message_id', 'by_identifier']);

/** Who is meant by what was typed: an id, kind:value, an e-mail address, or a customer number. */
export const asPerson = (typed: string): string =>
  typed === '' || typed.startsWith('p_') || typed.includes(':') ? typed : typed.includes('@') ? `email:${typed}` : `userId:${typed}`;

/** What a trait or a property is called on the screen. */
export function useFieldName(): (path: string) => string {
  const { t } = useWords();
  return (path) => {
    const known = t.builder.fields[path];
    if (known !== undefined) return known;
    const [list, element] = path.split('[].');
    return element === undefined ? path.replaceAll('.', ' · ') : t.builder.element(list ?? '', t.builder.fields[element] ?? element);
  };
}

/** What people call things: events, segments, journeys, stages, purposes; what has no name is called by its id. */
export function useNamed() {
  const { t, say, language } = useWords();
  const { data } = useQuery({ ...choicesQuery, staleTime: SAME_MS });
  const field = useFieldName();
  const titled = (list: { id: string; title: Text }[] | undefined, id: string): string => say(list?.find((one) => one.id === id)?.title ?? id, id);
  const event = (name: string): string => {
    const title = data?.events.find((one) => one.name === name)?.title ?? null;
    return title === null ? (t.builder.events[name] ?? name) : say(title, name);
  };
  const segment = (id: string): string => titled(data?.segments, id);
  const journey = (id: string): string => titled(data?.journeys, id);
  const purpose = (id: string): string => titled(data?.purposes, id);
  const stages = (id: string): string => titled(data?.stages, id);
  const stage = (of: string, name: string | null): string => (name === null ? t.stages.none : say(data?.stages.find((one) => one.id === of)?.titles[name] ?? name, name));
  /** What Einklang itself says of a person: the properties that tell people something, by their names. */
  const told = (properties: Properties | null): Properties | null => {
    if (properties === null) return null;
    const name = (key: string, value: Json): Json => {
      if (key === 'from' || key === 'to' || key === 'name') return typeof properties['stage'] === 'string' ? stage(properties['stage'], typeof value === 'string' && value !== '' ? value : null) : value;
      if (typeof value !== 'string') return value;
      if (key === 'by') return value.replace(/^staff:/, '');
      if (key === 'channel') return word(t.words.channel, value);
      return key === 'segment' ? segment(value) : key === 'journey' ? journey(value) : key === 'stage' ? stages(value) : value;
    };
    return Object.fromEntries(Object.entries(properties).filter(([key]) => !OF_ITS_OWN.has(key)).map(([key, value]) => [key, name(key, value)]));
  };
  /** A condition in words, with the names that things have for people. */
  const spoken = (words: string): string => words
    .replace(/`([\w.]+)`/g, '$1')
    .replace(/\b(?:some|ein) (\w+) (?:in|aus) products (?:with|mit) \((.*?)\)/g, (_, one: string, rest: string) => t.why.ofProducts(rest.replaceAll(`${one}.`, '')))
    .replace(/\b(of|von) ([\w.]+) (over events|über Ereignisse)/g, (_, of: string, path: string, over: string) => `${of} ${field(path)} ${over}`)
    .replace(/\b([a-z]+) (is|ist)\b/g, (whole, path: string, is: string) => (t.builder.fields[path] === undefined ? whole : `${t.builder.fields[path]} ${is}`))
    .replace(/(\S* ?\S* )"([^"]*)"/g, (_, before: string, id: string) => {
      // What stands before a text says what it names: a path may be called like a purpose.
      const known = /(purpose|Zweck) $/.test(before) ? purpose(id) : /(channel|Kanal) $/.test(before) ? word(t.words.channel, id)
        : /segment $/i.test(before) ? segment(id) : /journey $/i.test(before) ? journey(id) : /^(event is|Ereignisses ist) $/.test(before) ? word(t.words.touchpoint, id)
          : data?.events.some((one) => one.name === id) ? event(id) : id;
      return `${before}${language === 'de' ? `„${known}“` : `“${known}”`}`;
    });
  return { event, segment, journey, purpose, stages, stage, field, told, spoken };
}
