import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { type ReactNode, useMemo, useState } from 'react';
import { reportQuery } from '../api/queries';
import type { Note, Report as ReportData } from '../api/types';
import { Chart } from '../charts/Chart';
import { effectOption, groupsOption } from '../charts/effect';
import { useWords } from '../i18n';
import { Icon } from '../ui/icons';
import { Back, Card, Failure, PageHead, Rows, TableWrap, Tiles } from '../ui/parts';
import ui from '../ui/ui.module.css';
import { type Cell, csvOf, download } from './csv';
import css from './report.module.css';
import { figures, interval, sentence, VERDICT_ICON, VERDICT_TONE } from './verdict';

/** A chart and its table twin: the same numbers, one of them shown, both to take away as CSV. */
function Twin({ title, note, chart, head, rows, file, csv }: {
  title: string; note: string; chart: ReactNode; head: string[]; rows: string[][]; file: string; csv: Cell[][];
}) {
  const { t } = useWords();
  const [table, setTable] = useState(chart === null);
  return (
    <Card title={title}>
      <p className={css.note}>{note}</p>
      {table ? (
        <TableWrap label={title}>
          <table className={`${ui.table} ${css.tight}`}>
            <thead><tr>{head.map((name, place) => <th key={name} scope="col" className={place === 0 ? undefined : ui.num}>{name}</th>)}</tr></thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row[0]}>
                  {row.map((value, place) => place === 0 ? <th key={place} scope="row">{value}</th> : <td key={place} className={ui.num}>{value}</td>)}
                </tr>
              ))}
            </tbody>
          </table>
        </TableWrap>
      ) : chart}
      <div className={css.tools}>
        {chart !== null && (
          <Button size="xs" variant="default" leftSection={<Icon name={table ? 'reports' : 'table'} size={15} />} onClick={() => setTable((was) => !was)}>
            {table ? t.app.chart : t.app.table}
          </Button>
        )}
        <Button size="xs" variant="default" leftSection={<Icon name="download" size={15} />} onClick={() => download(file, csvOf(csv))}>{t.app.csv}</Button>
      </div>
    </Card>
  );
}

function Effect({ report }: { report: ReportData }) {
  const words = useWords();
  const r = words.t.report;
  const { estimate } = report.effect;
  const [low, high] = report.effect.ci ?? [null, null];
  const { currency } = report;
  const say = useMemo(() => figures(report, words), [report, words]);
  const draw = useMemo(
    () => estimate === null || low === null || high === null ? null : effectOption({
      estimate, low, high, money: (value) => say.effect(value, true), words: { estimate: r.chartEstimate, interval: r.chartInterval, zero: r.zero },
    }),
    [estimate, low, high, say, r],
  );
  const title = say.goal ? r.effectGoal : r.effect;
  const total = report.incremental;
  return (
    <Twin
      title={title} note={r.effectText} file={`${r.file}-${report.journey}-effect.csv`}
      chart={draw === null ? null : (
        <Chart draw={draw} height={170} label={r.effectAria(say.effect(estimate, true), say.effect(low, true), say.effect(high, true))} />
      )}
      head={[r.measure, r.chartEstimate, r.low, r.high]}
      rows={[
        [title, say.effect(estimate, true), say.effect(low, true), say.effect(high, true)],
        [say.goal ? r.incrementalGoal : r.incremental, say.total(total.estimate, true), say.total(total.ci?.[0] ?? null, true), say.total(total.ci?.[1] ?? null, true)],
      ]}
      csv={[
        ['journey', 'measure', 'currency', 'estimate', 'ci_low', 'ci_high', 'p'],
        [report.journey, 'effect_per_contacted_customer', currency, estimate, low, high, report.effect.p],
        [report.journey, 'incremental', currency, total.estimate, total.ci?.[0] ?? null, total.ci?.[1] ?? null, null],
      ]}
    />
  );
}

function Groups({ report }: { report: ReportData }) {
  const { t, f } = useWords();
  const r = t.report;
  const { treated, control } = report.arms;
  const { currency } = report;
  const goal = report.metric === 'reached';
  const known = treated.mean !== null && control.mean !== null;
  const mean = useMemo(() => (value: number) => (goal ? f.percent(value, 1) : f.money(value, currency)), [goal, currency, f]);
  const draw = useMemo(
    () => groupsOption({ groups: [{ name: r.treated, value: treated.mean ?? 0 }, { name: r.control, value: control.mean ?? 0 }], money: mean }),
    [treated.mean, control.mean, mean, r],
  );
  const shown = (value: number | null) => (value === null ? '–' : mean(value));
  const arms = [[r.treated, treated, 'treated'], [r.control, control, 'control']] as const;
  const c = goal ? { ...r.columns, ...r.columnsGoal } : r.columns;
  return (
    <Twin
      title={r.groups} note={r.groupsText} file={`${r.file}-${report.journey}-groups.csv`}
      chart={known ? <Chart draw={draw} height={120} label={r.groupsAria(shown(treated.mean), shown(control.mean))} /> : null}
      head={goal ? [c.group, c.n, c.buyers, c.rate] : [c.group, c.n, c.buyers, c.rate, c.revenue, c.mean]}
      rows={arms.map(([name, arm]) => [
        name, f.number(arm.n), f.number(arm.buyers), arm.n === 0 ? '–' : f.percent(arm.buyers / arm.n, 1),
        ...(goal ? [] : [f.money(arm.revenue, currency), shown(arm.mean)]),
      ])}
      csv={[
        ['journey', 'arm', 'n', 'buyers', 'revenue', 'mean', 'currency'],
        ...arms.map(([, arm, id]): Cell[] => [report.journey, id, arm.n, arm.buyers, arm.revenue, arm.mean, currency]),
      ]}
    />
  );
}

/** What the server warns of, in its own words. */
function Notes({ notes }: { notes: Note[] }) {
  const { language } = useWords();
  if (notes.length === 0) return null;
  return (
    <ul className={css.notes}>
      {notes.map((note) => (
        <li key={note.code} data-level={note.level}>
          <Icon name={note.level === 'alarm' ? 'alert' : 'info'} size={18} />
          <span>{note.text[language] ?? Object.values(note.text)[0]}</span>
        </li>
      ))}
    </ul>
  );
}

function Trust({ report }: { report: ReportData }) {
  const { t, f } = useWords();
  const r = t.report;
  const ratio = report.sample_ratio;
  const share = (value: number | null) => (value === null ? '–' : f.percent(value, 1));
  const silent = report.responders === null ? null : Math.max(0, report.contacted - report.responders);
  return (
    <Card title={r.trust}>
      <ul className={css.checks}>
        <li>
          <span className={css.check} data-bad={!ratio.ok}><Icon name={ratio.ok ? 'scale' : 'alert'} size={17} /></span>
          <div><b>{ratio.ok ? r.ratioOk : r.ratioBad}</b><p>{r.ratioText(share(ratio.observed), share(ratio.expected))} {!ratio.ok && r.ratioBadMend}</p></div>
        </li>
        <li>
          <span className={css.check}><Icon name="persons" size={17} /></span>
          <div><b>{r.nonResponders}</b><p>{silent === null ? r.nonRespondersPlain : r.nonRespondersText(f.number(silent), f.number(report.contacted))}</p></div>
        </li>
        <li>
          <span className={css.check}><Icon name="segments" size={17} /></span>
          <div><b>{r.controlTitle(share(ratio.expected))}</b><p>{r.controlText}</p></div>
        </li>
        <li>
          <span className={css.check}><Icon name="clock" size={17} /></span>
          <div><b>{r.excluded}</b><p>{r.excludedText(f.number(report.excluded.immature), f.number(report.excluded.contaminated))}</p></div>
        </li>
      </ul>
    </Card>
  );
}

function Expert({ report }: { report: ReportData }) {
  const { t, f } = useWords();
  const r = t.report;
  const p = (value: number | null) => (value === null ? '–' : f.decimal(value, 4));
  const rows: [string, string][] = [
    [r.p, p(report.effect.p)],
    [r.pWelch, p(report.effect.p_welch)],
    [r.ratioP, p(report.sample_ratio.p)],
    [r.gateRow, `${f.number(report.gate.buyers_smallest)} (${f.number(report.gate.buyers_needed)})`],
    [r.windowRow, report.window_days === null ? '–' : r.windowDays(f.number(report.window_days))],
    [r.position, report.position === null ? '–' : f.number(report.position)],
  ];
  return (
    <details className={`${ui.card} ${css.expert}`}>
      <summary>{r.expert}</summary>
      <table className={ui.table} style={{ maxWidth: '44rem' }}>
        <tbody>{rows.map(([name, value]) => <tr key={name}><th scope="row">{name}</th><td className={ui.num}>{value}</td></tr>)}</tbody>
      </table>
    </details>
  );
}

export function Report() {
  const words = useWords();
  const { t, f, say: titleOf } = words;
  const r = t.report;
  const { id } = useParams({ from: '/inside/journeys/$id/report' });
  const { data: report, error, refetch, isPending } = useQuery(reportQuery(id));
  if (isPending) return <Rows count={5} height={90} />;
  if (error !== null || report === undefined) return <><Back to="/reports">{r.back}</Back><Failure error={error} retry={() => void refetch()} /></>;
  const title = titleOf(report.title, report.journey);
  const ci = interval(report, words);
  const stated = report.verdict !== 'no_statement_yet';
  const say = figures(report, words);
  const lift = report.effect.lift;
  return (
    <>
      <PageHead
        title={r.headline(title)} back={<Back to="/reports">{r.back}</Back>}
        lead={report.window_days === null ? undefined : (say.goal ? r.windowGoal : r.window)(f.number(report.window_days))}
        actions={
          <Button variant="default" leftSection={<Icon name="journeys" size={17} />} renderRoot={(props) => <Link to="/journeys/$id" params={{ id }} {...props} />}>
            {r.toJourney}
          </Button>
        }
      />
      <section className={css.verdict} data-tone={VERDICT_TONE[report.verdict]} aria-label={r.verdictLabel}>
        <span className={css.badge}><Icon name={VERDICT_ICON[report.verdict]} size={25} stroke={2.2} /></span>
        <div>
          <p className={css.sentence}>{sentence(report, words)}</p>
          {!stated && ci !== null && (
            <p className={css.after}>{(say.goal ? r.soFarGoal : r.soFar)(say.effect(report.effect.estimate, true), ci)}</p>
          )}
          {stated && lift !== null && <p className={css.after}>{r.lift(`${lift > 0 ? '+' : ''}${f.percent(lift, 1)}`)}</p>}
        </div>
      </section>
      <Tiles
        label={r.measure}
        items={[
          { label: say.goal ? r.incrementalGoal : r.incremental, value: stated ? say.total(report.incremental.estimate, true) : '–' },
          { label: r.contacted, value: f.number(report.contacted) },
          { label: r.responders, value: report.responders === null ? '–' : f.number(report.responders) },
          { label: t.journeys.counts.control, value: f.number(report.arms.control.n) },
        ]}
      />
      <Notes notes={report.warnings} />
      <div className={css.two}>
        <Effect report={report} />
        <Groups report={report} />
      </div>
      <Trust report={report} />
      <Expert report={report} />
    </>
  );
}
