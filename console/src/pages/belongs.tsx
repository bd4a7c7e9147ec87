import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { GroupItem } from '../api/data';
import { belongsQuery } from '../api/data_queries';
import { useWords, word } from '../i18n';
import { Card, Failure, Pill } from '../ui/parts';
import ui from '../ui/ui.module.css';
import css from './person.module.css';

export const nameOf = (group: GroupItem): string => (typeof group.traits['name'] === 'string' && group.traits['name'] !== '' ? group.traits['name'] : group.id);

/** The groups of a person, beside the person. Nothing stands there for somebody who belongs to none. */
export function Belongs({ id }: { id: string }) {
  const { t, f } = useWords();
  const { data, error, refetch } = useQuery(belongsQuery(id));
  if (error !== null) return <Failure error={error} retry={() => void refetch()} />;
  if (data === undefined || data.items.length === 0) return null;
  return (
    <Card title={t.groups.title}>
      <ul className={css.facts}>
        {data.items.map((one) => (
          <li className={css.fact} key={`${one.type}:${one.id}`}>
            <div className={css.line}>
              <Link to="/groups/$type/$id" params={{ type: one.type, id: one.id }} className={ui.link ?? ''}>{nameOf(one)}</Link>
              {one.contact_person && <Pill tone="teal">{t.groups.contactPerson}</Pill>}
            </div>
            <small>
              {word(t.groups.types, one.type)}{one.role !== null && ` · ${one.role}`} · {t.segments.members(one.size, f.number(one.size))}
            </small>
          </li>
        ))}
      </ul>
    </Card>
  );
}
