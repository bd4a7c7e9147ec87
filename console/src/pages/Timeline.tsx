import { SegmentedControl } from '@mantine/core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type TimelineFilter, timelineQuery } from '../api/queries';
import type { Properties, TimelineItem } from '../api/types';
import { useWords, word } from '../i18n';
import { Icon, type IconName, touchpointIcon } from '../ui/icons';
import { useNamed } from '../ui/named';
import { Empty, Failure, More, Pill, Rows, type Tone } from '../ui/parts';
import ui from '../ui/ui.module.css';
import { plainValue, PropertyLine } from '../ui/values';
import css from './person.module.css';

type Named = ReturnType<typeof useNamed>;

/** How many properties stand beside an event; the rest waits in a fold. */
const SHOWN = 4;

const GOOD = new Set(['sent', 'delivered', 'entered', 'allowed', 'ready']);
const BAD = new Set(['denied', 'refused', 'failed', 'bounced']);

export const toneOf = (verdict: string | null): Tone =>
  verdict === null ? 'gray' : GOOD.has(verdict) ? 'teal' : BAD.has(verdict) ? 'red' : verdict === 'held' || verdict === 'unknown' ? 'warm' : 'gray';

const iconOf = (item: TimelineItem): IconName => {
  if (item.kind !== 'decision') return touchpointIcon(item.touchpoint, item.source);
  const tone = toneOf(item.verdict);
  if (item.verdict === 'ghost') return 'segments';
  return tone === 'teal' ? 'check' : tone === 'red' ? 'cross' : tone === 'warm' ? 'clock' : 'door';
};

export function AllProperties({ properties, shown }: { properties: Properties | null; shown: number }) {
  const { t } = useWords();
  const entries = Object.entries(properties ?? {});
  const flat = entries.every(([, value]) => value === null || typeof value !== 'object');
  if (entries.length === 0 || (flat && entries.length <= shown)) return null;
  return (
    <details className={css.more}>
      <summary>{t.timeline.properties}</summary>
      <dl>
        {entries.map(([name, value]) => [<dt key={`${name}-name`}>{name}</dt>, <dd key={name}>{plainValue(value)}</dd>])}
      </dl>
    </details>
  );
}

/** What a decision was about: journey, step, channel, message; one line of plain words. */
export function About({ journey, step, channel, message }: { journey: string | null; step: string | null; channel: string | null; message: string | null }) {
  const { t } = useWords();
  const named = useNamed();
  return (
    <div className={ui.props}>
      {journey !== null && journey !== '' && (
        <span><Link to="/journeys/$id" params={{ id: journey }} className={ui.textLink ?? ''}>{named.journey(journey)}</Link></span>
      )}
      {step !== null && step !== '' && <span>{t.timeline.step(step)}</span>}
      {channel !== null && channel !== '' && <span>{t.timeline.via(word(t.words.channel, channel))}</span>}
      {message !== null && message !== '' && <span>{t.timeline.message(message)}</span>}
    </div>
  );
}

function Item({ item, named }: { item: TimelineItem; named: Named }) {
  const { t, f, language } = useWords();
  const decision = item.kind === 'decision';
  const own = item.source === 'einklang';
  const place = own ? t.timeline.own : word(t.words.touchpoint, item.touchpoint === null || item.touchpoint === '' ? 'none' : item.touchpoint);
  const late = Math.abs(new Date(item.clock).getTime() - new Date(item.at).getTime()) > 3_600_000;
  return (
    <li className={css.item} data-tone={decision ? toneOf(item.verdict) : own ? 'warm' : 'gray'}>
      <span className={css.dot}><Icon name={iconOf(item)} size={17} /></span>
      <div style={{ minWidth: 0 }}>
        <div className={css.line}>
          <span className={css.name} title={item.name}>{named.event(item.name)}</span>
          {item.verdict !== null && item.verdict !== '' && <Pill tone={toneOf(item.verdict)}>{word(t.words.verdict, item.verdict)}</Pill>}
          {!decision && <span className={`${ui.dim} ${ui.small}`}>{place}</span>}
        </div>
        {item.reason_text !== null && <div className={css.reason}>{item.reason_text[language]}</div>}
        {item.until !== null && <div className={`${ui.dim} ${ui.small}`}>{t.timeline.until(f.moment(item.until))}</div>}
        {decision ? <About {...item} /> : <PropertyLine properties={own ? named.told(item.properties) : item.properties} most={SHOWN} named={named.field} />}
        {item.objects.length > 0 && (
          <span className={ui.pills}>{item.objects.map((one) => <Pill key={`${one.kind}-${one.id}`} icon="box">{word(t.objects.one, one.kind)} {one.id}</Pill>)}</span>
        )}
        {!decision && <AllProperties properties={item.properties} shown={SHOWN} />}
      </div>
      <time className={css.when} dateTime={item.at} title={late ? `${f.exact(item.at)} · ${t.timeline.late(f.exact(item.clock))}` : f.exact(item.at)}>{f.time(item.at)}</time>
    </li>
  );
}

export function Timeline({ id, show, onShow }: { id: string; show: TimelineFilter; onShow: (show: TimelineFilter) => void }) {
  const { t, f } = useWords();
  const named = useNamed();
  const list = useInfiniteQuery(timelineQuery(id, show));
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  const days: { day: string; items: TimelineItem[] }[] = [];
  for (const item of items) {
    const day = f.day(item.at);
    const last = days.at(-1);
    if (last?.day === day) last.items.push(item);
    else days.push({ day, items: [item] });
  }
  return (
    <>
      <div className={css.toolbar}>
        <SegmentedControl
          aria-label={t.timeline.filter} value={show} onChange={(value) => onShow(value as TimelineFilter)} size="sm"
          data={[{ value: 'all', label: t.timeline.all }, { value: 'event', label: t.timeline.event }, { value: 'decision', label: t.timeline.decision }]}
        />
      </div>
      {list.isError && <div style={{ padding: '1rem' }}><Failure error={list.error} retry={() => void list.refetch()} /></div>}
      {list.isPending && <Rows />}
      {items.length > 0 && (
        <section className={css.days} aria-label={t.timeline.list}>
          {days.map((group, place) => (
            <div key={`${group.day}-${place}`}>
              <h2 className={css.day}>{group.day}</h2>
              <ol className={css.items}>{group.items.map((item, n) => <Item key={`${item.seq}-${item.kind}-${n}`} item={item} named={named} />)}</ol>
            </div>
          ))}
        </section>
      )}
      {list.isSuccess && items.length === 0 && (
        <Empty
          icon={show === 'decision' ? 'door' : 'clock'} title={show === 'decision' ? t.timeline.emptyDecisionTitle : t.timeline.emptyTitle}
          text={show === 'decision' ? t.timeline.emptyDecisionText : t.timeline.emptyText}
        />
      )}
      <More shown={list.hasNextPage} busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t.timeline.older}</More>
    </>
  );
}
