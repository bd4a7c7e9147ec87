import { Button, Checkbox, TextInput } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { healthQuery, overlapQuery, type TrendDay, trendQuery, type User, whyMemberQuery } from '../api/audience';
import { segmentsQuery } from '../api/queries';
import type { Segment as SegmentData } from '../api/types';
import { useWords, word } from '../i18n';
import { Notice } from '../ui/ask';
import { Icon } from '../ui/icons';
import { asPerson, useNamed } from '../ui/named';
import { personName } from '../ui/names';
import { Card, Failure, Pill, Rows, TableWrap } from '../ui/parts';
import ui from '../ui/ui.module.css';
import css from './builder.module.css';
import person from './person.module.css';
import { useDestination } from './Lists';
import { Node } from './Why';

const DAYS = 90;
const OTHERS_MAX = 5;

/** Why somebody is, or is not, in it; asked from here, or of a member from the list. */
export function WhyMember({ id, asked, onAsk }: { id: string; asked: string; onAsk: (person: string) => void }) {
  const { t, f } = useWords();
  const [typed, setTyped] = useState(asked);
  const place = useRef<HTMLDivElement>(null);
  const why = useQuery(whyMemberQuery(id, asked));
  useEffect(() => {
    setTyped(asked);
    if (asked !== '') place.current?.scrollIntoView({ block: 'nearest' });
  }, [asked]);
  const submit = (event: FormEvent) => { event.preventDefault(); onAsk(asPerson(typed.trim())); };
  return (
    <Card title={t.audience.whyTitle}>
      <form onSubmit={submit} className={css.end}>
        <TextInput
          className={ui.grow ?? ''} label={t.audience.whyPerson} description={t.audience.whyText} placeholder={t.audience.whyPlaceholder} value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
        />
        <Button type="submit" variant="default" style={{ alignSelf: 'end' }}>{t.audience.whyAsk}</Button>
      </form>
      <div ref={place} style={{ marginTop: '0.9rem' }}>
        {why.isError && <Failure error={why.error} />}
        {asked !== '' && why.isPending && <Rows count={3} height={30} />}
        {why.data !== undefined && (
          <>
            <div className={person.answer} data-held={why.data.member}>
              <Icon name={why.data.member ? 'check' : 'minus'} size={22} />
              <div>
                <b><Link to="/persons/$id" params={{ id: why.data.person_id }} className={ui.link ?? ''}>{personName(why.data.label, t)}</Link> {why.data.member ? t.audience.isIn : t.audience.isNot}</b>
                {why.data.since !== null && <p>{t.audience.since(f.date(why.data.since))}</p>}
                {t.audience.apart[why.data.apart] !== undefined && <p>{t.audience.apart[why.data.apart]}</p>}
              </div>
            </div>
            <ul className={person.tree}><Node node={why.data.rule} /></ul>
          </>
        )}
      </div>
    </Card>
  );
}

function Line({ days, label }: { days: TrendDay[]; label: string }) {
  const { f } = useWords();
  const most = Math.max(1, ...days.map((one) => one.members));
  const at = (one: TrendDay, place: number) => `${(place / Math.max(1, days.length - 1)) * 300},${100 - (one.members / most) * 92}`;
  const points = days.map(at).join(' ');
  return (
    <>
      <div className={`${ui.dim} ${ui.small}`}>{f.number(most)}</div>
      <svg className={css.chart} viewBox="0 0 300 100" preserveAspectRatio="none" role="img" aria-label={label}>
        <polygon points={`0,100 ${points} 300,100`} fill="var(--ek-teal-soft)" />
        <polyline points={points} fill="none" stroke="var(--ek-chart-1)" strokeWidth="2" vectorEffect="non-scaling-stroke" />
      </svg>
    </>
  );
}

export function TrendOf({ id }: { id: string }) {
  const { t, f } = useWords();
  const { data, error, refetch } = useQuery(trendQuery(id, DAYS));
  const [first, last] = [data?.days[0], data?.days.at(-1)];
  return (
    <Card title={t.audience.trend}>
      {error !== null && <Failure error={error} retry={() => void refetch()} />}
      {data === undefined && error === null && <Rows count={2} height={40} />}
      {data !== undefined && first !== undefined && last !== undefined && (
        <>
          <Line days={data.days} label={t.audience.trendText(f.number(first.members), f.number(last.members), f.number(data.days.length))} />
          <div className={`${ui.dim} ${ui.small}`} style={{ display: 'flex', justifyContent: 'space-between' }}><span>{f.date(first.day)}</span><span>{f.date(last.day)}</span></div>
          <details className={ui.fold}>
            <summary>{t.audience.numbers}</summary>
            <TableWrap label={t.audience.trend}>
              <table className={`${ui.table} ${css.reach}`}>
                <thead>
                  <tr>
                    <th scope="col">{t.audience.day}</th><th scope="col" className={ui.num}>{t.audience.entered}</th>
                    <th scope="col" className={ui.num}>{t.audience.left}</th><th scope="col" className={ui.num}>{t.audience.size}</th>
                  </tr>
                </thead>
                <tbody>
                  {data.days.filter((one, place) => one.entered + one.left > 0 || place === data.days.length - 1).reverse().map((one) => (
                    <tr key={one.day}>
                      <th scope="row">{f.date(one.day)}</th><td className={ui.num}>{f.number(one.entered)}</td>
                      <td className={ui.num}>{f.number(one.left)}</td><td className={ui.num}>{f.number(one.members)}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </TableWrap>
          </details>
        </>
      )}
    </Card>
  );
}

function Meetings({ ids }: { ids: string[] }) {
  const { t, f, say } = useWords();
  const all = useQuery(segmentsQuery);
  const { data, error, refetch } = useQuery(overlapQuery(ids));
  if (error !== null) return <Failure error={error} retry={() => void refetch()} />;
  if (data === undefined) return <Rows count={3} height={30} />;
  const columns = Object.keys(data.sizes);
  const most = Math.max(1, ...data.meetings.map((one) => one.persons));
  const nameOf = (id: string) => say(all.data?.items.find((one) => one.id === id)?.title ?? id, id);
  return (
    <TableWrap label={t.audience.overlap}>
      <table className={`${ui.table} ${css.reach}`}>
        <thead>
          <tr>
            {columns.map((id) => <th scope="col" key={id} className={css.dots}>{nameOf(id)}<br />{f.number(data.sizes[id] ?? 0)}</th>)}
            <th scope="col">{t.audience.persons}</th>
          </tr>
        </thead>
        <tbody>
          {data.meetings.map((one) => (
            <tr key={one.segments.join()}>
              {columns.map((id) => {
                const inside = one.segments.includes(id);
                return <td key={id} className={css.dots}><span className={css.dot} data-in={inside} role="img" aria-label={inside ? t.audience.in : t.audience.out} /></td>;
              })}
              <td><span className={css.meeting}><b>{f.number(one.persons)}</b><span className={css.track}><span style={{ width: `${(100 * one.persons) / most}%` }} /></span></span></td>
            </tr>
          ))}
        </tbody>
      </table>
    </TableWrap>
  );
}

export function OverlapOf({ id }: { id: string }) {
  const { t, say } = useWords();
  const { data } = useQuery(segmentsQuery);
  const [others, setOthers] = useState<string[]>([]);
  const known = (data?.items ?? []).filter((one) => one.id !== id);
  if (known.length === 0) return null;
  return (
    <Card title={t.audience.overlap}>
      <div className={`${ui.dim} ${ui.small}`}>{t.audience.overlapText}</div>
      <Checkbox.Group label={t.audience.overlapWith} value={others} onChange={(chosen) => setOthers(chosen.slice(-OTHERS_MAX))} my="sm">
        <div className={ui.pills} style={{ gap: '0.5rem 1rem', marginTop: 6 }}>
          {known.map((one) => <Checkbox key={one.id} size="sm" value={one.id} label={say(one.title, one.id)} />)}
        </div>
      </Checkbox.Group>
      {others.length > 0 && <Meetings ids={[id, ...others]} />}
    </Card>
  );
}

function Using({ user }: { user: User }) {
  const { t } = useWords();
  const { segment, journey } = useNamed();
  const destination = useDestination();
  const name = <>{word(t.audience.kinds, user.kind)}: {user.kind === 'segment' ? segment(user.id) : user.kind === 'journey' ? journey(user.id) : user.kind === 'destination' ? destination(user.id) : user.id}</>;
  if (user.kind === 'segment') return <Link to="/segments/$id" params={{ id: user.id }} className={ui.pill ?? ''}>{name}</Link>;
  if (user.kind === 'journey') return <Link to="/journeys/$id" params={{ id: user.id }} className={ui.pill ?? ''}>{name}</Link>;
  if (user.kind === 'destination') return <Link to="/destinations" className={ui.pill ?? ''}>{name}</Link>;
  return <Pill>{name}</Pill>;
}

/** How far a change is worked out. */
export function Built({ building }: { building: SegmentData['building'] }) {
  const { t, f } = useWords();
  if (building == null) return null;
  const switched = building.step === 'tell';
  const looked = building.of === 0 ? t.audience.lookedSome(f.number(building.looked)) : t.audience.looked(f.number(building.looked), f.number(building.of));
  return (
    <Notice tone="warm" icon="clock">
      <b>{t.audience.building}</b>
      <div>{switched ? t.audience.switched : looked}</div>
      {!switched && building.of > 0 && <span className={css.track} style={{ display: 'block', marginTop: 6 }}><span style={{ width: `${Math.min(100, (100 * building.looked) / building.of)}%` }} /></span>}
    </Notice>
  );
}

/** What uses it, and how it is kept up to date. */
export function HealthOf({ id }: { id: string }) {
  const { t, f } = useWords();
  const { data, error, refetch } = useQuery(healthQuery(id));
  if (error !== null) return <Failure error={error} retry={() => void refetch()} />;
  if (data === undefined) return <Rows count={2} height={40} />;
  const users = data.used_in.filter((one, place) => data.used_in.findIndex((other) => other.kind === one.kind && other.id === one.id) === place);
  return (
    <>
      <Card title={t.audience.usedIn}>
        {users.length === 0 ? <div className={ui.dim}>{t.audience.unused}</div> : <span className={ui.pills}>{users.map((one) => <Using key={`${one.kind}:${one.id}`} user={one} />)}</span>}
      </Card>
      <Card title={t.audience.health}>
        <ul className={ui.list} style={{ display: 'grid', gap: '0.4rem', fontSize: '0.92rem' }}>
          <li>{data.timed ? t.audience.timed : t.audience.untimed}</li>
          <li>{data.alone.length === 0 ? t.audience.together : <span title={data.alone.join('; ')}>{t.audience.alone}</span>}</li>
          <li className={ui.dim}>{t.audience.version(f.number(data.version))}</li>
        </ul>
      </Card>
    </>
  );
}
