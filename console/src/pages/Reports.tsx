import { Skeleton, Title } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { journeysQuery, reportQuery } from '../api/queries';
import type { JourneyItem } from '../api/types';
import { useWords } from '../i18n';
import { Card, Code, Empty, Failure, PageHead, Pill, Rows } from '../ui/parts';
import ui from '../ui/ui.module.css';
import css from './report.module.css';
import { figures, sentence, VERDICT_ICON, VERDICT_TONE } from './verdict';

const EXAMPLE = `goal:  {event: Order Completed, within: 14d, value: revenue}
control: 0.10`;

function Entry({ journey }: { journey: JourneyItem }) {
  const words = useWords();
  const { t, f, say } = words;
  const { data: report, isPending } = useQuery(reportQuery(journey.id));
  return (
    <li>
      <article className={css.entry}>
        <div><span className={ui.pills}>
          {report !== undefined && <Pill tone={VERDICT_TONE[report.verdict]} icon={VERDICT_ICON[report.verdict]}>{t.report.short[report.verdict]}</Pill>}
          {isPending && <Skeleton height={22} width={120} radius="xl" />}
        </span></div>
        <Title order={2}>
          <Link to="/journeys/$id/report" params={{ id: journey.id }} className={ui.link ?? ''}>{say(journey.title, journey.id)}</Link>
        </Title>
        {report !== undefined && <p>{sentence(report, words)}</p>}
        {isPending && <Skeleton height={18} />}
        <div className={css.entryFoot}>
          <span>{t.reports.contacted(f.number(journey.contacted))}</span>
          {report !== undefined && report.verdict !== 'no_statement_yet' && report.incremental.estimate !== null && (
            <span>
              {report.metric === 'reached' ? t.report.incrementalGoal : t.report.incremental}:{' '}
              <b style={{ color: 'var(--ek-text)' }}>{figures(report, words).total(report.incremental.estimate, true)}</b>
            </span>
          )}
        </div>
      </article>
    </li>
  );
}

export function Reports() {
  const { t } = useWords();
  const list = useQuery(journeysQuery);
  const items = list.data?.items.filter((journey) => journey.has_goal) ?? [];
  return (
    <>
      <PageHead title={t.reports.title} lead={t.reports.lead} />
      {list.isError && <Failure error={list.error} retry={() => void list.refetch()} />}
      {list.isPending && <Rows count={3} height={120} />}
      {list.isSuccess && items.length === 0 && (
        <Card label={t.reports.title}>
          <Empty icon="reports" title={t.reports.emptyTitle} text={t.reports.emptyText}><Code text={EXAMPLE} label="journey.yaml" /></Empty>
        </Card>
      )}
      <ul className={css.list}>{items.map((journey) => <Entry key={journey.id} journey={journey} />)}</ul>
    </>
  );
}
