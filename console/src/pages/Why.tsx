import { NativeSelect, VisuallyHidden } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { journeysQuery, whyQuery } from '../api/queries';
import type { ExplainNode, Json, WhyVerdict } from '../api/types';
import { useWords, word } from '../i18n';
import { Icon } from '../ui/icons';
import { useNamed } from '../ui/named';
import { Empty, Failure, Pill, Rows } from '../ui/parts';
import ui from '../ui/ui.module.css';
import { plainValue } from '../ui/values';
import css from './person.module.css';
import { About, toneOf } from './Timeline';

/** Of which kind a part is that others make up: what stands behind the first of them says it. */
function modeOf(node: ExplainNode): 'all' | 'any' | null {
  const [first] = node.children;
  if (first === undefined || node.children.length < 2) return null;
  const rest = node.text.slice(node.text.indexOf(first.text) + first.text.length).replace(/^[\s)]+/, '');
  return rest.startsWith('&&') ? 'all' : rest.startsWith('||') ? 'any' : null;
}

const DECIMAL = /^-?\d+(\.\d+)?$/;

export function Node({ node }: { node: ExplainNode }) {
  const { t, f, language } = useWords();
  const { spoken } = useNamed();
  const mode = modeOf(node);
  const value = (said: Json): string => (typeof said === 'number' || (typeof said === 'string' && DECIMAL.test(said)) ? f.number(Number(said)) : plainValue(said));
  const words = node.words?.[language];
  const held = node.held ?? (typeof node.value === 'boolean' ? node.value : null);
  return (
    <li>
      <div className={css.node} data-held={held ?? 'none'}>
        <span className={css.mark}><Icon name={held === true ? 'check' : held === false ? 'cross' : 'minus'} size={12} stroke={2.6} /></span>
        <div style={{ minWidth: 0 }}>
          {words === undefined ? <code>{node.text}</code> : <span title={node.text}>{mode === null ? spoken(words) : t.estimate.groups[mode]}</span>}
          {held !== null && <VisuallyHidden> {held ? t.why.holds : t.why.fails}</VisuallyHidden>}
          {typeof node.value !== 'boolean' && (
            <div className={css.value}>{t.why.value}: <b>{node.value === null ? t.app.missing : value(node.value)}</b></div>
          )}
          {node.note !== undefined && <div className={css.value}>{t.why.notes[node.note]}</div>}
        </div>
      </div>
      {node.children.length > 0 && <ul>{node.children.map((child, place) => <Node key={`${place}-${child.text}`} node={child} />)}</ul>}
    </li>
  );
}

function Verdict({ row }: { row: WhyVerdict }) {
  const { t, f, language } = useWords();
  const when = row.clock ?? row.at ?? null;
  return (
    <li className={css.fact}>
      <div className={css.line}>
        <Pill tone={toneOf(row.verdict)}>{word(t.words.verdict, row.verdict)}</Pill>
        <span>{row.reason_text?.[language] ?? (row.reason === null ? '' : row.reason.replaceAll('_', ' '))}</span>
      </div>
      <About journey={null} step={row.step} channel={row.channel} message={row.message} />
      <small>
        {when !== null && f.moment(when)}
        {row.until !== null && row.until !== undefined && ` · ${t.timeline.until(f.moment(row.until))}`}
      </small>
    </li>
  );
}

export function Why({ id, journey, onJourney }: { id: string; journey: string; onJourney: (journey: string) => void }) {
  const { t, say } = useWords();
  const journeys = useQuery(journeysQuery);
  const why = useQuery(whyQuery(id, journey));
  if (journeys.isPending) return <Rows count={3} />;
  if (journeys.isError) return <Failure error={journeys.error} retry={() => void journeys.refetch()} />;
  if (journeys.data.items.length === 0) return <Empty icon="journeys" title={t.why.noJourneysTitle} text={t.why.noJourneysText} />;
  const answer = why.data;
  return (
    <div className={css.pane}>
      <div className={ui.dim}>{t.why.lead}</div>
      <NativeSelect
        label={t.why.journey} value={journey} onChange={(event) => onJourney(event.currentTarget.value)} maw={420}
        data={[{ value: '', label: t.why.choose }, ...journeys.data.items.map((one) => ({ value: one.id, label: say(one.title, one.id) }))]}
      />
      {why.isError && <Failure error={why.error} retry={() => void why.refetch()} />}
      {journey !== '' && why.isPending && <Rows count={4} height={30} />}
      {answer !== undefined && journey !== '' && (
        <>
          {answer.entry !== null && (
            <div className={css.answer} data-held={answer.entry.entered}>
              <Icon name={answer.entry.entered ? 'check' : 'minus'} size={22} />
              <div>
                <b>{answer.entry.entered ? t.why.entered : t.why.notEntered}</b>
                <p>
                  {answer.entry.entered ? t.why.enteredText
                    : answer.entry.reason ? `${t.why.refused(word(t.words.entry, answer.entry.reason))}.` : t.why.notEnteredText}
                </p>
              </div>
            </div>
          )}
          <section>
            <h2 className={css.day}>{t.why.verdicts}</h2>
            {answer.verdicts.length === 0
              ? <p className={ui.dim} style={{ margin: 0 }}>{t.why.noVerdicts}</p>
              : <ul className={css.facts}>{answer.verdicts.map((row, place) => <Verdict key={place} row={row} />)}</ul>}
          </section>
          {answer.entry !== null && !(answer.entry.entered && answer.entry.rule === null) && (
            <section>
              <h2 className={css.day}>{t.why.rule}</h2>
              {answer.entry.rule === null
                ? <p className={ui.dim} style={{ margin: 0 }}>{t.why.noRule}</p>
                : <ul className={css.tree}><Node node={answer.entry.rule} /></ul>}
            </section>
          )}
        </>
      )}
    </div>
  );
}
