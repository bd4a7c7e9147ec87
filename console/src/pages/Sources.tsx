import { Button, NativeSelect, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type FormEvent, useState } from 'react';
import { patch, post, remove } from '../api/client';
import type { Arrivals, Key, MadeKey, Source } from '../api/data';
import { arrivalsQuery, refusalsQuery, sourcesQuery } from '../api/data_queries';
import { useWords, word } from '../i18n';
import { Bars, Confirm, Notice } from '../ui/ask';
import { Icon } from '../ui/icons';
import { useNow } from '../ui/now';
import { Card, Copy, Empty, Failure, PageHead, Pill, Rows, TableWrap } from '../ui/parts';
import ui from '../ui/ui.module.css';

const GRACES = [0, 3_600, 86_400, 604_800] as const;

const ended = (key: Key, now: number): boolean => key.ends_at !== null && Date.parse(key.ends_at) <= now;

/** The one moment at which a key can be seen. */
function Shown({ made, onDone }: { made: MadeKey; onDone: () => void }) {
  const { t } = useWords();
  return (
    <Notice tone="warm" icon="key">
      <b>{t.sources.shownTitle(made.source.name)}</b>
      <div style={{ overflowWrap: 'anywhere' }}><code className={ui.mono}>{made.key ?? t.sources.shownBefore}</code> {made.key !== null && <Copy text={made.key} />}</div>
      <div className={ui.small}>{made.source.kind === 'server' ? t.sources.shownServer : t.sources.shownWrite}</div>
      <Button mt="xs" size="xs" variant="default" onClick={onDone}>{t.sources.shownDone}</Button>
    </Notice>
  );
}

function NewSource({ onMade, onCancel }: { onMade: (made: MadeKey) => void; onCancel: () => void }) {
  const { t } = useWords();
  const [name, setName] = useState('');
  const [id, setId] = useState('');
  const [kind, setKind] = useState('write');
  const proposed = name.toLowerCase().normalize('NFKD').replace(/[^a-z0-9]+/g, '-').replace(/^-+|-+$/g, '').slice(0, 60);
  const make = useMutation({
    mutationFn: () => post<MadeKey>('/api/sources', { id: id === '' ? proposed : id, name: name.trim(), kind }),
    onSuccess: onMade,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    make.mutate();
  };
  return (
    <Card title={t.sources.newTitle}>
      <form onSubmit={submit} className={ui.stack}>
        <TextInput label={t.sources.name} description={t.sources.nameText} value={name} onChange={(event) => setName(event.currentTarget.value)} autoFocus required withAsterisk={false} maw={420} />
        <TextInput label={t.sources.id} description={t.sources.idText} placeholder={proposed} value={id} onChange={(event) => setId(event.currentTarget.value)} maw={420} />
        <NativeSelect
          label={t.sources.kind} description={kind === 'server' ? t.sources.kindServer : t.sources.kindWrite} maw={420}
          value={kind} onChange={(event) => setKind(event.currentTarget.value)}
          data={['write', 'server'].map((value) => ({ value, label: word(t.sources.kinds, value) }))}
        />
        {make.error !== null && <Failure error={make.error} />}
        <span className={ui.pills}>
          <Button type="submit" loading={make.isPending} disabled={name.trim() === ''}>{t.sources.make}</Button>
          <Button variant="default" onClick={onCancel}>{t.app.cancel}</Button>
        </span>
      </form>
    </Card>
  );
}

function Keys({ source, onError }: { source: Source; onError: (error: unknown) => void }) {
  const { t, f } = useWords();
  const now = useNow();
  const client = useQueryClient();
  const revoke = useMutation({
    mutationFn: (id: string) => remove(`/api/keys/${encodeURIComponent(id)}`),
    onSuccess: () => client.invalidateQueries({ queryKey: ['sources'] }),
    onError,
  });
  return (
    <TableWrap label={t.sources.keysOf(source.name)}>
      <table className={ui.table}>
        <thead><tr><th scope="col">{t.sources.key}</th><th scope="col" className={ui.hidePhone}>{t.sources.madeAt}</th><th scope="col">{t.sources.state}</th></tr></thead>
        <tbody>
          {source.keys.map((key) => (
            <tr key={key.id}>
              <th scope="row"><span className={ui.mono}>…{key.hint}</span></th>
              <td className={`${ui.hidePhone} ${ui.small}`}>{f.moment(key.created_at)}</td>
              <td>
                {ended(key, now) ? <Pill>{t.sources.ended}</Pill> : (
                  <div className={ui.pills} style={{ alignItems: 'center' }}>
                    {key.ends_at === null ? <Pill tone="teal" icon="check">{t.sources.works}</Pill> : <Pill tone="warm" icon="clock">{t.sources.endsAt(f.moment(key.ends_at))}</Pill>}
                    <Confirm label={t.sources.revoke} ask={t.sources.revokeAsk} action={t.sources.revokeNow} busy={revoke.isPending} onYes={() => revoke.mutate(key.id)} danger />
                  </div>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </TableWrap>
  );
}

function Rotate({ source, onMade, onError }: { source: Source; onMade: (made: MadeKey) => void; onError: (error: unknown) => void }) {
  const { t } = useWords();
  const [grace, setGrace] = useState(86_400);
  const [open, setOpen] = useState(false);
  const rotate = useMutation({
    mutationFn: () => post<MadeKey>(`/api/sources/${encodeURIComponent(source.id)}/keys`, { grace_s: grace }),
    onSuccess: (made) => { setOpen(false); onMade(made); },
    onError,
  });
  if (!open) return <Button size="xs" variant="default" leftSection={<Icon name="loop" size={14} />} onClick={() => setOpen(true)}>{t.sources.rotate}</Button>;
  return (
    <div className={ui.ask} role="group" aria-label={t.sources.rotate}>
      <NativeSelect
        label={t.sources.grace} value={String(grace)} onChange={(event) => setGrace(Number(event.currentTarget.value))} autoFocus
        data={GRACES.map((seconds) => ({ value: String(seconds), label: t.sources.graces[seconds] }))}
      />
      <span className={ui.pills}>
        <Button size="xs" loading={rotate.isPending} onClick={() => rotate.mutate()}>{t.sources.makeKey}</Button>
        <Button size="xs" variant="default" onClick={() => setOpen(false)}>{t.app.cancel}</Button>
      </span>
    </div>
  );
}

function RateLimit({ source, onError }: { source: Source; onError: (error: unknown) => void }) {
  const { t } = useWords();
  const client = useQueryClient();
  const [typed, setTyped] = useState(source.events_per_s === null ? '' : String(source.events_per_s));
  const save = useMutation({
    mutationFn: () => patch<Source>(`/api/sources/${encodeURIComponent(source.id)}`, { events_per_s: typed === '' ? null : Number(typed) }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['sources'] }),
    onError,
  });
  const changed = typed !== (source.events_per_s === null ? '' : String(source.events_per_s));
  return (
    <form onSubmit={(event) => { event.preventDefault(); save.mutate(); }} style={{ display: 'flex', gap: 8, alignItems: 'flex-end', flexWrap: 'wrap' }}>
      <TextInput label={t.sources.rate} placeholder={t.sources.rateDefault} inputMode="numeric" size="xs" value={typed} onChange={(event) => setTyped(event.currentTarget.value.replace(/\D/g, ''))} />
      {changed && <Button type="submit" size="xs" variant="default" loading={save.isPending}>{t.app.save}</Button>}
    </form>
  );
}

function Came({ arrivals }: { arrivals: Arrivals | undefined }) {
  const { t, f } = useWords();
  const now = useNow();
  if (arrivals === undefined || arrivals.events === 0) return <div className={`${ui.dim} ${ui.small}`}>{t.sources.silent}</div>;
  return (
    <div>
      <Bars values={arrivals.hours} label={t.sources.hours(f.number(arrivals.events))} />
      <div className={ui.small} style={{ margin: '6px 0' }}>
        {t.sources.came(arrivals.events, f.number(arrivals.events))}
        {arrivals.last_at !== null && <span className={ui.dim} title={f.exact(arrivals.last_at)}> · {t.sources.last(f.ago(arrivals.last_at, now))}</span>}
      </div>
      <span className={ui.pills}>
        {Object.entries(arrivals.names).map(([name, n]) => (
          <Link key={name} to="/" search={{ source: arrivals.source, name }} className={ui.pill ?? ''}>{name} {f.number(n)}</Link>
        ))}
      </span>
    </div>
  );
}

function OneSource({ source, arrivals, refused, onMade }: { source: Source; arrivals: Arrivals | undefined; refused: number; onMade: (made: MadeKey) => void }) {
  const { t, f } = useWords();
  const [error, setError] = useState<unknown>(null);
  return (
    <Card
      title={source.name}
      aside={
        <span className={ui.pills}>
          <Pill tone={source.kind === 'server' ? 'warm' : 'teal'} icon={source.kind === 'server' ? 'key' : 'web'}>{word(t.sources.kinds, source.kind)}</Pill>
          <span className={`${ui.mono} ${ui.dim}`}>{source.id}</span>
        </span>
      }
    >
      <div className={ui.stack}>
        {error !== null && <Failure error={error} />}
        <Came arrivals={arrivals} />
        {refused > 0 && (
          <Link to="/" search={{ outcome: 'refused', source: source.id }} className={ui.textLink ?? ''}>{t.sources.refused(refused, f.number(refused))}</Link>
        )}
        <Keys source={source} onError={setError} />
        <div style={{ display: 'flex', gap: 16, flexWrap: 'wrap', alignItems: 'flex-end', justifyContent: 'space-between' }}>
          <Rotate source={source} onMade={onMade} onError={setError} />
          <RateLimit key={`${source.id}-${source.events_per_s}`} source={source} onError={setError} />
        </div>
      </div>
    </Card>
  );
}

export function Sources() {
  const { t } = useWords();
  const client = useQueryClient();
  const list = useQuery(sourcesQuery);
  const came = useQuery(arrivalsQuery);
  const refusals = useQuery(refusalsQuery(10_000));
  const [adding, setAdding] = useState(false);
  const [made, setMade] = useState<MadeKey | null>(null);
  const by = new Map(came.data?.items.map((one) => [one.source, one]));
  const known = new Set(list.data?.items.map((one) => one.id));
  const others = (came.data?.items ?? []).filter((one) => !known.has(one.source));
  const refusedOf = (id: string): number =>
    (refusals.data?.items ?? []).filter((one) => one.source === id || one.source === `server:${id}`).reduce((sum, one) => sum + one.times, 0);
  const show = (key: MadeKey) => {
    setMade(key);
    setAdding(false);
    void client.invalidateQueries({ queryKey: ['sources'] });
    window.scrollTo({ top: 0 });
  };
  return (
    <>
      <PageHead
        title={t.sources.title} lead={t.sources.lead}
        actions={!adding && <Button leftSection={<Icon name="plus" size={16} />} onClick={() => setAdding(true)}>{t.sources.add}</Button>}
      />
      {made !== null && <Shown made={made} onDone={() => setMade(null)} />}
      <div className={ui.stack}>
        {adding && <NewSource onMade={show} onCancel={() => setAdding(false)} />}
        {list.isError && <Failure error={list.error} retry={() => void list.refetch()} />}
        {list.isPending && <Card><Rows count={3} /></Card>}
        {list.data?.items.length === 0 && !adding && <Card><Empty icon="key" title={t.sources.emptyTitle} text={t.sources.emptyText} /></Card>}
        {list.data?.items.map((source) => <OneSource key={source.id} source={source} arrivals={by.get(source.id)} refused={refusedOf(source.id)} onMade={show} />)}
        {came.isError && <Failure error={came.error} retry={() => void came.refetch()} />}
        {others.map((one) => <Card key={one.source} title={one.source} aside={<Pill>{t.sources.noKey}</Pill>}><Came arrivals={one} /></Card>)}
      </div>
    </>
  );
}
