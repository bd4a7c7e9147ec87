import type { Language } from './index';

// Numbers, money and moments, always by Intl and in the language of the screen.

export interface Format {
  number: (value: number) => string;
  decimal: (value: number, digits: number) => string;
  percent: (share: number, digits?: number) => string;
  money: (value: number, currency: string | null, sign?: boolean) => string;
  moment: (iso: string) => string;
  exact: (iso: string) => string;
  time: (iso: string) => string;
  seconds: (iso: string) => string;
  day: (iso: string) => string;
  date: (iso: string) => string;
  ago: (iso: string, now: number) => string;
}

const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 31_557_600],
  ['month', 2_629_800],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

export function makeFormat(language: Language): Format {
  const locale = language === 'de' ? 'de-DE' : 'en-GB';
  const plain = new Intl.NumberFormat(locale);
  const moment = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' });
  const exact = new Intl.DateTimeFormat(locale, { dateStyle: 'full', timeStyle: 'long' });
  const time = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' });
  const seconds = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
  const day = new Intl.DateTimeFormat(locale, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });
  const date = new Intl.DateTimeFormat(locale, { dateStyle: 'medium' });
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
  const show = (format: Intl.DateTimeFormat, iso: string): string => {
    const at = new Date(iso);
    return Number.isNaN(at.getTime()) ? iso : format.format(at);
  };
  return {
    number: (value) => plain.format(value),
    decimal: (value, digits) => value.toLocaleString(locale, { maximumFractionDigits: digits, minimumFractionDigits: digits }),
    percent: (share, digits = 0) => share.toLocaleString(locale, { style: 'percent', maximumFractionDigits: digits }),
    money: (value, currency, sign = false) => {
      const large = Math.abs(value) >= 1_000;
      const options: Intl.NumberFormatOptions = {
        minimumFractionDigits: large ? 0 : 2,
        maximumFractionDigits: large ? 0 : 2,
        signDisplay: sign ? 'exceptZero' : 'auto',
      };
      if (currency === null || !/^[A-Z]{3}$/.test(currency)) return value.toLocaleString(locale, options);
      return value.toLocaleString(locale, { ...options, style: 'currency', currency });
    },
    moment: (iso) => show(moment, iso),
    exact: (iso) => show(exact, iso),
    time: (iso) => show(time, iso),
    seconds: (iso) => show(seconds, iso),
    day: (iso) => show(day, iso),
    date: (iso) => show(date, iso),
    ago: (iso, now) => {
      const passed = (new Date(iso).getTime() - now) / 1000;
      if (Number.isNaN(passed)) return iso;
      for (const [unit, length] of STEPS) {
        if (Math.abs(passed) >= length) return relative.format(Math.round(passed / length), unit);
      }
      return relative.format(Math.round(passed), 'second');
    },
  };
}
