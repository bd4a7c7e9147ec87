import { Button, Checkbox, FileInput, NativeSelect, Textarea, TextInput } from '@mantine/core';
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type FormEvent, useEffect, useState } from 'react';
import { choicesQuery, healthQuery, type User } from '../api/audience';
import { post } from '../api/client';
import { destinationsQuery } from '../api/data_queries';
import { segmentsQuery } from '../api/queries';
import type { Segment } from '../api/types';
import { contentOf, type ExportedAnswer, exportsQuery, type ListedAnswer } from '../api/lists';
import { useWords, word } from '../i18n';
import type { Dictionary } from '../i18n/en';
import { Confirm, Notice } from '../ui/ask';
import { Icon } from '../ui/icons';
import { useNamed } from '../ui/named';
import { freeId } from '../ui/names';
import { useNow } from '../ui/now';
import { Card, Failure, More, Rows, TableWrap } from '../ui/parts';
import ui from '../ui/ui.module.css';

/** The id of a new list of this name. */
function useNewId(): (name: string) => string {
  const { data } = useQuery(segmentsQuery);
  return (name) => freeId(name, (data?.items ?? []).map((one) => one.id)) || 'list';
}

const path = (id: string, what: string): string => `/api/segments/${encodeURIComponent(id)}/${what}`;

function Listed({ done }: { done: ListedAnswer }) {
  const { t, f } = useWords();
  return (
    <Notice tone={done.rejected > 0 ? 'warm' : 'teal'}>
      {(done.listed > 0 || done.unlisted === 0) && <div>{t.lists.done(done.listed, f.number(done.listed))}</div>}
      {done.unlisted > 0 && <div>{t.lists.gone(done.unlisted, f.number(done.unlisted))}</div>}
      {done.rejected > 0 && (
        <details className={ui.fold}>
          <summary>{t.lists.refused(done.rejected, f.number(done.rejected))}</summary>
          <ul className={ui.list}>{done.refused.map((one) => <li key={one.row} className={ui.small}>{t.lists.line(f.number(one.row))}: {t.lists.codes[one.code] ?? `${one.message}; ${one.mend}`}</li>)}</ul>
        </details>
      )}
      <Link to="/segments/$id" params={{ id: done.segment }} className={ui.textLink ?? ''}>{t.lists.open}</Link>
    </Notice>
  );
}

/** Who is put on a list, by a file or by lines. of: the list that is there; without it a new one. */
export function Upload({ of }: { of?: string }) {
  const { t } = useWords();
  const client = useQueryClient();
  const [name, setName] = useState('');
  const newId = useNewId();
  const [file, setFile] = useState<File | null>(null); // read when it is sent: a large one makes a field slow
  const [rows, setRows] = useState('');
  const [action, setAction] = useState('add');
  const [create, setCreate] = useState(false);
  const send = useMutation({
    mutationFn: async () => post<ListedAnswer>(path(of ?? newId(name), 'list'), { rows: file === null ? rows : await file.text(), action, create, ...(of === undefined && { title: name.trim() }) }),
    onSuccess: () => {
      setName('');
      setFile(null);
      setRows('');
      return Promise.all(['segments', 'segment', 'members'].map((key) => client.invalidateQueries({ queryKey: [key] })));
    },
  });
  const submit = (event: FormEvent) => { event.preventDefault(); send.mutate(); };
  return (
    <form onSubmit={submit} className={ui.stack}>
      <div className={`${ui.dim} ${ui.small}`}>{t.lists.uploadText}</div>
      {of === undefined && <TextInput label={t.lists.name} description={t.lists.nameText} placeholder={t.lists.namePlaceholder} value={name} maxLength={120} onChange={(event) => setName(event.currentTarget.value)} required withAsterisk={false} />}
      <FileInput label={t.lists.file} accept=".csv,text/csv,text/plain" clearable value={file} onChange={setFile} />
      {file === null && <Textarea label={t.lists.rows} value={rows} onChange={(event) => setRows(event.currentTarget.value)} placeholder={'email\nada@shop.example'} autosize minRows={3} maxRows={8} required withAsterisk={false} />}
      {of !== undefined && (
        <NativeSelect label={t.lists.what} value={action} data={Object.entries(t.lists.actions).map(([value, label]) => ({ value, label }))} onChange={(event) => setAction(event.currentTarget.value)} />
      )}
      <Checkbox label={t.lists.create} checked={create} onChange={(event) => setCreate(event.currentTarget.checked)} />
      <div><Button type="submit" loading={send.isPending} leftSection={<Icon name="persons" size={15} />}>{t.lists.send}</Button></div>
      {send.error !== null && <Failure error={send.error} />}
      {send.data !== undefined && <Listed done={send.data} />}
    </form>
  );
}

function Freeze({ id }: { id: string }) {
  const { t } = useWords();
  const client = useQueryClient();
  const [name, setName] = useState('');
  const newId = useNewId();
  const send = useMutation({
    mutationFn: () => post<ListedAnswer>(path(id, 'freeze'), { list: newId(name), title: name.trim() }),
    onSuccess: () => {
      setName('');
      return client.invalidateQueries({ queryKey: ['segments'] });
    },
  });
  const submit = (event: FormEvent) => { event.preventDefault(); send.mutate(); };
  return (
    <form onSubmit={submit} className={ui.stack}>
      <div className={`${ui.dim} ${ui.small}`}>{t.lists.freezeText}</div>
      <TextInput label={t.lists.name} placeholder={t.lists.namePlaceholder} maxLength={120} value={name} onChange={(event) => setName(event.currentTarget.value)} required withAsterisk={false} />
      <div><Button type="submit" variant="default" loading={send.isPending}>{t.lists.freezeSend}</Button></div>
      {send.error !== null && <Failure error={send.error} />}
      {send.data !== undefined && <Listed done={send.data} />}
    </form>
  );
}

/** What a column of a file is called on the screen. */
function useColumnName(): (column: string) => string {
  const { t } = useWords();
  const { field, segment, stages, purpose } = useNamed();
  return (column) => {
    const [root = '', one = '', two = ''] = column.split('.');
    const known = t.exports.names[column] ?? t.words.identifier[column];
    if (known !== undefined) return known;
    return root === 'trait' ? field(column.slice(6)) : root === 'segment' ? segment(one) : root === 'stage' ? stages(one) : root === 'consent' ? t.exports.consent(purpose(two), word(t.words.channel, one)) : column;
  };
}

/** What stands in the file beside the id: chosen by name, in groups. */
function Columns({ chosen, onChange }: { chosen: string[]; onChange: (chosen: string[]) => void }) {
  const { t, f } = useWords();
  const called = useColumnName();
  const { data } = useQuery(choicesQuery);
  const groups = {
    identifiers: ['email', 'phone', 'userId'],
    traits: (data?.traits ?? []).filter((one) => one.path !== 'email' && one.path !== 'phone').map((one) => `trait.${one.path}`),
    stages: (data?.stages ?? []).map((one) => `stage.${one.id}`),
    segments: ['since', ...(data?.segments ?? []).map((one) => `segment.${one.id}`)],
    consents: (data?.purposes ?? []).flatMap((one) => CHANNELS.map((channel) => `consent.${channel}.${one.id}`)),
  };
  return (
    <Checkbox.Group label={t.exports.columns} description={t.exports.columnsText} value={chosen} onChange={onChange}>
      {(['identifiers', 'traits', 'stages', 'segments', 'consents'] as const).filter((group) => groups[group].length > 0).map((group) => {
        const n = groups[group].filter((one) => chosen.includes(one)).length;
        return (
          <details key={group} className={ui.fold}>
            <summary>{t.exports.groups[group]}{n > 0 && ` (${f.number(n)})`}</summary>
            <div style={{ display: 'grid', gap: '0.35rem', marginBottom: '0.5rem' }}>{groups[group].map((one) => <Checkbox key={one} size="sm" value={one} label={called(one)} />)}</div>
          </details>
        );
      })}
    </Checkbox.Group>
  );
}

function Export({ id }: { id: string }) {
  const { t, f, say } = useWords();
  const now = useNow();
  const client = useQueryClient();
  const choices = useQuery(choicesQuery);
  const [form, setForm] = useState('csv');
  const [purpose, setPurpose] = useState('');
  const [chosen, setChosen] = useState<string[]>([]);
  const names = ['person_id', ...chosen];
  const send = useMutation({
    mutationFn: () => post<ExportedAnswer>(path(id, 'exports'), { format: form, purpose, columns: names }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['exports'] }),
  });
  const submit = (event: FormEvent) => { event.preventDefault(); send.mutate(); };
  const purposes = (choices.data?.purposes ?? []).map((one) => ({ value: one.id, label: say(one.title, one.id) }));
  return (
    <form onSubmit={submit} className={ui.stack}>
      <div className={`${ui.dim} ${ui.small}`}>{t.exports.makeText}</div>
      <NativeSelect label={t.exports.purpose} value={purpose} data={[{ value: '', label: t.builder.choose }, ...purposes]} onChange={(event) => setPurpose(event.currentTarget.value)} required withAsterisk={false} />
      <Columns chosen={chosen} onChange={setChosen} />
      <NativeSelect label={t.exports.format} value={form} data={Object.entries(t.exports.formats).map(([value, label]) => ({ value, label }))} onChange={(event) => setForm(event.currentTarget.value)} />
      <div><Button type="submit" variant="default" loading={send.isPending} leftSection={<Icon name="out" size={15} />}>{t.exports.send}</Button></div>
      {send.error !== null && <Failure error={send.error} />}
      {send.data !== undefined && (
        <Notice>
          <div>{t.exports.done(send.data.persons, f.number(send.data.persons))} <LeftOut of={send.data.left_out} /></div>
          <a href={contentOf(send.data.file)} download={send.data.file} className={ui.textLink ?? ''}>{t.exports.fetch}</a>{' '}
          <span className={ui.dim} title={f.exact(send.data.until)}>{t.exports.until(f.ago(send.data.until, now))}</span>
        </Notice>
      )}
    </form>
  );
}

function LeftOut({ of }: { of: Record<string, number> }) {
  const { t, f } = useWords();
  const found = Object.entries(of);
  if (found.length === 0) return null;
  return <span className={ui.dim}>{t.exports.leftOut} {found.map(([reason, n]) => `${f.number(n)} ${word(t.exports.reasons, reason)}`).join(', ')}</span>;
}

/** The channels in whose consents people look. */
const CHANNELS = ['email', 'sms', 'phone', 'letter'];

/** What a destination is called; asked for once, the page of destinations looks after itself. */
export function useDestination(): (id: string) => string {
  const { say } = useWords();
  const { data } = useQuery({ ...destinationsQuery, refetchInterval: false, staleTime: 300_000 });
  return (id) => say(data?.items.find((one) => one.id === id)?.title ?? id, id);
}

/** Who uses a segment, by the names that people know; "" for nobody. */
function useUsers(id: string): string {
  const { t } = useWords();
  const { segment, journey, stages } = useNamed();
  const destination = useDestination();
  const { data } = useQuery(healthQuery(id));
  const named = ({ kind, id: one }: User): string => {
    const name = kind === 'segment' ? segment(one) : kind === 'journey' ? journey(one) : kind === 'stage' ? stages(one) : kind === 'destination' ? destination(one) : one;
    return kind === 'policy' ? word(t.audience.kinds, kind) : `${word(t.audience.kinds, kind)} ${name}`;
  };
  return [...new Set((data?.used_in ?? []).map(named))].join(', ');
}

/** Everybody is taken off a list, or a frozen segment follows its condition again: asked first, with what happens. */
function TakenBack({ segment: it }: { segment: Segment }) {
  const { t, f } = useWords();
  const client = useQueryClient();
  const users = useUsers(it.id);
  const used = users === '' ? t.lists.unused : t.lists.used(users);
  const fresh = () => Promise.all(['segments', 'members', 'trend', 'health'].map((key) => client.invalidateQueries({ queryKey: [key] })));
  const empty = useMutation({ mutationFn: () => post<ListedAnswer>(path(it.id, 'empty'), {}), onSuccess: fresh });
  const thaw = useMutation({ mutationFn: () => post(`/api/segments/${encodeURIComponent(it.id)}`, { where: it.where, before: it.where, thaw: true }), onSuccess: fresh });
  useEffect(() => { // what it came to is known once it was worked off
    if (empty.isSuccess || thaw.isSuccess) void fresh();
  }, [it.members, it.frozen]);
  const listOnly = it.manual && it.where === '' && it.frozen === null;
  if (it.frozen === null && !(listOnly && it.members > 0) && empty.data === undefined) return null;
  return (
    <div className={ui.stack} style={{ marginTop: '0.8rem' }}>
      {it.frozen !== null && <div>{t.lists.frozen(f.moment(it.frozen))}</div>}
      {it.frozen !== null && !thaw.isSuccess && <div><Confirm label={t.lists.thaw} ask={`${t.lists.thawAsk} ${used}`} action={t.lists.thawYes} busy={thaw.isPending} onYes={() => thaw.mutate()} icon="loop" /></div>}
      {thaw.isSuccess && it.frozen !== null && <Notice>{t.lists.thawed}</Notice>}
      {listOnly && it.members > 0 && <div><Confirm label={t.lists.empty} ask={`${t.lists.emptyAsk(it.members, f.number(it.members))} ${used}`} action={t.lists.emptyYes} busy={empty.isPending} onYes={() => empty.mutate()} icon="minus" danger /></div>}
      {empty.data !== undefined && <Notice>{t.lists.gone(empty.data.unlisted, f.number(empty.data.unlisted))}</Notice>}
      {[empty, thaw].map((one, place) => one.error !== null && <Failure key={place} error={one.error} />)}
    </div>
  );
}

/** What can be done with the members of a segment: change its list, empty it, freeze them, export them. */
export function ListsOf({ segment }: { segment: Segment }) {
  const { t } = useWords();
  const { id, manual } = segment;
  return (
    <Card title={t.lists.cardTitle}>
      {manual && <details className={ui.fold}><summary>{t.lists.uploadTo}</summary><Upload of={id} /></details>}
      <details className={ui.fold}><summary>{t.lists.freeze}</summary><Freeze id={id} /></details>
      <details className={ui.fold}><summary>{t.exports.make}</summary><Export id={id} /></details>
      <TakenBack key={id} segment={segment} />
    </Card>
  );
}

const byWhom = (actor: string, t: Dictionary): string => (actor === 'einklang' || actor.startsWith('destination:') ? t.exports.itself : actor.replace(/^staff:/, ''));

/** Everything that was exported or given to a destination, the newest first. */
export function Exports() {
  const { t, f } = useWords();
  const { segment, purpose } = useNamed();
  const called = useColumnName();
  const sentTo = useDestination();
  const list = useInfiniteQuery(exportsQuery);
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <Card flush title={t.exports.title}>
      {list.isError && <Failure error={list.error} retry={() => void list.refetch()} />}
      {list.isPending && <Rows count={2} />}
      {list.isSuccess && items.length === 0 && <div className={ui.dim} style={{ padding: '0 1.25rem 1.25rem' }}>{t.exports.empty}</div>}
      {items.length > 0 && (
        <TableWrap label={t.exports.title}>
          <table className={ui.table}>
            <thead>
              <tr>
                <th scope="col">{t.exports.at}</th><th scope="col">{t.exports.who}</th><th scope="col">{t.exports.forWhat}</th>
                <th scope="col" className={ui.num}>{t.exports.persons}</th><th scope="col" className={ui.hidePhone}>{t.exports.columns}</th><th scope="col">{t.exports.by}</th>
              </tr>
            </thead>
            <tbody>
              {items.map((one) => (
                <tr key={one.seq}>
                  <td style={{ whiteSpace: 'nowrap' }}><time dateTime={one.at} title={f.exact(one.at)}>{f.moment(one.at)}</time></td>
                  <td style={{ minWidth: '9rem' }}>
                    <Link to="/segments/$id" params={{ id: one.segment }} className={ui.textLink ?? ''}>{segment(one.segment)}</Link>
                    <div className={ui.small}>
                      {one.there ? <a href={contentOf(one.file)} download={one.file} className={ui.textLink ?? ''}>{t.exports.fetch}</a> : <span className={ui.dim}>{one.destination === '' ? t.exports.removed : t.exports.to(sentTo(one.destination))}</span>}
                    </div>
                  </td>
                  <td>{purpose(one.purpose)}</td>
                  <td className={ui.num}>{f.number(one.persons)}<div className={ui.small} style={{ whiteSpace: 'normal', minWidth: '9rem' }}><LeftOut of={one.left_out} /></div></td>
                  <td className={`${ui.hidePhone} ${ui.small}`} title={one.hash}>{Object.keys(one.columns).map(called).join(', ')}</td>
                  <td className={ui.small}>{byWhom(one.actor, t)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </TableWrap>
      )}
      <More shown={list.hasNextPage} busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t.app.more}</More>
    </Card>
  );
}
