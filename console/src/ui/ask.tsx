import { Button, Textarea } from '@mantine/core';
import { type ReactNode, useState } from 'react';
import { useWords } from '../i18n';
import { Icon, type IconName } from './icons';
import type { Tone } from './parts';
import css from './ui.module.css';

/** What came of an action, said aloud and calmly. */
export function Notice({ tone = 'teal', icon = 'check', children }: { tone?: Tone; icon?: IconName; children: ReactNode }) {
  return (
    <div className={css.notice} data-tone={tone} role="status">
      <Icon name={icon} size={18} />
      <div style={{ minWidth: 0, flex: 1 }}>{children}</div>
    </div>
  );
}

/** A button that asks once more, in its own place: what will happen stands beside it. */
export function Confirm({ label, ask, action, busy, onYes, icon, danger = false }: {
  label: string; ask: string; action: string; busy: boolean; onYes: () => void; icon?: IconName; danger?: boolean;
}) {
  const { t } = useWords();
  const [open, setOpen] = useState(false);
  if (!open) {
    return (
      <Button size="xs" variant="default" onClick={() => setOpen(true)} leftSection={icon === undefined ? undefined : <Icon name={icon} size={14} />}>
        {label}
      </Button>
    );
  }
  return (
    <div className={css.ask} role="group" aria-label={label}>
      <span>{ask}</span>
      <span className={css.pills}>
        <Button size="xs" autoFocus loading={busy} onClick={() => { onYes(); setOpen(false); }} {...(danger && { className: css.danger ?? '' })}>{action}</Button>
        <Button size="xs" variant="default" onClick={() => setOpen(false)}>{t.app.cancel}</Button>
      </span>
    </div>
  );
}

/** The reason that the audit log keeps. */
export function Reason({ value, onChange }: { value: string; onChange: (text: string) => void }) {
  const { t } = useWords();
  return (
    <Textarea
      label={t.decide.why} description={t.decide.whyText} value={value} onChange={(event) => onChange(event.currentTarget.value)}
      maxLength={500} autosize minRows={2} required withAsterisk={false}
    />
  );
}

/** Small bars of equal width, the oldest first. */
export function Bars({ values, label }: { values: number[]; label: string }) {
  const most = Math.max(1, ...values);
  return (
    <svg className={css.bars} viewBox={`0 0 ${values.length * 4} 30`} preserveAspectRatio="none" role="img" aria-label={label}>
      {values.map((n, place) => {
        const height = n === 0 ? 1 : 2 + (n / most) * 28;
        return <rect key={place} x={place * 4} y={30 - height} width="3" height={height} fill={n === 0 ? 'var(--ek-line-strong)' : 'var(--ek-chart-1)'} />;
      })}
    </svg>
  );
}
