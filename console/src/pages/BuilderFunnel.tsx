import { Button } from '@mantine/core';
import type { UseQueryResult } from '@tanstack/react-query';
import type { Count, Estimate, Reach, Step } from '../api/audience';
import { groupOf, type Item } from '../builder/model.ts';
import type { Tree } from '../builder/tree.ts';
import { useWords, word } from '../i18n';
import { Card, Failure, Rows } from '../ui/parts';
import ui from '../ui/ui.module.css';
import css from './builder.module.css';
import { useSentence } from './sentence';

function useCount(): (count: Count) => string {
  const { t, f } = useWords();
  return (count) => (count.low === count.high ? f.number(count.estimate) : t.estimate.between(f.number(count.low), f.number(count.high)));
}

/** One step; its row, which stands at the same place of the tree, says it shorter than the words of the language. */
function StepLine({ step, item, found, most }: { step: Step; item: Item | undefined; found: boolean; most: number }) {
  const { t, f, language } = useWords();
  const sentence = useSentence();
  const shown = useCount();
  const inner = item?.kind === 'group' ? item.items : [];
  const short = item === undefined ? null : sentence(item);
  return (
    <li>
      <div className={css.step}>
        <span className={css.stepText}>{short ?? t.estimate.groups[step.kind] ?? step.words[language]}</span>
        <b className={css.stepNumber}>{f.number(step.remaining.estimate)}</b>
        <span className={css.track}><span style={{ width: `${(100 * step.remaining.estimate) / Math.max(1, most)}%` }} /></span>
        <span className={css.stepNote}>
          {step.remaining.low !== step.remaining.high && shown(step.remaining)}
          {step.missing !== null && step.missing.estimate > 0 && <> {t.estimate.missing(f.number(step.missing.estimate))}</>}
          {!found && step.remaining.high === 0 && t.estimate.none}
        </span>
      </div>
      {step.steps.length > 0 && <ol className={css.steps}>{step.steps.map((one, place) => <StepLine key={`${place}-${one.text}`} step={one} item={inner[place]} found={step.kind === 'any'} most={most} />)}</ol>}
    </li>
  );
}

function Reached({ rows }: { rows: Reach[] }) {
  const { t, f } = useWords();
  const shown = useCount();
  const some = rows.filter((one) => one.consented.high > 0);
  const cell = (count: Count) => <td className={ui.num} title={shown(count)}>{f.number(count.estimate)}</td>;
  return (
    <Card title={t.estimate.reach}>
      {some.length === 0 ? <div className={ui.dim}>{t.estimate.nobody}</div> : (
        <table className={`${ui.table} ${css.reach}`}>
          <thead>
            <tr>
              <th scope="col">{t.estimate.channel}</th><th scope="col" className={ui.num}>{t.estimate.consented}</th>
              <th scope="col" className={ui.num}>{t.estimate.reachable}</th><th scope="col" className={ui.num}>{t.estimate.underCaps}</th>
            </tr>
          </thead>
          <tbody>
            {some.map((one) => <tr key={one.channel}><th scope="row">{word(t.words.channel, one.channel)}</th>{cell(one.consented)}{cell(one.reachable)}{cell(one.under_caps)}</tr>)}
          </tbody>
        </table>
      )}
    </Card>
  );
}

function Figures({ estimate, items, busy, onExact }: { estimate: Estimate & { count: Count; funnel: Step }; items: Item[]; busy: boolean; onExact: () => void }) {
  const { t, f } = useWords();
  const shown = useCount();
  const { count, funnel } = estimate;
  return (
    <Card title={t.estimate.title}>
      <div role="status" aria-live="polite" aria-atomic="true" data-busy={busy} className={css.figure}>
        <b>{f.number(count.estimate)}</b> {t.estimate.persons(count.estimate, '').trim()} <span className={ui.dim}>{t.estimate.of(f.number(estimate.persons))}</span>
        {count.low !== count.high && <div className={css.interval}>{shown(count)}</div>}
      </div>
      <p className={`${ui.dim} ${ui.small}`} style={{ margin: '0.4rem 0 0' }}>
        {estimate.exact ? t.estimate.exact : t.estimate.sampled(f.number(estimate.looked_at), f.number(estimate.persons))} {t.estimate.at(f.moment(estimate.at))}
      </p>
      {estimate.fixed && <p className={ui.small}>{t.estimate.fixed}</p>}
      {estimate.drawn !== null && <p className={ui.small}>{t.estimate.drawn(f.percent(estimate.drawn, 1), shown(funnel.remaining))}</p>}
      {!estimate.exact && <Button mt="xs" size="compact-sm" variant="default" loading={busy} onClick={onExact}>{t.estimate.exactly}</Button>}
      {funnel.steps.length > 0 && (
        <>
          <h3 className={css.stepsTitle}>{funnel.kind === 'any' ? t.estimate.found : t.estimate.steps}</h3>
          <ol className={css.steps} data-top="true">
            {funnel.steps.map((one, place) => <StepLine key={`${place}-${one.text}`} step={one} item={items[place]} found={funnel.kind === 'any'} most={estimate.persons} />)}
          </ol>
        </>
      )}
    </Card>
  );
}

/** What the condition brings, while it is written: the last answer stays until the next one is there. */
export function Funnel({ asked, tree, onExact }: { asked: UseQueryResult<Estimate>; tree: Tree | null; onExact: () => void }) {
  const { t } = useWords();
  if (asked.isError) return <Failure error={asked.error} retry={() => void asked.refetch()} />;
  const { data } = asked;
  if (data === undefined) return <Card title={t.estimate.title}><Rows count={3} height={30} /></Card>;
  const { count, funnel, fault } = data;
  const items = tree === null || data.fixed ? [] : groupOf(tree).items;
  if (count === null || funnel === null) {
    return (
      <Card title={t.estimate.fault}>
        <div>{fault?.code === 'too_costly' ? fault.what : t.estimate.waiting}</div>
        {fault?.code === 'too_costly' && <div className={ui.dim}>{fault.mend}</div>}
      </Card>
    );
  }
  return (
    <>
      <Figures estimate={{ ...data, count, funnel }} items={items} busy={asked.isFetching} onExact={onExact} />
      <Reached rows={data.reach} />
    </>
  );
}
