import { useComputedColorScheme } from '@mantine/core';
import { BarChart, CustomChart, ScatterChart, type BarSeriesOption, type CustomSeriesOption, type ScatterSeriesOption } from 'echarts/charts';
import { GridComponent, MarkLineComponent, TooltipComponent, type GridComponentOption, type MarkLineComponentOption, type TooltipComponentOption } from 'echarts/components';
import { type ComposeOption, type ECharts, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { useEffect, useRef } from 'react';

use([BarChart, CustomChart, ScatterChart, GridComponent, MarkLineComponent, TooltipComponent, SVGRenderer]);

export type Option = ComposeOption<
  BarSeriesOption | CustomSeriesOption | ScatterSeriesOption | GridComponentOption | MarkLineComponentOption | TooltipComponentOption
>;

export interface Ink {
  text: string;
  dim: string;
  line: string;
  surface: string;
  first: string;
  second: string;
}

function inkOf(element: Element): Ink {
  const style = getComputedStyle(element);
  const read = (name: string) => style.getPropertyValue(name).trim();
  return {
    text: read('--ek-text'), dim: read('--ek-dim'), line: read('--ek-line'), surface: read('--ek-surface'),
    first: read('--ek-chart-1'), second: read('--ek-chart-2'),
  };
}

/** A chart as a picture with one sentence for those who do not see it; its numbers stand in the table twin beside it. */
export function Chart({ draw, label, height }: { draw: (ink: Ink) => Option; label: string; height: number }) {
  const place = useRef<HTMLDivElement>(null);
  const scheme = useComputedColorScheme('light');
  useEffect(() => {
    const element = place.current;
    if (element === null) return undefined;
    const chart: ECharts = init(element, null, { renderer: 'svg' });
    chart.setOption({
      animation: false,
      textStyle: { fontFamily: getComputedStyle(element).fontFamily },
      ...draw(inkOf(element)),
    });
    const watch = new ResizeObserver(() => chart.resize());
    watch.observe(element);
    return () => {
      watch.disconnect();
      chart.dispose();
    };
  }, [draw, scheme]);
  return <div role="img" aria-label={label}><div ref={place} style={{ width: '100%', height }} aria-hidden="true" /></div>;
}
