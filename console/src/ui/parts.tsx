import { ActionIcon, Button, CopyButton, Skeleton, Title, Tooltip } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { type ReactNode, useEffect, useState } from 'react';
import { ApiError, Unreachable } from '../api/client';
import { useWords } from '../i18n';
import { Icon, type IconName } from './icons';
import css from './ui.module.css';

export type Tone = 'gray' | 'teal' | 'warm' | 'red';

export function Card({ title, aside, flush = false, children, label }: {
  title?: ReactNode; aside?: ReactNode; flush?: boolean; children: ReactNode; label?: string;
}) {
  return (
    <section className={flush ? `${css.card} ${css.flush}` : css.card} aria-label={label}>
      {title !== undefined && (
        <div className={css.cardHead}>
          <Title order={2}>{title}</Title>
          {aside}
        </div>
      )}
      {children}
    </section>
  );
}

export function PageHead({ title, badge, lead, back, actions }: {
  title: string; badge?: ReactNode; lead?: ReactNode; back?: ReactNode; actions?: ReactNode;
}) {
  useEffect(() => {
    document.title = `${title} · Einklang`;
  }, [title]);
  return (
    <header className={css.head}>
      <div className={css.headText}>
        {back}
        <div className={css.headTitle}>
          <Title order={1} id="page-title">{title}</Title>
          {badge}
        </div>
        {lead !== undefined && <div className={css.dim}>{lead}</div>}
      </div>
      {actions}
    </header>
  );
}

export function Back({ to, children }: { to: '/segments' | '/journeys' | '/reports' | '/persons' | '/catalog' | '/products'; children: ReactNode }) {
  return (
    <Link to={to} className={css.back ?? ''}>
      <Icon name="left" size={14} /> {children}
    </Link>
  );
}

export function Pill({ tone = 'gray', icon, children, title }: { tone?: Tone; icon?: IconName; children: ReactNode; title?: string }) {
  return (
    <span className={css.pill} data-tone={tone} title={title}>
      {icon !== undefined && <Icon name={icon} size={13} stroke={2.2} />}
      {children}
    </span>
  );
}

export function Tiles({ label, items }: { label: string; items: { label: string; value: ReactNode; tone?: Tone }[] }) {
  return (
    <dl className={css.tiles} aria-label={label}>
      {items.map((item) => (
        <div className={css.tile} key={item.label} data-tone={item.tone}>
          <dt>{item.label}</dt>
          <dd>{item.value}</dd>
        </div>
      ))}
    </dl>
  );
}

export function Empty({ icon, title, text, children }: { icon: IconName; title: string; text: string; children?: ReactNode }) {
  return (
    <div className={css.empty}>
      <span className={css.emptyMark}><Icon name={icon} size={26} /></span>
      <Title order={2}>{title}</Title>
      <p className={css.emptyText} style={{ margin: 0 }}>{text}</p>
      {children !== undefined && <div className={css.emptyBody}>{children}</div>}
    </div>
  );
}

/** What went wrong, where, and above all what helps. */
export function Failure({ error, retry }: { error: unknown; retry?: () => void }) {
  const { t } = useWords();
  const problem = error instanceof ApiError ? error.problem : null;
  const unreachable = error instanceof Unreachable;
  const text = unreachable ? t.error.unreachable : (problem?.detail ?? problem?.title ?? t.error.screen);
  const mend = unreachable ? t.error.unreachableMend : (problem?.mend ?? t.error.internalMend);
  return (
    <section className={`${css.card} ${css.error}`} role="alert">
      <div className={css.errorRow}>
        <span className={css.errorIcon}><Icon name="alert" size={22} /></span>
        <div style={{ minWidth: 0, flex: 1 }}>
          <Title order={2}>{t.error.title}</Title>
          <div>{text}</div>
          <div className={css.mend}><b>{t.error.mend}:</b> {mend}</div>
          {problem !== null && (problem.code !== undefined || problem.where !== undefined) && (
            <div className={`${css.dim} ${css.small}`} style={{ marginTop: 8 }}>
              {problem.where !== undefined && problem.where !== '' && <>{t.error.where}: <span className={css.mono}>{problem.where}</span> </>}
              {problem.code !== undefined && <>{t.error.code}: <span className={css.mono}>{problem.code}</span></>}
            </div>
          )}
          {retry !== undefined && <Button mt="sm" size="xs" variant="default" onClick={retry}>{t.error.retry}</Button>}
        </div>
      </div>
    </section>
  );
}

export function Rows({ count = 6, height = 46 }: { count?: number; height?: number }) {
  const { t } = useWords();
  return (
    <div role="status" aria-label={t.app.loading} style={{ display: 'grid', gap: 10, padding: '1rem 1.25rem' }}>
      {Array.from({ length: count }, (_, row) => <Skeleton key={row} height={height} radius="md" />)}
    </div>
  );
}

export function Copy({ text, className }: { text: string; className?: string | undefined }) {
  const { t } = useWords();
  return (
    <CopyButton value={text} timeout={1500}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? t.app.copied : t.app.copy} withArrow>
          <ActionIcon
            variant="transparent" color="gray" size={26} onClick={copy} className={className ?? ''}
            style={className === undefined ? { color: 'var(--ek-dim)' } : {}} aria-label={copied ? t.app.copied : t.app.copy}
          >
            <Icon name={copied ? 'check' : 'copy'} size={15} />
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
  );
}

export function Code({ text, label, wrap = false }: { text: string; label: string; wrap?: boolean }) {
  return (
    <div className={css.code} data-wrap={wrap}>
      {/* A block that scrolls sideways must be reachable by keyboard. */}
      <pre tabIndex={0} role="group" aria-label={label}>{text}</pre>
      <Copy text={text} className={css.codeCopy} />
    </div>
  );
}

export function TableWrap({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className={css.tableWrap} role="region" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}

export function More({ shown, busy, onClick, children }: { shown: boolean; busy: boolean; onClick: () => void; children: ReactNode }) {
  if (!shown) return null;
  return (
    <div className={css.foot}>
      <Button variant="default" size="sm" loading={busy} onClick={onClick}>{children}</Button>
    </div>
  );
}

/** The first few of a list, the rest on demand. */
export function Few({ items, most, className }: { items: ReactNode[]; most: number; className: string | undefined }) {
  const { t, f } = useWords();
  const [all, setAll] = useState(false);
  const rest = items.length - most;
  return (
    <>
      <ul className={className}>{all || rest < 2 ? items : items.slice(0, most)}</ul>
      {!all && rest >= 2 && <Button mt="sm" size="compact-sm" variant="default" onClick={() => setAll(true)}>{t.app.showAll(f.number(rest))}</Button>}
    </>
  );
}

export function Avatar({ label, known, size = 36 }: { label: string; known: boolean; size?: number }) {
  const letters = label.split(/[\s@._-]+/).filter((part) => /\p{L}/u.test(part)).slice(0, 2).map((part) => part[0]?.toUpperCase() ?? '');
  return (
    <span className={css.avatar} data-known={known} style={{ width: size, height: size, fontSize: size * 0.36 }} aria-hidden="true">
      {known && letters.length > 0 ? letters.join('') : <Icon name="user" size={size * 0.5} />}
    </span>
  );
}
