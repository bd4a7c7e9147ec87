import { Button, Checkbox, Textarea, TextInput } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useBlocker } from '@tanstack/react-router';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { ApiError, post } from '../api/client';
import type { AgentDraft, Draft } from '../api/data';
import { draftQuery } from '../api/data_queries';
import { personQuery } from '../api/queries';
import { live } from '../api/stream';
import type { Json, Properties } from '../api/types';
import { useWords, word } from '../i18n';
import { Confirm, Notice } from '../ui/ask';
import { personName } from '../ui/names';
import { useNow } from '../ui/now';
import { Code, Failure, Pill } from '../ui/parts';
import ui from '../ui/ui.module.css';
import { plainValue } from '../ui/values';
import { changed, conflicts, type Edits, merged, open, readable, same, shapeOf, typed } from './draft';
import css from './drafts.module.css';

/** How often a saving is tried again by itself, when the customer changed other fields in the same moment. */
const TRIES = 4;

const shown = (value: Json | undefined): string =>
  shapeOf(value) === 'choices' ? Object.entries(value as Properties).filter(([, on]) => on === true).map(([name]) => name).join(', ')
    : value === null || value === undefined ? '' : plainValue(value);

/** One field, drawn by what was saved in it, so that it stays the same while somebody types. */
function Field({ name, was, value, disabled, onChange }: {
  name: string; was: Json | undefined; value: Json | undefined; disabled: boolean; onChange: (value: Json) => void;
}) {
  const { t } = useWords();
  const label = readable(name);
  const shape = shapeOf(was ?? value);
  const text = value === null || value === undefined ? '' : String(value);
  const [long] = useState(text.length > 40 || text.includes('\n'));
  if (shape === 'yes') return <Checkbox label={label} checked={value === true} disabled={disabled} onChange={(event) => onChange(event.currentTarget.checked)} />;
  if (shape === 'choices') {
    const boxes = value as Properties;
    return (
      <Checkbox.Group
        label={label} value={Object.keys(boxes).filter((one) => boxes[one] === true)}
        onChange={(on) => onChange(Object.fromEntries(Object.keys(boxes).map((one) => [one, on.includes(one)])))}
      >
        <span className={ui.pills} style={{ gap: '0.5rem 1.25rem', paddingTop: 6 }}>
          {Object.keys(boxes).map((one) => <Checkbox key={one} value={one} label={readable(one)} disabled={disabled} />)}
        </span>
      </Checkbox.Group>
    );
  }
  if (shape === 'other') {
    return (
      <details className={css.other}>
        <summary>{label} <small>{t.drafts.asItIs}</small></summary>
        <Code text={JSON.stringify(value, null, 1)} label={label} wrap />
      </details>
    );
  }
  const put = (said: string) => onChange(shape === 'number' && /^-?\d{1,15}(\.\d{1,9})?$/.test(said) && String(Number(said)) === said ? Number(said) : said);
  const common = { label, value: text, disabled, onChange: (event: { currentTarget: { value: string } }) => put(event.currentTarget.value) };
  return long ? <Textarea {...common} autosize minRows={2} maxRows={12} /> : <TextInput {...common} />;
}

/** Both versions of a field, side by side; an agent who talks with the customer decides. */
function Both({ mine, theirs, by, onMine, onTheirs }: { mine: Json; theirs: Json | undefined; by: string; onMine: () => void; onTheirs: () => void }) {
  const { t } = useWords();
  return (
    <div className={css.versions}>
      <div className={css.version}>
        <div><b>{t.drafts.mine}</b><p>{shown(mine) || t.drafts.empty}</p></div>
        <span><Button size="xs" variant="default" onClick={onMine}>{t.drafts.keepMine}</Button></span>
      </div>
      <div className={css.version}>
        <div><b>{by === 'owner' ? t.drafts.theirs : t.drafts.others}</b><p>{shown(theirs) || t.drafts.empty}</p></div>
        <span><Button size="xs" variant="default" onClick={onTheirs}>{t.drafts.takeTheirs}</Button></span>
      </div>
    </div>
  );
}

function Owner({ id }: { id: string }) {
  const { t } = useWords();
  const { data } = useQuery(personQuery(id));
  return <Link to="/persons/$id" params={{ id }} className={ui.textLink ?? ''}>{data === undefined ? t.person.fallback : personName(data.label, t)}</Link>;
}

/** What is known of a draft beside its fields. */
export function About({ draft, person = false }: { draft: Draft; person?: boolean }) {
  const { t, f } = useWords();
  const now = useNow();
  return (
    <span className={ui.props}>
      <span title={f.exact(draft.saved_at)}>{draft.by === 'owner' ? t.drafts.byOwner(f.ago(draft.saved_at, now)) : t.drafts.byAgent(f.ago(draft.saved_at, now))}</span>
      {draft.by === 'owner' && draft.touchpoint !== '' && <span>{t.timeline.via(word(t.words.touchpoint, draft.touchpoint))}</span>}
      <span>{t.drafts.version(f.number(draft.version))}</span>
      {person && (draft.person === null ? <span>{t.drafts.nobodyYet}</span> : <Owner id={draft.person} />)}
    </span>
  );
}

/** Asks the server again whenever the log says that this draft was saved or closed; says which fields that changed. */
function useDraft(first: AgentDraft): { there: Draft; fresh: string[]; put: (next: AgentDraft) => void; error: unknown } {
  const client = useQueryClient();
  const id = first.draft.id;
  const query = useQuery({ ...draftQuery(first.ref, id), initialData: first });
  const [fresh, setFresh] = useState<string[]>([]);
  const before = useRef(first.draft);
  const there = query.data.draft;
  useEffect(() => live.onEntries((entries) => {
    if (entries.some((entry) => entry.properties['draft_id'] === id)) void client.invalidateQueries({ queryKey: ['draft', id] });
  }), [client, id]);
  useEffect(() => {
    if (there.version <= before.current.version) return;
    setFresh(there.by === 'owner' ? changed(before.current.fields, there.fields) : []);
    before.current = there;
  }, [there]);
  const put = (next: AgentDraft) => client.setQueryData(draftQuery(first.ref, id).queryKey, next);
  return { there, fresh, put, error: query.error };
}

const lost = (problem: unknown): boolean => problem instanceof ApiError && ['draft_changed', 'draft_closed'].includes(problem.problem.code ?? '');

/** Saving and closing. Where the customer saved other fields in the same moment, a saving is tried again by itself. */
function useSaving(first: AgentDraft, there: Draft, put: (next: AgentDraft) => void, edits: Edits, setEdits: (next: (now: Edits) => Edits) => void) {
  const client = useQueryClient();
  const saveAll = async (): Promise<void> => {
    let base = there;
    for (let tries = 1; ; tries++) {
      try {
        const sent = open(edits, base.fields);
        put(await post<AgentDraft>('/api/drafts', { ref: first.ref, fields: merged(sent, base.fields), version: base.version }));
        setEdits((now) => Object.fromEntries(Object.entries(now).filter(([name, edit]) => !same(edit.value, sent[name]?.value))));
        return;
      } catch (problem) {
        if (!lost(problem)) throw problem;
        const newest = await post<AgentDraft>('/api/drafts/find', { ref: first.ref });
        put(newest);
        base = newest.draft;
        if (base.status !== 'open' || tries === TRIES || conflicts(open(edits, base.fields), base.fields).length > 0) throw problem;
      }
    }
  };
  const onSettled = () => void client.invalidateQueries({ queryKey: ['drafts-of'] });
  const save = useMutation({ mutationFn: saveAll, onSettled });
  const close = useMutation({
    mutationFn: async (outcome: string) => {
      if (outcome === 'submitted' && Object.keys(open(edits, there.fields)).length > 0) await saveAll();
      put(await post<AgentDraft>('/api/drafts', { ref: first.ref, outcome }));
      if (outcome === 'discarded') setEdits(() => ({}));
    },
    onSettled,
  });
  return { save, close };
}

/** All fields, each with what is to be said of it. */
function Fields({ there, mine, both, fresh, onEdits }: { there: Draft; mine: Edits; both: string[]; fresh: string[]; onEdits: (next: Edits) => void }) {
  const { t } = useWords();
  const names = [...new Set([...Object.keys(there.fields), ...Object.keys(mine)])];
  const notes = { both: t.drafts.bothChanged, mine: t.drafts.notSaved, fresh: t.drafts.fresh };
  const stateOf = (name: string): keyof typeof notes | undefined => (both.includes(name) ? 'both' : name in mine ? 'mine' : fresh.includes(name) ? 'fresh' : undefined);
  if (names.length === 0) return <p className={ui.dim}>{t.drafts.noFields}</p>;
  return (
    <div className={css.fields}>
      {names.map((name) => {
        const state = stateOf(name);
        return (
          <div className={css.field} key={name} data-state={state}>
            <Field
              name={name} was={there.fields[name]} value={name in mine ? mine[name]?.value : there.fields[name]} disabled={there.status !== 'open' && !(name in mine)}
              onChange={(value) => onEdits(typed(mine, there.fields, name, value))}
            />
            <small className={css.note}>{state === undefined ? '' : notes[state]}</small>
            {state === 'both' && (
              <Both
                mine={mine[name]?.value ?? null} theirs={there.fields[name]} by={there.by}
                onMine={() => onEdits({ ...mine, [name]: { value: mine[name]?.value ?? null, from: there.fields[name] } })}
                onTheirs={() => onEdits(Object.fromEntries(Object.entries(mine).filter(([other]) => other !== name)))}
              />
            )}
          </div>
        );
      })}
    </div>
  );
}

function Closed({ status, dirty }: { status: string; dirty: boolean }) {
  const { t } = useWords();
  return (
    <Notice tone={status === 'submitted' ? 'teal' : 'warm'} icon={status === 'submitted' ? 'check' : 'info'}>
      <b>{word(t.drafts.closed, status)}</b>
      {dirty && <div className={ui.small}>{t.drafts.closedMine}</div>}
    </Notice>
  );
}

/** A half-filled form, gone on with while its customer may type as well. */
export function DraftForm({ first }: { first: AgentDraft }) {
  const { t, f } = useWords();
  const { there, fresh, put, error } = useDraft(first);
  const [edits, setEdits] = useState<Edits>({});
  const { save, close } = useSaving(first, there, put, edits, setEdits);
  const mine = open(edits, there.fields);
  const both = conflicts(mine, there.fields);
  const dirty = Object.keys(mine).length > 0;
  const closed = there.status !== 'open';
  useBlocker({ shouldBlockFn: () => dirty && !window.confirm(t.drafts.leave), enableBeforeUnload: () => dirty });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (dirty && both.length === 0 && !save.isPending) save.mutate();
  };
  const faults = [save.error, close.error, error].filter((one) => one !== null && !lost(one));
  const said = both.length > 0 ? t.drafts.decide(both.length, f.number(both.length)) : dirty ? t.drafts.unsaved
    : fresh.length > 0 ? t.drafts.freshAll(f.time(there.saved_at)) : save.isSuccess ? t.drafts.saved : '';
  return (
    <form onSubmit={submit} aria-label={readable(there.form)}>
      {closed && <Closed status={there.status} dirty={dirty} />}
      <Fields there={there} mine={mine} both={both} fresh={fresh} onEdits={setEdits} />
      {faults.map((one, place) => <div key={place} style={{ marginTop: 16 }}><Failure error={one} /></div>)}
      <div className={css.actions}>
        {!closed && (
          <span className={ui.pills} style={{ gap: 10 }}>
            <Button type="submit" loading={save.isPending} disabled={!dirty || both.length > 0}>{t.app.save}</Button>
            {both.length === 0 && <Confirm label={t.drafts.submit} ask={t.drafts.submitAsk} action={t.drafts.submitNow} icon="check" busy={close.isPending} onYes={() => close.mutate('submitted')} />}
            <Confirm label={t.drafts.discard} ask={t.drafts.discardAsk} action={t.drafts.discardNow} icon="cross" busy={close.isPending} onYes={() => close.mutate('discarded')} danger />
          </span>
        )}
        <span className={css.said} role="status">{closed ? '' : said}</span>
      </div>
    </form>
  );
}

export function Status({ draft }: { draft: Draft }) {
  const { t } = useWords();
  return <Pill tone={draft.status === 'open' ? 'warm' : draft.status === 'submitted' ? 'teal' : 'gray'}>{word(t.drafts.states, draft.status)}</Pill>;
}
