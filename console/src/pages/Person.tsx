import { Tabs } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { lazyRouteComponent, Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { Suspense } from 'react';
import { draftsOfQuery } from '../api/data_queries';
import { personQuery } from '../api/queries';
import type { Consent, Person as PersonData, PersonRun } from '../api/types';
import type { PersonTab } from '../app/router';
import { useWords, word } from '../i18n';
import { Icon } from '../ui/icons';
import { useNow } from '../ui/now';
import { useFieldName, useNamed } from '../ui/named';
import { inOrder, personName } from '../ui/names';
import { Avatar, Back, Card, Copy, Empty, Failure, Few, PageHead, Pill, Rows, TableWrap, type Tone } from '../ui/parts';
import ui from '../ui/ui.module.css';
import { plainValue } from '../ui/values';
import { Belongs } from './belongs';
import { Identity } from './Identity';
import { Objects } from './Objects';
import css from './person.module.css';
import { Stages } from './stages';
import { Timeline } from './Timeline';
import { Why } from './Why';

const DraftsOf = lazyRouteComponent(() => import('./data_pages'), 'DraftsOf');

const CONSENT_TONE: Record<string, Tone> = { given: 'teal', confirmed: 'teal', withdrawn: 'red', objected: 'red', requested: 'warm' };

function ConsentRow({ consent }: { consent: Consent }) {
  const { t, f } = useWords();
  return (
    <li className={`${css.fact} ${css.consent}`}>
      <div style={{ minWidth: 0 }}>
        <b style={{ fontWeight: 600 }}>{word(t.words.purpose, consent.purpose)}</b> {t.timeline.via(word(t.words.channel, consent.channel))}
        <small style={{ overflowWrap: 'anywhere' }}>{consent.address}{consent.address !== '' && ' · '}{f.moment(consent.at)}{consent.expires_at && ` · ${t.person.consentUntil} ${f.moment(consent.expires_at)}`}</small>
      </div>
      <div><Pill tone={CONSENT_TONE[consent.status] ?? 'gray'}>{word(t.words.consent, consent.status)}</Pill></div>
      <details className={css.more}>
        <summary>{t.person.consentDetail}</summary>
        <dl>
          <dt>{t.person.consentSource}</dt><dd>{consent.source === '' ? '–' : consent.source}</dd>
          <dt>{t.person.consentWording}</dt><dd>{consent.wording === '' ? '–' : consent.wording}</dd>
          {consent.evidence !== '' && <><dt>{t.person.consentEvidence}</dt><dd>{consent.evidence}</dd></>}
        </dl>
      </details>
    </li>
  );
}

function RunRow({ run }: { run: PersonRun }) {
  const { t, f } = useWords();
  const { journey } = useNamed();
  const going = run.ended_at === null;
  return (
    <li className={css.fact}>
      <div className={css.line}>
        <Link to="/journeys/$id" params={{ id: run.journey }} className={ui.link ?? ''}>{journey(run.journey)}</Link>
        <Pill tone={going ? 'teal' : 'gray'}>{word(t.words.run, run.status)}</Pill>
        {run.goal && <Pill tone="warm" icon="flag">{t.person.goalReached}</Pill>}
      </div>
      <small>
        {going && run.step !== null && run.step !== '' && `${t.person.runStep(run.step)} · `}
        {run.ended_at === null ? t.person.runEntered(f.moment(run.entered_at)) : t.person.runEnded(f.moment(run.ended_at))}
        {run.arm !== '' && ` · ${word(t.words.arm, run.arm)}`}
        {run.key !== null && ` · ${run.key}`}
      </small>
    </li>
  );
}

function Side({ person }: { person: PersonData }) {
  const { t, f } = useWords();
  const { segment } = useNamed();
  return (
    <div className={ui.side}>
      <Card title={t.person.identifiers}>
        <Few
          className={css.facts} most={5}
          items={inOrder(person.identifiers).map((one) => (
            <li className={css.fact} key={`${one.kind}:${one.value}`}>
              <small>{word(t.words.identifier, one.kind)}</small>
              <span className={ui.mono}>{one.value}</span>
            </li>
          ))}
        />
      </Card>
      <Belongs id={person.person_id} />
      <Stages id={person.person_id} />
      <Card title={t.person.consents}>
        {person.consents.length === 0
          ? <div className={ui.dim}>{t.person.noConsents}</div>
          : <ul className={css.facts}>{person.consents.map((one, place) => <ConsentRow key={place} consent={one} />)}</ul>}
      </Card>
      <Card title={t.person.journeys}>
        {person.journeys.length === 0
          ? <div className={ui.dim}>{t.person.noJourneys}</div>
          : <Few className={css.facts} most={4} items={person.journeys.map((run) => <RunRow key={run.run} run={run} />)} />}
      </Card>
      <Card title={t.person.segments}>
        {person.segments.length === 0
          ? <div className={ui.dim}>{t.person.noSegments}</div>
          : (
            <ul className={css.facts}>
              {person.segments.map((one) => (
                <li className={css.fact} key={one.id}>
                  <Link to="/segments/$id" params={{ id: one.id }} className={ui.link ?? ''}>{segment(one.id)}</Link>
                  <small title={f.exact(one.since)}>{t.person.since(f.date(one.since))}</small>
                </li>
              ))}
            </ul>
          )}
      </Card>
    </div>
  );
}

function Traits({ person }: { person: PersonData }) {
  const { t, f } = useWords();
  const field = useFieldName();
  const entries = Object.entries(person.traits).sort(([a], [b]) => a.localeCompare(b));
  if (entries.length === 0) return <Empty icon="user" title={t.person.traits} text={t.person.noTraits} />;
  return (
    <TableWrap label={t.person.traits}>
      <table className={ui.table}>
        <thead>
          <tr>
            <th scope="col">{t.person.traitName}</th><th scope="col">{t.person.traitValue}</th>
            <th scope="col" className={ui.hidePhone}>{t.person.traitAt}</th>
          </tr>
        </thead>
        <tbody>
          {entries.map(([name, { value, at, computed }]) => (
            <tr key={name}>
              <th scope="row" title={name}>{field(name)}</th>
              <td style={{ overflowWrap: 'anywhere' }}>{typeof value === 'number' ? f.number(value) : value === null ? t.app.missing : typeof value === 'boolean' ? (value ? t.builder.yes : t.builder.no) : plainValue(value)}</td>
              <td className={`${ui.small} ${ui.hidePhone}`}>{computed ? t.person.computed : at === null ? '' : f.moment(at)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </TableWrap>
  );
}

export function Person() {
  const { t, f } = useWords();
  const now = useNow();
  const { id } = useParams({ from: '/inside/persons/$id' });
  const { tab = 'timeline', show = 'all', journey = '' } = useSearch({ from: '/inside/persons/$id' });
  const navigate = useNavigate();
  const { data: person, error, refetch, isPending } = useQuery(personQuery(id));
  const { data: drafts } = useQuery({ ...draftsOfQuery(person?.person_id ?? ''), enabled: person !== undefined });
  const put = (search: { tab?: PersonTab; show?: typeof show; journey?: string }, replace = true) =>
    void navigate({ to: '/persons/$id', params: { id }, search: { tab, show, journey, ...search }, replace });
  const waiting = drafts?.items.length ?? 0;
  if (isPending) return <Rows count={8} />;
  if (error !== null || person === undefined) return <Failure error={error} retry={() => void refetch()} />;
  return (
    <>
      <PageHead
        title={personName(person.label, t)}
        back={<Back to="/persons">{t.persons.title}</Back>}
        badge={
          <>
            <Pill tone={person.known ? 'teal' : 'gray'}>{person.known ? t.persons.known : t.persons.anonymous}</Pill>
            {person.aliases.length > 0 && <Pill>{t.person.aliases(person.aliases.length, f.number(person.aliases.length))}</Pill>}
          </>
        }
        lead={
          <span className={ui.small}>
            <span className={ui.mono}>{person.person_id}</span> <Copy text={person.person_id} />
            {person.created_at !== null && <span title={f.exact(person.created_at)}> {t.person.firstSeen(f.ago(person.created_at, now))}</span>}
            {person.created_at !== null && person.last_seen_at !== null && ' ·'}
            {person.last_seen_at !== null && <span title={f.exact(person.last_seen_at)}> {t.person.lastSeen(f.ago(person.last_seen_at, now))}</span>}
          </span>
        }
        actions={<span className={ui.hidePhone}><Avatar label={person.label} known={person.known} size={54} /></span>}
      />
      <div className={ui.columns}>
        <Card flush label={t.person.views}>
          <Tabs value={tab} onChange={(next) => put({ tab: (next ?? 'timeline') as PersonTab }, false)} keepMounted={false} styles={{ tab: { paddingInline: 11 } }}>
            <Tabs.List px="md" pt={6} aria-label={t.person.views}>
              <Tabs.Tab value="timeline" leftSection={<Icon name="clock" size={16} />}>{t.person.tabs.timeline}</Tabs.Tab>
              <Tabs.Tab value="objects" leftSection={<Icon name="box" size={16} />}>{t.person.tabs.objects}</Tabs.Tab>
              {(tab === 'drafts' || waiting > 0) && (
                <Tabs.Tab value="drafts" leftSection={<Icon name="pen" size={16} />} rightSection={waiting > 0 && <Pill tone="warm">{f.number(waiting)}</Pill>}>
                  {t.person.tabs.drafts}
                </Tabs.Tab>
              )}
              <Tabs.Tab value="why" leftSection={<Icon name="door" size={16} />}>{t.person.tabs.why}</Tabs.Tab>
              <Tabs.Tab value="traits" leftSection={<Icon name="user" size={16} />}>{t.person.tabs.traits}</Tabs.Tab>
              <Tabs.Tab value="identity" leftSection={<Icon name="graph" size={16} />}>{t.person.tabs.identity}</Tabs.Tab>
            </Tabs.List>
            <Tabs.Panel value="timeline"><Timeline id={person.person_id} show={show} onShow={(next) => put({ show: next })} /></Tabs.Panel>
            <Tabs.Panel value="why"><Why id={person.person_id} journey={journey} onJourney={(next) => put({ journey: next })} /></Tabs.Panel>
            <Tabs.Panel value="traits"><Traits person={person} /></Tabs.Panel>
            <Tabs.Panel value="objects"><Objects id={person.person_id} /></Tabs.Panel>
            <Tabs.Panel value="drafts"><Suspense fallback={<Rows count={3} />}><DraftsOf id={person.person_id} /></Suspense></Tabs.Panel>
            <Tabs.Panel value="identity"><Identity id={person.person_id} /></Tabs.Panel>
          </Tabs>
        </Card>
        <Side person={person} />
      </div>
    </>
  );
}
