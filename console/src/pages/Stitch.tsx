import { Checkbox, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useParams, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { identityQuery } from '../api/data_queries';
import { personQuery, personsQuery } from '../api/queries';
import type { Person } from '../api/types';
import { useWords, word } from '../i18n';
import { Icon } from '../ui/icons';
import { inOrder, personName } from '../ui/names';
import { Card, Empty, Failure, PageHead, Rows } from '../ui/parts';
import ui from '../ui/ui.module.css';
import { Decide, Left } from './decide';
import { nameOf } from './graph';
import css from './identity.module.css';

function BackTo({ person }: { person: Person }) {
  const { t } = useWords();
  return (
    <Link to="/persons/$id" params={{ id: person.person_id }} search={{ tab: 'identity' }} className={ui.back ?? ''}>
      <Icon name="left" size={14} /> {personName(person.label, t)}
    </Link>
  );
}

/** Looks for the other person; what was chosen stays in sight. */
function Choose({ not, chosen, onChoose }: { not: string; chosen: string; onChoose: (id: string) => void }) {
  const { t } = useWords();
  const [typed, setTyped] = useState('');
  const [q] = useDebouncedValue(typed.trim(), 250);
  const list = useInfiniteQuery({ ...personsQuery(q), enabled: q !== '' });
  const items = (list.data?.pages[0]?.items ?? []).filter((one) => one.person_id !== not).slice(0, 6);
  return (
    <div className={css.choice}>
      <TextInput
        type="search" label={t.decide.other} description={t.decide.otherText} placeholder={t.persons.placeholder} value={typed}
        leftSection={<Icon name="search" />} onChange={(event) => setTyped(event.currentTarget.value)} maw={520} autoFocus
      />
      {list.isError && <Failure error={list.error} retry={() => void list.refetch()} />}
      {q !== '' && list.isSuccess && items.length === 0 && <Empty icon="search" title={t.persons.noMatchTitle(q)} text={t.persons.noMatchText} />}
      {q !== '' && (
        <ul className={css.found} aria-label={t.persons.title}>
          {items.map((one) => (
            <li key={one.person_id}>
              <button type="button" aria-pressed={chosen === one.person_id} onClick={() => onChoose(one.person_id)}>
                <b>{personName(one.label, t)}</b>{' '}
                <span className={ui.small}>{inOrder(one.identifiers).slice(0, 2).map((id) => `${word(t.words.identifier, id.kind)} ${id.value}`).join(' · ')}</span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

export function MergePerson() {
  const { t } = useWords();
  const { id } = useParams({ from: '/inside/persons/$id/merge' });
  const { other: given = '' } = useSearch({ from: '/inside/persons/$id/merge' });
  const [other, setOther] = useState(given);
  const [decided, setDecided] = useState(false);
  const { data: person, error, refetch, isPending } = useQuery(personQuery(id));
  if (isPending) return <Rows count={6} />;
  if (error !== null || person === undefined) return <Failure error={error} retry={() => void refetch()} />;
  return (
    <>
      <PageHead title={t.decide.mergeTitle(personName(person.label, t))} back={<BackTo person={person} />} lead={t.decide.mergeLead} />
      <Card>
        <div className={ui.stack}>
          {!decided && <Choose not={person.person_id} chosen={other} onChoose={setOther} />}
          <Decide
            path={`/api/persons/${encodeURIComponent(person.person_id)}/merge`} body={other === '' ? null : { other }} action={t.decide.merge}
            done={(preview) => <Left preview={preview} text={t.decide.merged} />} after={() => setDecided(true)}
          />
        </div>
      </Card>
    </>
  );
}

export function SplitPerson() {
  const { t, f } = useWords();
  const { id } = useParams({ from: '/inside/persons/$id/split' });
  const [chosen, setChosen] = useState<string[]>([]);
  const [decided, setDecided] = useState(false);
  const person = useQuery(personQuery(id));
  const graph = useQuery(identityQuery(id));
  const failed = person.error ?? graph.error;
  if (failed !== null) return <Failure error={failed} retry={() => { void person.refetch(); void graph.refetch(); }} />;
  if (person.data === undefined || graph.data === undefined) return <Rows count={6} />;
  const nodes = graph.data.nodes;
  const all = chosen.length === nodes.length;
  return (
    <>
      <PageHead title={t.decide.splitTitle(personName(person.data.label, t))} back={<BackTo person={person.data} />} lead={t.decide.splitLead} />
      <Card>
        <div className={ui.stack}>
          {!decided && (
            <Checkbox.Group label={t.decide.which} description={t.decide.whichText} value={chosen} onChange={setChosen}>
              <div className={css.choice} style={{ marginTop: 10 }}>
                {nodes.map((node) => (
                  <Checkbox
                    key={nameOf(node)} value={nameOf(node)} styles={{ label: { overflowWrap: 'anywhere' } }}
                    label={<>{word(t.words.identifier, node.kind)} <span className={ui.mono}>{node.value}</span>{node.first_at !== null && <span className={`${ui.dim} ${ui.small}`}> · {t.decide.since(f.moment(node.first_at))}</span>}</>}
                  />
                ))}
              </div>
            </Checkbox.Group>
          )}
          {all && <div role="status">{t.decide.leaveOne}</div>}
          <Decide
            path={`/api/persons/${encodeURIComponent(person.data.person_id)}/split`} body={chosen.length === 0 || all ? null : { identifiers: chosen }} action={t.decide.split}
            done={(preview) => <Left preview={preview} text={t.decide.wasSplit} />} after={() => setDecided(true)}
          />
        </div>
      </Card>
    </>
  );
}
