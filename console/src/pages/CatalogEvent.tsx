import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import type { EventSeen, PropertySeen } from '../api/data';
import { catalogEventQuery } from '../api/data_queries';
import { useWords, word } from '../i18n';
import { useNow } from '../ui/now';
import { Back, Card, Code, Empty, Failure, PageHead, Pill, Rows, TableWrap, Tiles } from '../ui/parts';
import ui from '../ui/ui.module.css';
import { ORIGIN_TONE } from './Catalog';

const JSON_TYPE: Record<string, string> = { string: 'string', number: 'number', bool: 'boolean', list: 'array', map: 'object' };

/** How an event that nobody declared would be declared: its name and what was seen of it, ready to be changed and applied. */
function proposal(event: EventSeen): string {
  const flat = event.properties.filter((one) => !/[.[\]]/.test(one.name)).slice(0, 12);
  const lines = flat.map((one) => {
    const types = Object.keys(one.types).flatMap((type) => JSON_TYPE[type] ?? []);
    return `    ${JSON.stringify(one.name)}: {${types.length === 1 ? `type: ${types[0]}` : ''}}`;
  });
  return ['kind: event', `id: ${JSON.stringify(event.name)}`, 'on_violation: mark', 'schema:', `  properties:${lines.length === 0 ? ' {}' : ''}`, ...lines, '', '# einklang apply event.yaml'].join('\n');
}

function Property({ property, looked }: { property: PropertySeen; looked: number }) {
  const { t, f } = useWords();
  const types = Object.entries(property.types);
  const seen = types.reduce((sum, [, n]) => sum + n, 0);
  return (
    <tr>
      <th scope="row" className={ui.mono}>{property.name}</th>
      <td>{property.declared === null ? <span className={ui.dim}>{t.catalog.notDeclared}</span> : <Pill tone="teal">{property.declared}</Pill>}</td>
      <td>
        {types.length === 0 ? <span className={ui.dim}>{t.catalog.neverSeen}</span> : (
          <>
            <span className={ui.pills}>{types.map(([type, n]) => <Pill key={type} tone={types.length > 1 ? 'warm' : 'gray'}>{type} {f.number(n)}</Pill>)}</span>
            {looked > 0 && !property.name.includes('[') && <div className={`${ui.dim} ${ui.small}`}>{t.catalog.share(f.percent(Math.min(1, seen / looked)))}</div>}
          </>
        )}
      </td>
      <td className={ui.hidePhone}>{property.samples.map((sample) => <div key={sample} className={`${ui.mono} ${ui.small}`}>{sample}</div>)}</td>
    </tr>
  );
}

function Properties({ event }: { event: EventSeen }) {
  const { t, f } = useWords();
  return (
    <Card flush title={t.catalog.properties}>
      <div className={`${ui.dim} ${ui.small}`} style={{ padding: '0 1.25rem 0.5rem' }}>{t.catalog.looked(f.number(event.looked_at))}</div>
      {event.properties.length === 0 ? <Empty icon="catalog" title={t.catalog.noProperties} text={t.catalog.noPropertiesText} /> : (
        <TableWrap label={t.catalog.properties}>
          <table className={ui.table}>
            <thead>
              <tr>
                <th scope="col">{t.catalog.property}</th><th scope="col">{t.catalog.declared}</th><th scope="col">{t.catalog.types}</th>
                <th scope="col" className={ui.hidePhone}>{t.catalog.samples}</th>
              </tr>
            </thead>
            <tbody>{event.properties.map((one) => <Property key={one.name} property={one} looked={event.looked_at} />)}</tbody>
          </table>
        </TableWrap>
      )}
    </Card>
  );
}

function Plan({ event }: { event: EventSeen }) {
  const { t, f } = useWords();
  if (event.schema === null) {
    const own = event.origin === 'einklang';
    return (
      <Card title={t.catalog.schema}>
        <div className={ui.dim} style={{ marginBottom: own ? 0 : 10 }}>{own ? t.catalog.ownEvent : t.catalog.noSchema}</div>
        {!own && <Code text={proposal(event)} label="event.yaml" wrap />}
      </Card>
    );
  }
  return (
    <Card title={t.catalog.schema} aside={event.version !== null && <Pill>{t.catalog.version(f.number(event.version))}</Pill>}>
      <div style={{ marginBottom: 10 }}>{event.on_violation === 'dead_letter' ? t.catalog.putAside : t.catalog.marks}</div>
      <Code text={JSON.stringify(event.schema, null, 2)} label={t.catalog.schema} wrap />
      {event.versions.length > 1 && <div className={`${ui.dim} ${ui.small}`} style={{ marginTop: 8 }}>{t.catalog.versions(event.versions.map(f.number).join(', '))}</div>}
    </Card>
  );
}

export function CatalogEvent() {
  const { t, f, say } = useWords();
  const now = useNow();
  const { name } = useParams({ from: '/inside/catalog/$name' });
  const { data: event, error, refetch, isPending } = useQuery(catalogEventQuery(name));
  if (isPending) return <Rows count={8} />;
  if (error !== null || event === undefined) return <Failure error={error} retry={() => void refetch()} />;
  const title = event.title === null ? '' : say(event.title, '');
  return (
    <>
      <PageHead
        title={event.name} back={<Back to="/catalog">{t.catalog.title}</Back>}
        badge={<Pill tone={ORIGIN_TONE[event.origin] ?? 'gray'}>{word(t.catalog.origins, event.origin)}</Pill>}
        lead={<>{title !== '' && <>{title} · </>}{word(t.catalog.originTexts, event.origin)}</>}
      />
      <Tiles
        label={t.live.tilesLabel}
        items={[
          { label: t.catalog.columns.volume, value: f.number(event.volume) },
          { label: t.catalog.columns.last, value: event.last_at === null ? '–' : <span title={f.exact(event.last_at)} style={{ fontSize: '1rem' }}>{f.ago(event.last_at, now)}</span> },
          { label: t.catalog.marked, value: f.number(event.marked), ...(event.marked > 0 && { tone: 'warm' as const }) },
          {
            label: t.catalog.deadLetters, ...(event.dead_letters > 0 && { tone: 'warm' as const }),
            value: event.dead_letters === 0 ? '0' : <Link to="/dead-letters" search={{ code: 'schema_violation' }} className={ui.textLink ?? ''}>{f.number(event.dead_letters)}</Link>,
          },
        ]}
      />
      <div className={ui.columns}>
        <Properties event={event} />
        <div className={ui.side}>
          <Plan event={event} />
          <Card title={t.catalog.keeping}>
            <div className={ui.dim}>{event.keep_days === null ? t.catalog.keptForEver : t.catalog.keptDays(f.number(event.keep_days))}</div>
            {event.expired_before !== null && <div className={ui.dim}>{t.catalog.expiredBefore(f.exact(event.expired_before))}</div>}
          </Card>
          <Card><Link to="/" search={{ name: event.name }} className={ui.textLink ?? ''}>{t.catalog.toLive}</Link></Card>
        </div>
      </div>
    </>
  );
}
