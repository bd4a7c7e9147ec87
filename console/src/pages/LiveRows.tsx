import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { Letter, Refusal } from '../api/data';
import type { Entry } from '../api/types';
import { useWords, word } from '../i18n';
import { Icon, type IconName, touchpointIcon } from '../ui/icons';
import { personName } from '../ui/names';
import { Code, Pill } from '../ui/parts';
import ui from '../ui/ui.module.css';
import { escaped, PropertyLine } from '../ui/values';
import css from './live.module.css';

/** One line of the live page: accepted into the log, refused at the door, or put aside behind it. */
export type LiveItem =
  | { kind: 'accepted'; id: string; at: number; entry: Entry }
  | { kind: 'refused'; id: string; at: number; refusal: Refusal }
  | { kind: 'aside'; id: string; at: number; letter: Letter };

function Line({ own, fresh, outcome, icon, when, children }: {
  own?: boolean; fresh?: boolean; outcome: LiveItem['kind']; icon: { name: IconName; title: string }; when: string | null; children: ReactNode;
}) {
  const { f } = useWords();
  return (
    <li className={css.row} data-own={own} data-fresh={fresh} data-outcome={outcome}>
      <span className={css.icon} title={icon.title}><Icon name={icon.name} /></span>
      <div style={{ minWidth: 0 }}>{children}</div>
      {when !== null && <time className={css.when} dateTime={when} title={f.exact(when)}>{f.seconds(when)}</time>}
    </li>
  );
}

function Accepted({ entry, fresh }: { entry: Entry; fresh: boolean }) {
  const { t, f } = useWords();
  const own = entry.source === 'einklang';
  const place = own ? 'einklang' : entry.touchpoint === '' ? 'none' : entry.touchpoint;
  const long = Object.keys(entry.properties).length > 0;
  return (
    <Line own={own} fresh={fresh} outcome="accepted" icon={{ name: touchpointIcon(entry.touchpoint, entry.source), title: word(t.words.touchpoint, place) }} when={entry.at}>
      <div className={css.first}>
        <span className={css.name}>{entry.name === '' ? entry.type : entry.name}</span>
        {entry.person_id !== null && (
          <Link to="/persons/$id" params={{ id: entry.person_id }} className={ui.textLink ?? ''}>{personName(entry.person_label ?? entry.person_id, t)}</Link>
        )}
        <span className={`${ui.dim} ${ui.small}`}>{word(t.words.touchpoint, place)}{!own && entry.source !== '' && ` · ${t.live.from(entry.source)}`}</span>
      </div>
      <PropertyLine properties={entry.properties} />
      {long && (
        <details className={ui.fold}>
          <summary>{t.live.whole}</summary>
          <dl className={ui.pairs} style={{ marginBottom: 8 }}>
            <dt>{t.live.type}</dt><dd>{entry.type}</dd>
            <dt>{t.live.happened}</dt><dd>{f.exact(entry.at)}</dd>
            <dt>{t.live.processed}</dt><dd>{f.exact(entry.clock)}</dd>
            <dt>{t.live.place}</dt><dd className={ui.mono}>{entry.seq}</dd>
          </dl>
          <Code text={JSON.stringify(entry.properties, null, 2)} label={t.live.whole} wrap />
        </details>
      )}
    </Line>
  );
}

function Refused({ refusal }: { refusal: Refusal }) {
  const { t, f } = useWords();
  const who = refusal.identifiers.join(' · ');
  return (
    <Line outcome="refused" icon={{ name: 'cross', title: t.live.outcomes.refused }} when={refusal.at}>
      <div className={css.first}>
        <span className={css.name}>{refusal.name ?? t.live.request}</span>
        <Pill tone="red">{t.live.outcomes.refused}</Pill>
        {refusal.times > 1 && <Pill>{t.live.times(f.number(refusal.times))}</Pill>}
        <span className={`${ui.dim} ${ui.small}`}>{refusal.source === null ? t.live.noSource : t.live.from(refusal.source)}{who !== '' && ` · ${who}`}</span>
      </div>
      <div style={{ overflowWrap: 'anywhere' }}>{refusal.where !== '' && <span className={ui.mono}>{refusal.where} </span>}{refusal.message}</div>
      {refusal.mend !== '' && <div className={ui.small}><b>{t.error.mend}:</b> {refusal.mend}</div>}
      <details className={ui.fold}>
        <summary>{t.live.sent}</summary>
        <dl className={ui.pairs} style={{ marginBottom: 8 }}>
          <dt>{t.error.code}</dt><dd className={ui.mono}>{refusal.code}</dd>
          <dt>{t.live.status}</dt><dd className={ui.mono}>{refusal.status}</dd>
          {refusal.message_id !== null && <><dt>messageId</dt><dd className={ui.mono}>{refusal.message_id}</dd></>}
        </dl>
        {refusal.body === '' ? <div className={ui.dim}>{t.live.nothingRead}</div> : <Code text={escaped(refusal.body)} label={t.live.sent} wrap />}
      </details>
    </Line>
  );
}

function Aside({ letter }: { letter: Letter }) {
  const { t } = useWords();
  return (
    <Line outcome="aside" icon={{ name: 'aside', title: t.live.outcomes.aside }} when={letter.at}>
      <div className={css.first}>
        <span className={css.name}>{letter.name ?? t.letters.unnamed}</span>
        <Pill tone="warm">{t.live.outcomes.aside}</Pill>
        <span className={`${ui.dim} ${ui.small}`}>{t.live.from(letter.source)}</span>
      </div>
      <div style={{ overflowWrap: 'anywhere' }}>{escaped(letter.detail)}</div>
      <Link to="/dead-letters" search={{ code: letter.code }} className={`${ui.textLink} ${ui.small}`}>{t.live.toLetters}</Link>
    </Line>
  );
}

export function LiveRow({ item, fresh }: { item: LiveItem; fresh: boolean }) {
  switch (item.kind) {
    case 'accepted': return <Accepted entry={item.entry} fresh={fresh} />;
    case 'refused': return <Refused refusal={item.refusal} />;
    case 'aside': return <Aside letter={item.letter} />;
  }
}
