import { Button, SegmentedControl, Textarea, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate, useParams } from '@tanstack/react-router';
import { type FormEvent, useEffect, useMemo, useRef, useState } from 'react';
import { choicesQuery, estimateQuery, type Expression, expressionQuery, type Fault, type Said } from '../api/audience';
import { ApiError, post } from '../api/client';
import { segmentQuery } from '../api/queries';
import type { Segment } from '../api/types';
import { type Draft, EMPTY, EVERYBODY, keep, kept, type View } from '../builder/draft.ts';
import { changed, type Group, groupOf, groupTree, open } from '../builder/model.ts';
import { useWords } from '../i18n';
import { Icon } from '../ui/icons';
import { freeId, idOf } from '../ui/names';
import { Back, Card, Failure, PageHead, Rows } from '../ui/parts';
import ui from '../ui/ui.module.css';
import css from './builder.module.css';
import { ChoicesContext } from './BuilderFields';
import { Funnel } from './BuilderFunnel';
import { GroupBox } from './BuilderRows';

const PAUSE_MS = 200;

const saidOf = (draft: Draft, language: string): Said =>
  draft.view === 'rows' ? { tree: groupTree(draft.group) ?? EVERYBODY } : draft.view === 'text' ? { text: draft.typed } : { words: draft.typed, language };

function Trouble({ fault }: { fault: Fault }) {
  const { t } = useWords();
  return (
    <div className={css.trouble} role="alert">
      <Icon name="alert" size={18} />
      <div>
        <b>{t.builder.faultAt(String(fault.line), String(fault.column))}</b> {fault.what}
        <div>{fault.nearest === '' ? fault.mend : t.builder.nearest(fault.nearest)}</div>
      </div>
    </div>
  );
}

function Who({ draft, told, onGroup, onTyped, onView, toText }: {
  draft: Draft; told: Expression | undefined; onGroup: (group: Group) => void; onTyped: (text: string) => void; onView: (view: View) => void; toText: () => void;
}) {
  const { t, f } = useWords();
  const { group } = draft;
  const waiting = open(group);
  const fault = told?.fault ?? null;
  return (
    <Card
      title={t.builder.who}
      aside={
        <SegmentedControl
          size="xs" aria-label={t.builder.view} value={draft.view} onChange={(view) => onView(view as View)}
          data={(['rows', 'words', 'text'] as const).map((value) => ({ value, label: t.builder.views[value] }))}
        />
      }
    >
      {draft.view === 'rows' ? (
        <>
          {group.items.length === 0 && <div className={css.hint}><b>{t.builder.emptyTitle}</b> {t.builder.emptyText}</div>}
          <GroupBox group={group} top changes={{ put: (id, item) => onGroup(id === group.id ? (item as Group) : changed(group, id, item)), toText }} />
          {waiting > 0 && <p className={`${ui.dim} ${ui.small}`} style={{ margin: '0.6rem 0 0' }}>{t.builder.needMore(waiting, f.number(waiting))}</p>}
        </>
      ) : (
        <Textarea
          label={draft.view === 'words' ? t.builder.wordsLabel : t.builder.textLabel} description={draft.view === 'words' ? t.builder.wordsText : t.builder.textText}
          autosize minRows={4} value={draft.typed} onChange={(event) => onTyped(event.currentTarget.value)} spellCheck={false} error={fault !== null}
          classNames={{ input: (draft.view === 'text' ? css.code : '') ?? '' }}
        />
      )}
      {fault !== null && <Trouble fault={fault} />}
    </Card>
  );
}

/** Saves, and waits until the segment is in force, so that its page has something to show. */
function useSave(segment: Segment | undefined, taken: string[]) {
  const client = useQueryClient();
  const navigate = useNavigate();
  const { language } = useWords();
  return useMutation({
    mutationFn: async ({ name, where }: { name: string; where: string }) => {
      const own = segment?.id ?? freeId(name, taken);
      const title = typeof segment?.title === 'object' ? { ...segment.title, [language]: name } : name;
      await post(`/api/segments/${encodeURIComponent(own)}`, { where, title, before: segment?.where ?? '' });
      for (let tries = 0; tries < 40; tries += 1) {
        const found = await client.fetchQuery({ ...segmentQuery(own), staleTime: 0 }).catch((error: unknown) => {
          if (error instanceof ApiError && error.status === 404) return null;
          throw error;
        });
        if (found !== null && found.where === where) return own;
        await new Promise((done) => setTimeout(done, 150));
      }
      return own;
    },
    onSuccess: async (own) => {
      keep(segment?.id ?? '', null);
      await client.invalidateQueries({ predicate: ({ queryKey: [kind] }) => kind !== 'session' });
      await navigate({ to: '/segments/$id', params: { id: own } });
    },
  });
}

function Editor({ segment, first }: { segment: Segment | undefined; first: Draft }) {
  const { t, language, say } = useWords();
  const client = useQueryClient();
  const navigate = useNavigate();
  const choices = useQuery(choicesQuery);
  const [draft, setDraft] = useState(first);
  const [asked] = useDebouncedValue(useMemo(() => saidOf(draft, language), [draft, language]), PAUSE_MS);
  const [exactly, setExactly] = useState<Said | null>(null);
  const told = useQuery(expressionQuery(asked));
  const estimate = useQuery(estimateQuery(asked, exactly === asked, segment?.id ?? ''));
  const save = useSave(segment, choices.data?.segments.map((one) => one.id) ?? []);
  const touched = useRef(false);
  const put = (next: Partial<Draft>) => { touched.current = true; setDraft({ ...draft, ...next }); };
  useEffect(() => {
    if (touched.current) keep(segment?.id ?? '', draft);
  }, [draft, segment]);
  const show = async (view: View) => {
    const now = await client.fetchQuery(expressionQuery(saidOf(draft, language))).catch(() => null);
    if (now?.tree == null || now.text === null) return;
    setDraft({ ...draft, view, group: draft.view === 'rows' ? draft.group : groupOf(now.tree), typed: view === 'words' ? (now.words[language] ?? '') : now.text });
  };
  if (choices.isPending) return <Rows count={8} />;
  if (choices.isError) return <Failure error={choices.error} retry={() => void choices.refetch()} />;
  const current = told.data !== undefined && !told.isPlaceholderData && JSON.stringify(saidOf(draft, language)) === JSON.stringify(asked);
  const where = current && told.data.fault === null ? told.data.text : null;
  const ready = where !== null && draft.name.trim() !== '' && (segment !== undefined || idOf(draft.name) !== '') && (draft.view !== 'rows' || open(draft.group) === 0);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (ready) save.mutate({ name: draft.name.trim(), where });
  };
  const discard = () => { keep(segment?.id ?? '', null); void navigate(segment === undefined ? { to: '/segments' } : { to: '/segments/$id', params: { id: segment.id } }); };
  return (
    <ChoicesContext.Provider value={choices.data}>
      <PageHead
        title={segment === undefined ? t.builder.newTitle : t.builder.editTitle(say(segment.title, segment.id))} lead={t.builder.lead}
        back={<Back to="/segments">{t.segments.back}</Back>}
      />
      <form onSubmit={submit} className={ui.columns}>
        <div className={ui.side}>
          <Card>
            <TextInput
              label={t.builder.name} description={t.builder.nameText} placeholder={t.builder.namePlaceholder} value={draft.name} maxLength={120}
              onChange={(event) => put({ name: event.currentTarget.value })} required withAsterisk={false}
            />
          </Card>
          <Who draft={draft} told={told.data} onGroup={(group) => put({ group })} onTyped={(typed) => put({ typed })} onView={(view) => void show(view)} toText={() => void show('text')} />
          {save.error !== null && <Failure error={save.error} />}
          <div className={css.end}>
            <Button type="submit" disabled={!ready} loading={save.isPending}>{t.builder.save}</Button>
            <Button variant="default" onClick={discard}>{touched.current || kept(segment?.id ?? '') !== null ? t.builder.discard : t.app.cancel}</Button>
            <span className={`${ui.dim} ${ui.small}`}>{draft.name.trim() === '' ? t.builder.needName : touched.current ? t.builder.draft : ''}</span>
          </div>
        </div>
        <div className={`${ui.side} ${css.beside}`}><Funnel asked={estimate} tree={estimate.isPlaceholderData || told.isPlaceholderData ? null : (told.data?.tree ?? null)} onExact={() => setExactly(asked)} /></div>
      </form>
    </ChoicesContext.Provider>
  );
}

export function NewSegment() {
  return <Editor segment={undefined} first={kept('') ?? EMPTY} />;
}

export function EditSegment() {
  const { say } = useWords();
  const { id } = useParams({ from: '/inside/segments/$id/edit' });
  const segment = useQuery({ ...segmentQuery(id), refetchInterval: false });
  const tree = useQuery({ ...expressionQuery({ text: segment.data?.where ?? 'true' }), enabled: segment.data !== undefined });
  const error = segment.error ?? tree.error;
  if (error !== null) return <Failure error={error} retry={() => { void segment.refetch(); void tree.refetch(); }} />;
  if (segment.data === undefined || tree.data === undefined || tree.isPlaceholderData) return <Rows count={8} />;
  const found = segment.data;
  const own: Draft = { name: say(found.title, found.id), view: tree.data.tree === null ? 'text' : 'rows', group: groupOf(tree.data.tree ?? EVERYBODY), typed: found.where };
  return <Editor key={id} segment={found} first={kept(id) ?? own} />;
}
