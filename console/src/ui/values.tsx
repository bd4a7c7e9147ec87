import type { Json, Properties } from '../api/types';
import type { Format } from '../i18n/format';
import { useWords } from '../i18n';
import css from './ui.module.css';

const MONEY = new Set(['revenue', 'total', 'price', 'value', 'subtotal', 'discount', 'tax', 'shipping']);
/** What says most about an event comes first; the rest follows in the order in which it was sent. */
const FIRST = ['name', 'title', 'segment', 'journey', 'verdict', 'reason', 'subject', 'product', 'category', 'revenue', 'total', 'value', 'price', 'order_id', 'cart_id', 'path'];
const QUIET = new Set(['currency', 'url', 'product_id', 'message_key', 'message_id', 'run', 'anonymousId']);

export function shortValue(f: Format, name: string, value: Json, currency: string | null): string {
  if (value === null) return '–';
  if (Array.isArray(value)) return `${f.number(value.length)} ×`;
  if (typeof value === 'object') return Object.keys(value).slice(0, 3).join(', ');
  if (typeof value === 'number') return MONEY.has(name) ? f.money(value, currency) : f.number(value);
  if (typeof value === 'boolean') return String(value);
  return value.length > 60 ? `${value.slice(0, 58)}…` : value;
}

const rank = (name: string): number => {
  const place = FIRST.indexOf(name);
  return place < 0 ? FIRST.length : place;
};

/** The few properties that tell an event at a glance. */
export function PropertyLine({ properties, most = 3, named = (name) => name }: { properties: Properties | null; most?: number; named?: (name: string) => string }) {
  const { t, f } = useWords();
  if (properties === null) return null;
  const currency = typeof properties['currency'] === 'string' ? properties['currency'] : null;
  const shown = Object.entries(properties)
    .filter(([name, value]) => value !== null && value !== '' && !QUIET.has(name))
    .sort(([a], [b]) => rank(a) - rank(b))
    .slice(0, most);
  if (shown.length === 0) return null;
  return (
    <div className={css.props}>
      {shown.map(([name, value]) => (
        <span key={name}>{named(name)} <b>{value === true ? t.builder.yes : value === false ? t.builder.no : shortValue(f, name, value, currency)}</b></span>
      ))}
    </div>
  );
}

/** A value of any shape as text, as it was sent. */
export const plainValue = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** The bytes as they came; a control character that nobody would see is shown by its number. */
export const escaped = (text: string): string =>
  text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);
