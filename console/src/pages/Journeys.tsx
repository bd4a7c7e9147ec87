import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { journeysQuery } from '../api/queries';
import { useWords, word } from '../i18n';
import { Icon } from '../ui/icons';
import { Card, Code, Empty, Failure, PageHead, Pill, Rows, TableWrap, type Tone } from '../ui/parts';
import ui from '../ui/ui.module.css';

export const STATE_TONE: Record<string, Tone> = { live: 'teal', paused: 'warm', stopped: 'red', draft: 'gray' };

const EXAMPLE = `kind: journey
id: welcome
title: {de: Willkommen, en: Welcome}
entry: {event: Signed Up}
goal:  {event: Order Completed, within: 14d, value: revenue}
control: 0.10
steps:
  - {id: pause, wait: 1d}
  - {id: hello, contact: welcome-mail, channels: [email]}

# einklang apply journey.yaml`;

export function Journeys() {
  const { t, f, say } = useWords();
  const list = useQuery(journeysQuery);
  const c = t.journeys.columns;
  return (
    <>
      <PageHead title={t.journeys.title} lead={t.journeys.lead} />
      {list.isError && <Failure error={list.error} retry={() => void list.refetch()} />}
      {!list.isError && (
        <Card flush>
          {list.isPending && <Rows />}
          {list.data?.items.length === 0 && (
            <Empty icon="journeys" title={t.journeys.emptyTitle} text={t.journeys.emptyText}><Code text={EXAMPLE} label="journey.yaml" /></Empty>
          )}
          {list.data !== undefined && list.data.items.length > 0 && (
            <TableWrap label={t.journeys.title}>
              <table className={ui.table}>
                <thead>
                  <tr>
                    <th scope="col">{c.journey}</th>
                    <th scope="col" className={`${ui.num} ${ui.hidePhone}`}>{c.entered}</th>
                    <th scope="col" className={ui.num}>{c.here}</th>
                    <th scope="col" className={`${ui.num} ${ui.hidePhone}`}>{c.contacted}</th>
                    <th scope="col" className={`${ui.num} ${ui.hideTablet}`}>{c.goal}</th>
                    <th scope="col" className={`${ui.num} ${ui.hideTablet}`}>{c.control}</th>
                    <th scope="col">{c.report}</th>
                  </tr>
                </thead>
                <tbody>
                  {list.data.items.map((journey) => {
                    const title = say(journey.title, journey.id);
                    return (
                      <tr key={journey.id}>
                        <th scope="row">
                          <Link to="/journeys/$id" params={{ id: journey.id }} className={ui.link ?? ''}>{title}</Link>
                          <div style={{ marginTop: 4, fontWeight: 400 }} className={ui.pills}>
                            <Pill tone={STATE_TONE[journey.state] ?? 'gray'}>{word(t.words.state, journey.state)}</Pill>
                            <span className={`${ui.dim} ${ui.small}`}>{t.journeys.version(f.number(journey.version))}</span>
                          </div>
                        </th>
                        <td className={`${ui.num} ${ui.hidePhone}`}>{f.number(journey.entered)}</td>
                        <td className={ui.num}><b>{f.number(journey.in_progress)}</b></td>
                        <td className={`${ui.num} ${ui.hidePhone}`}>{f.number(journey.contacted)}</td>
                        <td className={`${ui.num} ${ui.hideTablet}`}>{f.number(journey.goal)}</td>
                        <td className={`${ui.num} ${ui.hideTablet}`}>{f.number(journey.control)}</td>
                        <td>
                          {!journey.has_goal ? <span className={ui.dim}>–</span> : (
                            <Link to="/journeys/$id/report" params={{ id: journey.id }} className={ui.link ?? ''} aria-label={t.journeys.openReport(title)} style={{ display: 'inline-flex', gap: 6, alignItems: 'center', minHeight: 24 }}>
                              <Icon name="reports" size={16} /> <span className={ui.hidePhone}>{t.journeys.report}</span>
                            </Link>
                          )}
                        </td>
                      </tr>
                    );
                  })}
                </tbody>
              </table>
            </TableWrap>
          )}
        </Card>
      )}
    </>
  );
}
