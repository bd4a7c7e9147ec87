import { ActionIcon, Button, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Fragment, type ReactNode, useEffect, useRef } from 'react';
import { expressionQuery, type Field, type Named } from '../api/audience';
import {
  type ConsentRow, type EventRow, type Filter, type Group, type How, type Item, type Mode, NEW, nextId, type Op, type OtherRow, type ReachRow, type Root, type Row, type SegmentRow, type TraitRow,
} from '../builder/model.ts';
import { useWords, word } from '../i18n';
import { Icon, type IconName } from '../ui/icons';
import { useFieldName } from '../ui/named';
import css from './builder.module.css';
import { Choice, comparable, fitted, TestFields, typeOf, useChoices, useEventName } from './BuilderFields';

type Put<T extends Item> = (item: T) => void;

/** The row that was just added: the focus goes to its first field. */
const added = { id: 0 };

function Line({ id, icon, label, onRemove, children }: { id: number; icon: IconName; label: string; onRemove: () => void; children: ReactNode }) {
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (added.id === id) place.current?.querySelector<HTMLElement>('select, input')?.focus();
    added.id = 0;
  }, [id]);
  const leave = () => {
    // The focus stays near by: whoever works without a mouse goes on from here.
    place.current?.parentElement?.querySelector<HTMLElement>('[data-adds] button')?.focus();
    onRemove();
  };
  return (
    <div className={css.row} ref={place}>
      <span className={css.rowIcon}><Icon name={icon} size={16} /></span>
      <div className={css.fields}>{children}</div>
      <ActionIcon variant="subtle" color="gray" size={32} aria-label={label} onClick={leave}><Icon name="cross" size={15} /></ActionIcon>
    </div>
  );
}

function Trait({ row, put }: { row: TraitRow; put: Put<TraitRow> }) {
  const { t, say } = useWords();
  const choices = useChoices();
  const nameOf = useFieldName();
  const from: Record<Root, Field[]> = {
    trait: choices.traits, person: choices.person,
    score: choices.scores.map((one) => ({ path: one.id, type: 'number', seen: 0 })), stage: choices.stages.map((one) => ({ path: one.id, type: 'string', seen: 0 })),
  };
  const titled = (root: Root, path: string) => {
    const found = [...(root === 'score' ? choices.scores : choices.stages)].find((one) => one.id === path);
    return root === 'trait' || root === 'person' ? nameOf(path) : say(found?.title ?? path, path);
  };
  const listed = (root: Root) => ({
    group: t.builder.roots[root], items: comparable(from[root]).map((one) => ({ value: `${root}:${one.path}`, label: titled(root, one.path) })),
  });
  const stage = row.root === 'stage' ? choices.stages.find((one) => one.id === row.path) : undefined;
  const offered = (stage?.names ?? []).map((name) => ({ value: name, label: say(stage?.titles[name] ?? name, name) }));
  const choose = (value: string) => {
    const [root, ...rest] = value.split(':') as [Root, ...string[]];
    const path = rest.join(':');
    put({ ...row, root: value === '' ? 'trait' : root, path, ...fitted(row, typeOf(from[root] ?? [], path)) });
  };
  return (
    <>
      <Choice
        label={t.builder.trait} value={row.path === '' ? '' : `${row.root}:${row.path}`} empty={t.builder.choose} onChange={choose} wide
        options={(['trait', 'person', 'score', 'stage'] as const).map(listed)}
      />
      <TestFields path={row.path} type={typeOf(from[row.root], row.path)} test={row} offered={offered} onChange={(test) => put({ ...row, ...test })} />
    </>
  );
}

function Detail({ filter, event, put, remove }: { filter: Filter; event: string; put: (filter: Filter) => void; remove: () => void }) {
  const { t } = useWords();
  const choices = useChoices();
  const nameOf = useFieldName();
  const fields = comparable(choices.events.find((one) => one.name === event)?.properties ?? []);
  const items = [...fields.map((one) => ({ value: one.path, label: nameOf(one.path) })), { value: 'event.touchpoint', label: nameOf('event.touchpoint') }];
  return (
    <div className={css.detail}>
      <span className={css.word}>{t.builder.with}</span>
      <div className={css.fields}>
        <Choice
          label={t.builder.detail} value={filter.path} empty={t.builder.choose} options={items} wide
          onChange={(path) => put({ ...filter, path, ...fitted(filter, typeOf(fields, path)) })}
        />
        <TestFields path={filter.path} type={typeOf(fields, filter.path)} test={filter} onChange={(test) => put({ ...filter, ...test })} />
      </div>
      <ActionIcon variant="subtle" color="gray" size={28} aria-label={t.builder.removeDetail} onClick={remove}><Icon name="cross" size={13} /></ActionIcon>
    </div>
  );
}

const MEASURED = new Set<How>(['sum', 'avg', 'max', 'min']);
const COUNTS: Op[] = ['atLeast', 'atMost', 'is', 'moreThan', 'lessThan'];

function Amount({ row, put }: { row: EventRow; put: Put<EventRow> }) {
  const { t } = useWords();
  const choices = useChoices();
  const nameOf = useFieldName();
  if (row.how === 'once' || row.how === 'never') return null;
  const numbers = (choices.events.find((one) => one.name === row.names[0])?.properties ?? [])
    .filter((one) => (one.type === 'number' || one.type === 'money') && !one.path.includes('[]'))
    .map((one) => ({ value: one.path, label: nameOf(one.path) }));
  return (
    <>
      {MEASURED.has(row.how) && <Choice label={t.builder.of} value={row.of} empty={t.builder.choose} options={numbers} onChange={(of) => put({ ...row, of })} />}
      <Choice
        label={t.builder.times} value={row.op} onChange={(op) => put({ ...row, op: op as Op })}
        options={COUNTS.map((op) => ({ value: op, label: t.builder.countOps[op] ?? op }))}
      />
      <TextInput size="sm" className={css.number ?? ''} aria-label={t.builder.howMany} inputMode="decimal" value={row.number} onChange={(event) => put({ ...row, number: event.currentTarget.value })} />
    </>
  );
}

function When({ row, put }: { row: EventRow; put: Put<EventRow> }) {
  const { t } = useWords();
  const length = row.within.slice(0, -1);
  const unit = row.within.slice(-1);
  return (
    <>
      <Choice
        label={t.builder.when} value={row.within === '' ? 'ever' : 'within'} onChange={(value) => put({ ...row, within: value === 'ever' ? '' : '30d' })}
        options={[{ value: 'ever', label: t.builder.ever }, { value: 'within', label: t.builder.within }]}
      />
      {row.within !== '' && (
        <>
          <TextInput size="sm" className={css.number ?? ''} aria-label={t.builder.length} inputMode="numeric" value={length} onChange={(event) => put({ ...row, within: event.currentTarget.value.trim() + unit })} />
          <Choice
            label={t.builder.unit} value={unit} onChange={(value) => put({ ...row, within: length + value })}
            options={(['d', 'w', 'h'] as const).map((value) => ({ value, label: t.builder.units[value] }))}
          />
        </>
      )}
    </>
  );
}

function Event({ row, put }: { row: EventRow; put: Put<EventRow> }) {
  const { t } = useWords();
  const choices = useChoices();
  const nameOf = useEventName();
  const listed = (sent: boolean) => choices.events.filter((one) => (one.volume > 0) === sent).map((one) => ({ value: one.name, label: nameOf(one) }));
  return (
    <>
      <Choice
        label={t.builder.how} value={row.how} onChange={(how) => put({ ...row, how: how as How })}
        options={(Object.keys(t.builder.hows) as How[]).map((value) => ({ value, label: t.builder.hows[value] }))}
      />
      <Amount row={row} put={put} />
      <Choice
        label={t.builder.event} value={row.names.length > 1 ? row.names.join(' / ') : (row.names[0] ?? '')} empty={t.builder.choose} wide
        onChange={(name) => put({ ...row, names: name === '' ? [] : [name] })}
        options={[{ group: t.builder.sentEvents, items: listed(true) }, { group: t.builder.otherEvents, items: listed(false) }]}
      />
      <When row={row} put={put} />
      <div className={css.details}>
        {row.filters.map((filter) => (
          <Detail
            key={filter.id} filter={filter} event={row.names[0] ?? ''}
            put={(next) => put({ ...row, filters: row.filters.map((one) => (one.id === filter.id ? next : one)) })}
            remove={() => put({ ...row, filters: row.filters.filter((one) => one.id !== filter.id) })}
          />
        ))}
        {row.names.length > 0 && (
          <Button
            size="compact-sm" variant="subtle" leftSection={<Icon name="plus" size={13} />}
            onClick={() => put({ ...row, filters: [...row.filters, { id: nextId(), path: '', op: 'is', values: [{ kind: 'string', value: '' }] }] })}
          >
            {t.builder.addDetail}
          </Button>
        )}
      </div>
    </>
  );
}

function Asked({ row, put }: { row: ConsentRow | ReachRow | SegmentRow; put: Put<ConsentRow | ReachRow | SegmentRow> }) {
  const { t, say } = useWords();
  const choices = useChoices();
  const words = row.kind === 'consent' ? t.builder.consents : row.kind === 'reach' ? t.builder.reaches : t.builder.members;
  const offered = (of: string, list: Named[]) => list.map((one) => ({ value: `${of}:${one.id}`, label: say(one.title, one.id) }));
  const chosen = (value: string) => {
    const [of, segment = ''] = value.split(':');
    if (row.kind === 'segment') put({ ...row, of: of === 'inJourney' ? 'inJourney' : 'segment', segment });
  };
  const channels = choices.channels.map((value) => ({ value, label: word(t.words.channel, value) }));
  return (
    <>
      <Choice
        label={row.kind === 'consent' ? t.builder.consent : row.kind === 'reach' ? t.builder.reach : t.builder.member} value={row.yes ? 'yes' : 'no'}
        onChange={(value) => put({ ...row, yes: value === 'yes' })} options={[{ value: 'yes', label: words.yes }, { value: 'no', label: words.no }]}
      />
      {row.kind === 'consent' && (
        <>
          <Choice label={t.builder.purpose} value={row.purpose} onChange={(purpose) => put({ ...row, purpose })} options={choices.purposes.map((one) => ({ value: one.id, label: say(one.title, one.id) }))} />
          <span className={css.word}>{t.builder.by}</span>
        </>
      )}
      {row.kind === 'segment'
        ? <Choice label={t.builder.segment} value={row.segment === '' ? '' : `${row.of}:${row.segment}`} empty={t.builder.choose} onChange={chosen} options={[{ group: t.nav.segments, items: offered('segment', choices.segments) }, { group: t.nav.journeys, items: offered('inJourney', choices.journeys) }]} wide />
        : <Choice label={t.builder.channel} value={row.channel} onChange={(channel) => put({ ...row, channel })} options={channels} />}
    </>
  );
}

function Other({ row, toText }: { row: OtherRow; toText: () => void }) {
  const { t, language } = useWords();
  const { data } = useQuery(expressionQuery({ tree: row.tree }));
  return (
    <div className={css.other}>
      <span className={css.word}>{t.builder.otherLabel}</span>
      <span>{data?.words[language] ?? '…'}</span>
      <Button size="compact-sm" variant="subtle" onClick={toText}>{t.builder.toText}</Button>
    </div>
  );
}

const ICONS: Record<Row['kind'], IconName> = { trait: 'user', event: 'live', consent: 'check', reach: 'email', segment: 'segments', other: 'pen' };
const ADDS = ['event', 'trait', 'consent', 'segment', 'reach', 'group'] as const;

export interface Changes { put: (id: number, item: Item | null) => void; toText: () => void }

function RowLine({ row, changes }: { row: Row; changes: Changes }) {
  const { t } = useWords();
  const put = (item: Item) => changes.put(row.id, item);
  return (
    <Line id={row.id} icon={ICONS[row.kind]} label={t.builder.removeRow} onRemove={() => changes.put(row.id, null)}>
      {row.kind === 'trait' && <Trait row={row} put={put} />}
      {row.kind === 'event' && <Event row={row} put={put} />}
      {(row.kind === 'consent' || row.kind === 'reach' || row.kind === 'segment') && <Asked row={row} put={put} />}
      {row.kind === 'other' && <Other row={row} toText={changes.toText} />}
    </Line>
  );
}

export function GroupBox({ group, changes, top = false }: { group: Group; changes: Changes; top?: boolean }) {
  const { t } = useWords();
  const put = (next: Group) => changes.put(group.id, next);
  const add = (item: Item) => {
    added.id = item.id;
    put({ ...group, items: [...group.items, item] });
  };
  return (
    <div className={css.group} data-top={top} role="group" aria-label={t.builder.group}>
      <div className={css.groupHead}>
        <span className={css.word}>{t.builder.meets}</span>
        <Choice
          label={t.builder.group} value={group.mode} onChange={(mode) => put({ ...group, mode: mode as Mode })}
          options={(['all', 'any', 'none'] as const).map((value) => ({ value, label: t.builder.modes[value] }))}
        />
        {!top && <ActionIcon ml="auto" variant="subtle" color="gray" size={32} aria-label={t.builder.removeGroup} onClick={() => changes.put(group.id, null)}><Icon name="cross" size={15} /></ActionIcon>}
      </div>
      {group.items.map((item, place) => (
        <Fragment key={item.id}>
          {place > 0 && <div className={css.join}>{t.builder.joins[group.mode]}</div>}
          {item.kind === 'group' ? <GroupBox group={item} changes={changes} /> : <RowLine row={item} changes={changes} />}
        </Fragment>
      ))}
      <div className={css.adds} data-adds="true" role="group" aria-label={top ? t.builder.add : t.builder.addTo}>
        {ADDS.map((kind) => (
          <Button key={kind} size="compact-sm" variant="light" leftSection={<Icon name="plus" size={13} />} onClick={() => add(NEW[kind]())}>
            {t.builder.adds[kind]}
          </Button>
        ))}
      </div>
    </div>
  );
}
