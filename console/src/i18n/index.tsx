import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from 'react';
import type { Text } from '../api/types';
import { de } from './de';
import { type Dictionary, en } from './en';
import { type Format, makeFormat } from './format';

export type Language = 'de' | 'en';

const DICTIONARIES: Record<Language, Dictionary> = { de, en };
const KEPT_AS = 'einklang-language';

const asLanguage = (text: string | null | undefined): Language | null =>
  text?.toLowerCase().startsWith('de') ? 'de' : text?.toLowerCase().startsWith('en') ? 'en' : null;

function kept(): Language | null {
  try {
    return asLanguage(localStorage.getItem(KEPT_AS));
  } catch {
    return null;
  }
}

export interface Words {
  t: Dictionary;
  f: Format;
  language: Language;
  /** A text of a definition in the language of the screen, else in the first that it has; empty: the id. */
  say: (text: Text, id: string) => string;
  /** Chosen by hand: kept on this machine. */
  choose: (language: Language) => void;
  /** The staff member's own language: holds as long as nobody chose another by hand. */
  suggest: (language: string) => void;
}

const Context = createContext<Words | null>(null);

export function LanguageProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState<Language>(() => kept() ?? asLanguage(navigator.language) ?? 'en');

  useEffect(() => {
    document.documentElement.lang = language;
  }, [language]);

  const choose = useCallback((next: Language) => {
    try {
      localStorage.setItem(KEPT_AS, next);
    } catch {
      // A browser that keeps nothing still shows the chosen language until it is closed.
    }
    setLanguage(next);
  }, []);

  const suggest = useCallback((text: string) => {
    const own = asLanguage(text);
    if (own !== null && kept() === null) setLanguage(own);
  }, []);

  const words = useMemo<Words>(
    () => ({
      t: DICTIONARIES[language], f: makeFormat(language), language, choose, suggest,
      say: (text, id) => {
        const said = typeof text === 'string' ? text : (text[language] ?? Object.values(text)[0] ?? '');
        return said === '' ? id : said;
      },
    }),
    [language, choose, suggest],
  );
  return <Context.Provider value={words}>{children}</Context.Provider>;
}

export function useWords(): Words {
  const words = useContext(Context);
  if (words === null) throw new Error('useWords outside of LanguageProvider');
  return words;
}

/** The word for a value of the API; a value that nobody has named is shown as it is. */
export const word = (table: Record<string, string>, value: string): string => table[value] ?? value.replaceAll('_', ' ');
