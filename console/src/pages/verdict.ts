import type { Report, Verdict } from '../api/types';
import type { Words } from '../i18n';
import type { IconName } from '../ui/icons';
import type { Tone } from '../ui/parts';

type Said = Pick<Words, 't' | 'f'>;

export const VERDICT_TONE: Record<Verdict, Tone> = { no_statement_yet: 'gray', up: 'teal', down: 'red', smaller_than: 'warm' };
export const VERDICT_ICON: Record<Verdict, IconName> = { no_statement_yet: 'clock', up: 'up_arrow', down: 'down_arrow', smaller_than: 'minus' };

/** "95 % confidence interval 0.40 to 2.10", or nothing where there is none yet. */
export function interval(report: Report, { t, f }: Said): string | null {
  const [low, high] = report.effect.ci ?? [null, null];
  if (low === null || high === null) return null;
  return t.report.ci(f.money(low, report.currency), f.money(high, report.currency));
}

/** The verdict of the server in one sentence of plain words. What it is, the server says; here it is only spoken. */
export function sentence(report: Report, said: Said): string {
  const { t, f } = said;
  const words = t.report;
  const ci = interval(report, said) ?? '';
  const { estimate } = report.effect;
  switch (report.verdict) {
    case 'up':
      return words.up(f.money(Math.abs(estimate ?? 0), report.currency), ci);
    case 'down':
      return words.down(f.money(Math.abs(estimate ?? 0), report.currency), ci);
    case 'smaller_than':
      return words.smallerThan(f.money(Math.abs(report.verdict_bound ?? 0), report.currency), ci);
    case 'no_statement_yet':
      if (report.arms.treated.n + report.arms.control.n === 0) return words.noStatementNobody;
      return report.gate.buyers_smallest < report.gate.buyers_needed
        ? words.noStatementBuyers(f.number(report.gate.buyers_smallest), f.number(report.gate.buyers_needed))
        : words.noStatementWide;
  }
}
