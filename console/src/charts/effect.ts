import type { Ink, Option } from './Chart';

export interface EffectPicture {
  estimate: number;
  low: number;
  high: number;
  money: (value: number) => string;
  words: { estimate: string; interval: string; zero: string };
}

/** One point with its interval on a line, and where "no effect" lies. */
export const effectOption = ({ estimate, low, high, money, words }: EffectPicture) => (ink: Ink): Option => {
  const reach = Math.max(Math.abs(low), Math.abs(high), 0.01);
  const pad = (Math.max(high, 0) - Math.min(low, 0)) * 0.18 || reach * 0.2;
  const sure = low > 0 || high < 0;
  const colour = sure ? (estimate > 0 ? ink.first : ink.second) : ink.dim;
  return {
    grid: { left: 16, right: 16, top: 46, bottom: 30 },
    tooltip: {
      trigger: 'item', backgroundColor: ink.surface, borderColor: ink.line, textStyle: { color: ink.text },
      formatter: () => `${words.estimate}: <b>${money(estimate)}</b><br>${words.interval}: ${money(low)} – ${money(high)}`,
    },
    xAxis: {
      type: 'value', min: Math.min(low, 0) - pad, max: Math.max(high, 0) + pad, splitNumber: 4,
      axisLabel: { color: ink.dim, formatter: (value: number) => money(value), hideOverlap: true, showMinLabel: false, showMaxLabel: false },
      axisLine: { show: true, lineStyle: { color: ink.line } }, splitLine: { lineStyle: { color: ink.line, type: 'dashed' } },
    },
    yAxis: { type: 'category', data: [''], axisLine: { show: false }, axisTick: { show: false }, axisLabel: { show: false } },
    series: [
      {
        type: 'custom', data: [[low, high]], encode: { x: [0, 1] }, z: 2,
        renderItem: (_params, api) => {
          const from = api.coord([api.value(0), 0]);
          const to = api.coord([api.value(1), 0]);
          const [x1, y] = [from[0] ?? 0, from[1] ?? 0];
          const x2 = to[0] ?? 0;
          return {
            type: 'group',
            children: [
              { type: 'rect', shape: { x: x1, y: y - 9, width: x2 - x1, height: 18, r: 9 }, style: { fill: colour, opacity: 0.28 } },
              { type: 'line', shape: { x1, y1: y - 13, x2: x1, y2: y + 13 }, style: { stroke: colour, lineWidth: 2 } },
              { type: 'line', shape: { x1: x2, y1: y - 13, x2, y2: y + 13 }, style: { stroke: colour, lineWidth: 2 } },
            ],
          };
        },
        markLine: {
          symbol: 'none', silent: true, data: [{ xAxis: 0 }],
          lineStyle: { color: ink.text, type: 'solid', width: 1.5 }, label: { formatter: words.zero, color: ink.dim, position: 'end', fontSize: 12 },
        },
      },
      {
        type: 'scatter', data: [[estimate, '']], symbolSize: 17, itemStyle: { color: colour, borderColor: ink.surface, borderWidth: 2 }, z: 5,
        label: { show: true, position: 'top', distance: 9, color: ink.text, fontWeight: 600, fontSize: 15, formatter: () => money(estimate) },
      },
    ],
  };
};

export interface GroupsPicture {
  groups: { name: string; value: number }[];
  money: (value: number) => string;
}

/** Revenue per customer of both groups as two bars from zero. */
export const groupsOption = ({ groups, money }: GroupsPicture) => (ink: Ink): Option => ({
  grid: { left: 4, right: 74, top: 8, bottom: 4, containLabel: true },
  tooltip: { trigger: 'item', backgroundColor: ink.surface, borderColor: ink.line, textStyle: { color: ink.text }, valueFormatter: (value) => money(Number(value)) },
  xAxis: { type: 'value', min: 0, axisLabel: { show: false }, splitLine: { show: false } },
  yAxis: {
    type: 'category', inverse: true, data: groups.map((group) => group.name), axisTick: { show: false },
    axisLine: { lineStyle: { color: ink.line } }, axisLabel: { color: ink.text, fontSize: 13 },
  },
  series: [
    {
      type: 'bar', barWidth: 26,
      data: groups.map((group, place) => ({ value: group.value, itemStyle: { color: place === 0 ? ink.first : ink.second, borderRadius: [0, 6, 6, 0] } })),
      label: { show: true, position: 'right', color: ink.text, fontWeight: 600, formatter: ({ value }) => money(Number(value)) },
    },
  ],
});
