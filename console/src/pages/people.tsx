import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { PersonItem } from '../api/types';
import { useWords, word } from '../i18n';
import { useNow } from '../ui/now';
import { useNamed } from '../ui/named';
import { inOrder, personName } from '../ui/names';
import { Avatar, Pill, TableWrap } from '../ui/parts';
import ui from '../ui/ui.module.css';

/** A list of persons; slim where it shares the page, as among the members of a segment. */
export function People({ items, label, slim = false, more }: { items: PersonItem[]; label: string; slim?: boolean; more?: { title: string; of: (person: PersonItem) => ReactNode } }) {
  const { t, f } = useWords();
  const { segment } = useNamed();
  const now = useNow();
  return (
    <TableWrap label={label}>
      <table className={ui.table}>
        <thead>
          <tr>
            <th scope="col">{t.persons.columns.person}</th>
            <th scope="col" className={ui.hideTablet}>{t.persons.columns.identifiers}</th>
            {!slim && <th scope="col" className={ui.hidePhone}>{t.persons.columns.segments}</th>}
            <th scope="col">{t.persons.columns.seen}</th>
            {more !== undefined && <th scope="col">{more.title}</th>}
          </tr>
        </thead>
        <tbody>
          {items.map((person) => (
            <tr key={person.person_id}>
              <th scope="row">
                <span className={ui.who}>
                  <Avatar label={person.label} known={person.known} />
                  <span style={{ minWidth: 0 }}>
                    <Link to="/persons/$id" params={{ id: person.person_id }} className={ui.link ?? ''} style={{ overflowWrap: 'anywhere' }}>{personName(person.label, t)}</Link>
                    <span className={`${ui.dim} ${ui.small}`} style={{ display: 'block', fontWeight: 400 }}>
                      {person.known ? t.persons.known : t.persons.anonymous}{person.country !== null && person.country !== '' && ` · ${person.country}`}
                    </span>
                  </span>
                </span>
              </th>
              <td className={ui.hideTablet}>
                {inOrder(person.identifiers).slice(0, slim ? 1 : 2).map((one) => (
                  <div key={`${one.kind}:${one.value}`} className={ui.small}>
                    <span className={ui.dim}>{word(t.words.identifier, one.kind)} </span>
                    <span className={ui.mono}>{one.value}</span>
                  </div>
                ))}
                {!slim && person.identifiers.length > 2 && <div className={`${ui.dim} ${ui.small}`}>{t.persons.more(f.number(person.identifiers.length - 2))}</div>}
              </td>
              {!slim && (
                <td className={ui.hidePhone}>
                  <span className={ui.pills}>
                    {person.segments.slice(0, 3).map((id) => (
                      <Link key={id} to="/segments/$id" params={{ id }} className={ui.pill ?? ''}>{segment(id)}</Link>
                    ))}
                    {person.segments.length > 3 && <Pill>+{f.number(person.segments.length - 3)}</Pill>}
                  </span>
                </td>
              )}
              <td className={ui.small}>
                {person.last_seen_at !== null && <time dateTime={person.last_seen_at} title={f.exact(person.last_seen_at)}>{f.ago(person.last_seen_at, now)}</time>}
              </td>
              {more !== undefined && <td>{more.of(person)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </TableWrap>
  );
}
