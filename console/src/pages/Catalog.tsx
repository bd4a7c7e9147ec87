import { CloseButton, NativeSelect, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import type { EventSeen } from '../api/data';
import { catalogQuery } from '../api/data_queries';
import { useWords, word } from '../i18n';
import { Icon } from '../ui/icons';
import { useNow } from '../ui/now';
import { Card, Code, Empty, Failure, More, PageHead, Pill, Rows, TableWrap, type Tone } from '../ui/parts';
import ui from '../ui/ui.module.css';

export const ORIGIN_TONE: Record<string, Tone> = { declared: 'teal', segment: 'gray', einklang: 'warm', discovered: 'red' };
const ORIGINS = ['declared', 'discovered', 'segment', 'einklang'] as const;

/** Also what was never sent here. */
const ALL = 'all';

const EXAMPLE = `kind: event
id: Chat Begun
title: {de: Chat begonnen, en: Chat begun}
on_violation: mark
schema: {required: [room], properties: {room: {type: string}}}

# einklang apply event.yaml`;

function Row({ event }: { event: EventSeen }) {
  const { t, f, say } = useWords();
  const now = useNow();
  const broken = event.marked + event.dead_letters;
  const title = event.title === null ? '' : say(event.title, '');
  return (
    <tr>
      <th scope="row" style={{ minWidth: '9rem' }}>
        <Link to="/catalog/$name" params={{ name: event.name }} className={ui.link ?? ''} style={{ overflowWrap: 'anywhere' }}>{event.name}</Link>
        {title !== '' && title !== event.name && <div className={`${ui.dim} ${ui.small}`} style={{ fontWeight: 400 }}>{title}</div>}
      </th>
      <td><Pill tone={ORIGIN_TONE[event.origin] ?? 'gray'}>{word(t.catalog.origins, event.origin)}</Pill></td>
      <td className={ui.num}>{f.number(event.volume)}</td>
      <td className={`${ui.num} ${ui.hidePhone}`}>{f.number(event.properties.length)}</td>
      <td className={ui.hidePhone}>{broken > 0 ? <Pill tone="warm" icon="alert">{f.number(broken)}</Pill> : <span className={ui.dim}>–</span>}</td>
      <td className={`${ui.small} ${ui.hideTablet}`}>{event.last_at !== null && <time dateTime={event.last_at} title={f.exact(event.last_at)}>{f.ago(event.last_at, now)}</time>}</td>
    </tr>
  );
}

function Table({ items }: { items: EventSeen[] }) {
  const { t } = useWords();
  return (
    <TableWrap label={t.catalog.title}>
      <table className={ui.table}>
        <thead>
          <tr>
            <th scope="col">{t.catalog.columns.event}</th>
            <th scope="col">{t.catalog.columns.origin}</th>
            <th scope="col" className={ui.num}>{t.catalog.columns.volume}</th>
            <th scope="col" className={`${ui.num} ${ui.hidePhone}`}>{t.catalog.columns.properties}</th>
            <th scope="col" className={ui.hidePhone}>{t.catalog.columns.broken}</th>
            <th scope="col" className={ui.hideTablet}>{t.catalog.columns.last}</th>
          </tr>
        </thead>
        <tbody>{items.map((event) => <Row key={event.name} event={event} />)}</tbody>
      </table>
    </TableWrap>
  );
}

export function Catalog() {
  const { t } = useWords();
  const { q = '', origin = 'sent' } = useSearch({ from: '/inside/catalog' });
  const navigate = useNavigate();
  const [typed, setTyped] = useState(q);
  const list = useInfiniteQuery(catalogQuery(q, origin === ALL ? '' : origin));
  const put = (next: { q?: string; origin?: string }) => void navigate({ to: '/catalog', replace: true, search: { q, origin, ...next } });
  const putSoon = useDebouncedCallback((text: string) => put({ q: text.trim() }), 250);
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      <PageHead title={t.catalog.title} lead={t.catalog.lead} />
      <Card flush>
        <div className={ui.bar} role="search">
          <TextInput
            className={ui.grow ?? ''} type="search" label={t.catalog.search} placeholder={t.catalog.placeholder} value={typed} leftSection={<Icon name="search" />}
            onChange={(event) => { setTyped(event.currentTarget.value); putSoon(event.currentTarget.value); }}
            rightSection={typed !== '' && <CloseButton aria-label={t.app.clear} onClick={() => { setTyped(''); put({ q: '' }); }} />}
          />
          <NativeSelect
            className={ui.field ?? ''} label={t.catalog.origin} value={origin} onChange={(event) => put({ origin: event.currentTarget.value })}
            data={[{ value: 'sent', label: t.catalog.sent }, { value: ALL, label: t.catalog.allOrigins }, ...ORIGINS.map((value) => ({ value, label: word(t.catalog.origins, value) }))]}
          />
        </div>
        {list.isError && <div style={{ padding: '1rem' }}><Failure error={list.error} retry={() => void list.refetch()} /></div>}
        {list.isPending && <Rows />}
        {items.length > 0 && <Table items={items} />}
        {list.isSuccess && items.length === 0 && (
          <Empty icon="catalog" title={q !== '' ? t.catalog.noMatchTitle(q) : t.catalog.emptyTitle} text={origin === 'discovered' ? t.catalog.noneDiscovered : t.catalog.emptyText}>
            <Code text={EXAMPLE} label="event.yaml" />
          </Empty>
        )}
        <More shown={list.hasNextPage} busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t.app.more}</More>
      </Card>
    </>
  );
}
