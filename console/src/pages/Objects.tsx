import { NativeSelect } from '@mantine/core';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useState } from 'react';
import type { ObjectCount, ObjectItem } from '../api/data';
import { objectsOfQuery, objectsQuery } from '../api/data_queries';
import type { Json } from '../api/types';
import { useWords, word } from '../i18n';
import { useNamed } from '../ui/named';
import { Empty, Failure, More, Pill, Rows, TableWrap, type Tone } from '../ui/parts';
import ui from '../ui/ui.module.css';
import { plainValue } from '../ui/values';
import css from './identity.module.css';

const GOOD = new Set(['active', 'paid', 'delivered', 'completed', 'confirmed', 'done', 'won']);
const BAD = new Set(['cancelled', 'overdue', 'failed', 'returned', 'lost', 'terminated', 'dunned']);

const stateTone = (state: string): Tone => (GOOD.has(state) ? 'teal' : BAD.has(state) ? 'red' : 'gray');

function Validity({ item }: { item: ObjectItem }) {
  const { t, f } = useWords();
  if (item.valid === null) return <span className={ui.dim}>–</span>;
  const day = (value: Json): string => (typeof value === 'string' ? f.date(value) : plainValue(value));
  return (
    <>
      <Pill tone={item.valid ? 'teal' : 'gray'}>{item.valid ? t.objects.valid : t.objects.notValid}</Pill>
      <div className={`${ui.dim} ${ui.small}`}>
        {item.valid_from !== null && t.objects.from(day(item.valid_from))} {item.valid_until !== null && t.objects.until(day(item.valid_until))}
      </div>
    </>
  );
}

function Row({ item }: { item: ObjectItem }) {
  const { t, f } = useWords();
  const { event: called, field } = useNamed();
  return (
    <tr>
      <th scope="row">
        {typeof item.fields['name'] === 'string' && <div>{item.fields['name']}</div>}
        {item.kind === 'owned-product' ? <Link to="/products/$id" params={{ id: item.id }} className={`${ui.textLink} ${ui.mono}`}>{item.id}</Link> : <span className={ui.mono}>{item.id}</span>}
        {item.began_at !== null && <div className={`${ui.dim} ${ui.small}`} style={{ fontWeight: 400 }}>{f.moment(item.began_at)}</div>}
        <details className={ui.fold} style={{ fontWeight: 400 }}>
          <summary>{t.objects.why}</summary>
          <dl className={ui.pairs}>
            {Object.entries(item.fields).map(([name, value]) => [<dt key={`${name}-name`}>{field(name)}</dt>, <dd key={name}>{plainValue(value)}</dd>])}
            {item.events.map((event, place) => [
              <dt key={`${place}-at`}>{event.at === null ? '' : f.moment(event.at)}</dt>, <dd key={place}>{called(event.name)}</dd>,
            ])}
          </dl>
        </details>
      </th>
      <td>
        {item.state === null ? <span className={ui.dim}>–</span> : <Pill tone={stateTone(item.state)}>{word(t.objects.states, item.state)}</Pill>}
        {item.state_since !== null && <div className={`${ui.dim} ${ui.small}`}>{t.objects.since(f.moment(item.state_since))}</div>}
      </td>
      <td className={ui.num}>{item.money === null ? '–' : f.money(item.money, item.currency)}</td>
      <td className={ui.hidePhone}><Validity item={item} /></td>
    </tr>
  );
}

function OfKind({ id, kind }: { id: string; kind: ObjectCount }) {
  const { t, f, say } = useWords();
  const [status, setStatus] = useState('');
  const list = useInfiniteQuery(objectsOfQuery(id, kind.kind, status));
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  const states = Object.entries(kind.states).filter(([state]) => state !== '');
  const said = say(kind.title ?? kind.kind, kind.kind);
  const title = said === kind.kind || said === t.objects.one[kind.kind] ? word(t.objects.kinds, kind.kind) : said;
  return (
    <section style={{ minWidth: 0 }}>
      <div className={css.actions}>
        <h2 className={css.head}>{title} <span className={ui.dim}>{f.number(kind.count)}</span></h2>
        {states.length > 1 && (
          <NativeSelect
            size="xs" aria-label={t.objects.state} value={status} onChange={(event) => setStatus(event.currentTarget.value)}
            data={[{ value: '', label: t.objects.allStates }, ...states.map(([state, n]) => ({ value: state, label: `${word(t.objects.states, state)} (${f.number(n)})` }))]}
          />
        )}
      </div>
      {list.isError && <Failure error={list.error} retry={() => void list.refetch()} />}
      {list.isPending && <Rows count={2} />}
      {items.length > 0 && (
        <TableWrap label={title}>
          <table className={ui.table}>
            <thead>
              <tr>
                <th scope="col">{t.objects.id}</th><th scope="col">{t.objects.state}</th><th scope="col" className={ui.num}>{t.objects.money}</th>
                <th scope="col" className={ui.hidePhone}>{t.objects.validity}</th>
              </tr>
            </thead>
            <tbody>{items.map((item) => <Row key={item.id} item={item} />)}</tbody>
          </table>
        </TableWrap>
      )}
      <More shown={list.hasNextPage} busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t.app.more}</More>
    </section>
  );
}

export function Objects({ id }: { id: string }) {
  const { t } = useWords();
  const { data, error, refetch, isPending } = useQuery(objectsQuery(id));
  if (isPending) return <Rows count={4} />;
  if (error !== null || data === undefined) return <div style={{ padding: '1rem' }}><Failure error={error} retry={() => void refetch()} /></div>;
  if (data.items.length === 0) return <Empty icon="box" title={t.objects.emptyTitle} text={t.objects.emptyText} />;
  return <div className={css.pane}>{data.items.map((kind) => <OfKind key={kind.kind} id={id} kind={kind} />)}</div>;
}
