import type { Report, Verdict } from '../api/types';
import type { Words } from '../i18n';
import type { IconName } from '../ui/icons';
import type { Tone } from '../ui/parts';

type Said = Pick<Words, 't' | 'f'>;

export const VERDICT_TONE: Record<Verdict, Tone> = { no_statement_yet: 'gray', up: 'teal', down: 'red', smaller_than: 'warm' };
export const VERDICT_ICON: Record<Verdict, IconName> = { no_statement_yet: 'clock', up: 'up_arrow', down: 'down_arrow', smaller_than: 'minus' };

/** How the figures of a report are written: money, or percentage points where only reaching the goal counts. */
export interface Figures {
  goal: boolean;
  effect: (value: number | null, sign?: boolean) => string;
  total: (value: number | null, sign?: boolean) => string;
}

export function figures(report: Report, { f }: Said): Figures {
  const goal = report.metric === 'reached';
  const points = (value: number, sign: boolean): string => (sign && value > 0 ? '+' : '') + f.decimal(value * 100, 2);
  const count = (value: number, sign: boolean): string => (sign && value > 0 ? '+' : '') + f.number(Math.round(value));
  return {
    goal,
    effect: (value, sign = false) => (value === null ? '–' : goal ? points(value, sign) : f.money(value, report.currency, sign)),
    total: (value, sign = false) => (value === null ? '–' : goal ? count(value, sign) : f.money(value, report.currency, sign)),
  };
}

/** "95% confidence interval 0.40 to 2.10", or nothing where there is none yet. */
export function interval(report: Report, said: Said): string | null {
  const [low, high] = report.effect.ci ?? [null, null];
  if (low === null || high === null) return null;
  const { effect } = figures(report, said);
  return said.t.report.ci(effect(low), effect(high));
}

/** The verdict of the server in one sentence of plain words. What it is, the server says; here it is only spoken. */
export function sentence(report: Report, said: Said): string {
  const { f } = said;
  const words = said.t.report;
  const { goal, effect } = figures(report, said);
  const ci = interval(report, said) ?? '';
  const size = effect(Math.abs(report.effect.estimate ?? 0));
  const bound = effect(Math.abs(report.verdict_bound ?? 0));
  switch (report.verdict) {
    case 'up':
      return goal ? words.upGoal(size, ci) : words.up(size, ci);
    case 'down':
      return goal ? words.downGoal(size, ci) : words.down(size, ci);
    case 'smaller_than':
      return goal ? words.smallerThanGoal(bound, ci) : words.smallerThan(bound, ci);
    case 'no_statement_yet':
      if (report.arms.treated.n + report.arms.control.n === 0) return words.noStatementNobody;
      return report.gate.buyers_smallest < report.gate.buyers_needed
        ? words.noStatementBuyers(f.number(report.gate.buyers_smallest), f.number(report.gate.buyers_needed))
        : words.noStatementWide;
  }
}
