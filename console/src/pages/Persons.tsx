import { CloseButton, TextInput } from '@mantine/core';
import { useDebouncedCallback } from '@mantine/hooks';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { foundObjectsQuery } from '../api/data_queries';
import { personsQuery } from '../api/queries';
import { useWords, word } from '../i18n';
import { Icon } from '../ui/icons';
import { Card, Code, Empty, Failure, More, PageHead, Rows } from '../ui/parts';
import ui from '../ui/ui.module.css';
import { People } from './people';

const curl = (): string => `curl ${window.location.origin}/v1/identify -u WRITE_KEY: \\
  -H 'Content-Type: application/json' \\
  -d '{"userId": "c-1", "traits": {"firstName": "Ada", "email": "ada@example.org"}}'`;

/** Contracts, invoices, ... whose id begins with what was typed, each with the person who has it. */
function FoundObjects({ q }: { q: string }) {
  const { t } = useWords();
  const found = useQuery(foundObjectsQuery(q)).data?.items ?? [];
  if (found.length === 0) return null;
  return (
    <ul aria-label={t.objects.found} style={{ listStyle: 'none', padding: '0 1.25rem 1rem', margin: 0 }}>
      {found.map((one) => (
        <li key={`${one.kind} ${one.id} ${one.person_id}`}>
          {word(t.objects.one, one.kind)} <span className={ui.mono}>{one.id}</span>{' '}
          <Link to="/persons/$id" params={{ id: one.person_id }} search={{ tab: 'objects' }} className={ui.textLink ?? ''}>{one.label}</Link>
        </li>
      ))}
    </ul>
  );
}

export function Persons() {
  const { t } = useWords();
  const { q = '' } = useSearch({ from: '/inside/persons' });
  const navigate = useNavigate();
  const [typed, setTyped] = useState(q);
  const list = useInfiniteQuery(personsQuery(q));
  const put = (text: string) => void navigate({ to: '/persons', replace: true, search: text.trim() === '' ? {} : { q: text.trim() } });
  const putSoon = useDebouncedCallback(put, 250);
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <>
      <PageHead
        title={t.persons.title} lead={t.persons.lead}
        actions={
          <span className={ui.pills}>
            {['household', 'company'].map((type) => <Link key={type} to="/groups/$type" params={{ type }} className={ui.textLink ?? ''}>{word(t.groups.many, type)}</Link>)}
          </span>
        }
      />
      <Card flush>
        <div style={{ padding: '1rem 1.25rem' }} role="search">
          <TextInput
            type="search" size="md" aria-label={t.persons.search} placeholder={t.persons.placeholder} value={typed}
            leftSection={<Icon name="search" />} onChange={(event) => { setTyped(event.currentTarget.value); putSoon(event.currentTarget.value); }}
            rightSection={typed !== '' && <CloseButton aria-label={t.app.clear} onClick={() => { setTyped(''); put(''); }} />}
          />
        </div>
        <FoundObjects q={q} />
        {list.isError && <div style={{ padding: '1rem' }}><Failure error={list.error} retry={() => void list.refetch()} /></div>}
        {list.isPending && <Rows />}
        {items.length > 0 && <People items={items} label={t.persons.title} />}
        {list.isSuccess && items.length === 0 && (q === '' ? (
          <Empty icon="persons" title={t.persons.emptyTitle} text={t.persons.emptyText}><Code text={curl()} label="curl" /></Empty>
        ) : (
          <Empty icon="search" title={t.persons.noMatchTitle(q)} text={t.persons.noMatchText} />
        ))}
        <More shown={list.hasNextPage} busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t.app.more}</More>
      </Card>
    </>
  );
}
