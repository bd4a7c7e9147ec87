import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { journeyQuery } from '../api/queries';
import type { Journey as JourneyData, JourneyStep } from '../api/types';
import { useWords, word } from '../i18n';
import { Icon, type IconName, stepIcon } from '../ui/icons';
import { Back, Card, Code, Failure, PageHead, Pill, Rows, Tiles } from '../ui/parts';
import ui from '../ui/ui.module.css';
import css from './journey.module.css';
import { STATE_TONE } from './Journeys';

const QUESTIONS = new Set(['until', 'branch', 'limit', 'when']);

function Numbers({ step }: { step: JourneyStep }) {
  const { t, f } = useWords();
  return (
    <dl className={css.numbers}>
      <div><dt>{t.journeys.stepEntered}</dt><dd>{f.number(step.entered)}</dd></div>
      <div data-here={step.here > 0}><dt>{t.journeys.stepHere}</dt><dd>{f.number(step.here)}</dd></div>
      <div><dt>{t.journeys.stepLeft}</dt><dd>{f.number(step.left)}</dd></div>
    </dl>
  );
}

function Box({ kind, icon, label, title, detail, ways, numbers }: {
  kind: string; icon: IconName; label: string; title: string; detail?: string | undefined; ways?: ReactNode; numbers?: ReactNode;
}) {
  return (
    <li className={css.step} data-kind={kind}>
      <span className={css.icon}><Icon name={icon} size={19} /></span>
      <div className={css.body}>
        <div className={css.text}>
          <div className={css.kind}>{label}</div>
          <div className={css.title}>{title}</div>
          {detail !== undefined && detail !== '' && detail !== title && <div className={css.detail}>{detail}</div>}
          {ways}
        </div>
        {numbers}
      </div>
    </li>
  );
}

function Ways({ step, next }: { step: JourneyStep; next: string | null }) {
  const { t } = useWords();
  const name = (id: string) => (id === 'end' ? t.journeys.end : id);
  const question = QUESTIONS.has(step.kind);
  const jumps = step.then !== null && step.then !== next;
  if (!jumps && (step.else === null || (!question && step.else === next))) return null;
  return (
    <div className={css.ways}>
      {step.then !== null && (jumps || question) && <Pill tone="teal" icon="right">{question ? t.journeys.yesTo(name(step.then)) : t.journeys.thenTo(name(step.then))}</Pill>}
      {step.else !== null && <Pill icon="right">{t.journeys.noTo(name(step.else))}</Pill>}
    </div>
  );
}

function Steps({ journey }: { journey: JourneyData }) {
  const { t, say } = useWords();
  const { entry } = journey;
  const way = entry.kind === 'segment' ? t.journeys.entrySegment(entry.name ?? '')
    : entry.kind === 'schedule' ? t.journeys.entrySchedule(entry.name ?? '') : entry.kind === 'manual' ? t.journeys.entryManual : t.journeys.entryEvent(entry.name ?? '');
  if (journey.steps.length === 0) return <div className={ui.dim}>{t.journeys.noSteps}</div>;
  return (
    <ol className={css.steps}>
      <Box
        kind="entry" icon="play" label={t.journeys.entry} title={way} detail={entry.where ?? undefined}
        ways={entry.key !== null && <div className={css.ways}><Pill>{t.journeys.entryKey(entry.key)}</Pill></div>}
      />
      {journey.steps.map((step, place) => {
        const kind = word(t.words.step, step.kind);
        const title = say(step.title, step.id);
        // A step without a note of its author bears the name of its kind: then its id says more.
        const plain = title === kind || title === step.id;
        return (
          <Box
            key={step.id} kind={step.kind} icon={stepIcon(step.kind)} label={plain ? kind : `${kind} · ${step.id}`} title={plain ? step.id : title}
            detail={say(step.detail, '')} ways={<Ways step={step} next={journey.steps[place + 1]?.id ?? 'end'} />} numbers={<Numbers step={step} />}
          />
        );
      })}
      <Box kind="end" icon="flag" label={t.words.step['end'] ?? ''} title={`${t.journeys.counts.done}`} />
    </ol>
  );
}

function Rules({ journey }: { journey: JourneyData }) {
  const { t, f } = useWords();
  const { goal, exit, control } = journey;
  return (
    <dl className={css.rules}>
      <div>
        <dt>{t.journeys.goal}</dt>
        {!journey.has_goal && <dd>{t.journeys.noGoal}</dd>}
        {goal !== null && (
          <dd>
            {t.journeys.goalEvent(goal.event)}{goal.within !== null && ` ${t.journeys.goalWithin(goal.within)}`}
            {goal.where !== null && <code>{goal.where}</code>}
          </dd>
        )}
      </div>
      <div>
        <dt>{t.journeys.exit}</dt>
        <dd>{exit.length === 0 ? t.journeys.noExit : t.journeys.exitText}</dd>
        {exit.map((one) => <dd key={one.name}><b>{one.name}</b><code>{one.when}</code></dd>)}
      </div>
      <div>
        <dt>{t.journeys.control}</dt>
        <dd>{control > 0 ? t.journeys.controlText(f.percent(control)) : t.journeys.noControl}</dd>
      </div>
    </dl>
  );
}

export function Journey() {
  const { t, f, say } = useWords();
  const { id } = useParams({ from: '/inside/journeys/$id' });
  const { data: journey, error, refetch, isPending } = useQuery(journeyQuery(id));
  if (isPending) return <Rows count={8} />;
  if (error !== null || journey === undefined) return <Failure error={error} retry={() => void refetch()} />;
  const counts = ['entered', 'in_progress', 'contacted', 'goal', 'control', 'done', 'exited'] as const;
  return (
    <>
      <PageHead
        title={say(journey.title, journey.id)} back={<Back to="/journeys">{t.journeys.back}</Back>}
        badge={<><Pill tone={STATE_TONE[journey.state] ?? 'gray'}>{word(t.words.state, journey.state)}</Pill><Pill>{t.journeys.version(f.number(journey.version))}</Pill></>}
        lead={<span className={`${ui.mono} ${ui.small}`}>{journey.id}</span>}
        actions={journey.has_goal && (
          <Button leftSection={<Icon name="reports" size={17} />} renderRoot={(props) => <Link to="/journeys/$id/report" params={{ id }} {...props} />}>
            {t.journeys.toReport}
          </Button>
        )}
      />
      <Tiles label={t.journeys.countsLabel} items={counts.map((name) => ({ label: t.journeys.counts[name], value: f.number(journey.counts[name]) }))} />
      <div className={ui.columns}>
        <Card title={t.journeys.steps}><Steps journey={journey} /></Card>
        <div className={ui.side}>
          <Card label={t.journeys.goal}><Rules journey={journey} /></Card>
          <Card title={t.journeys.definition}><Code text={journey.definition} label={t.journeys.definition} wrap /></Card>
        </div>
      </div>
    </>
  );
}
