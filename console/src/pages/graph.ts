import type { End, Graph } from '../api/data';
import type { Identifier } from '../api/types';

// Where the identifiers of a person stand in the drawing: a band for each kind, the strongest kind on top.

const PER_ROW = 3;
const GAP = 14;
const ROW = 82;
const SHOWN_OF_A_KIND = 6;
export const BOX = { width: 184, height: 46 };

export interface Placed extends End {
  key: string;
  x: number;
  y: number;
  usable: boolean;
}

export interface Line {
  from: Placed;
  to: Placed;
  how: 'proved' | 'unproved' | 'signed';
}

export interface Drawing {
  nodes: Placed[];
  lines: Line[];
  width: number;
  height: number;
  left: number;
}

const keyOf = (end: End): string => `${end.kind}\u0000${end.value}`;

/** Nodes in bands by kind, and the evidence that holds between them; what finds no room is counted in `left`. */
export function drawing(graph: Graph): Drawing {
  const kinds = [...new Set(graph.nodes.map((node) => node.kind))];
  const bands = kinds.map((kind) => graph.nodes.filter((node) => node.kind === kind).slice(0, SHOWN_OF_A_KIND));
  const wide = Math.max(1, ...bands.map((band) => Math.min(PER_ROW, band.length)));
  // Room at the right for the lines that pass a band.
  const room = bands.length > 2 ? 46 : 4;
  const width = wide * (BOX.width + GAP) - GAP;
  const nodes: Placed[] = [];
  let row = 0;
  for (const band of bands) {
    for (let first = 0; first < band.length; first += PER_ROW) {
      const part = band.slice(first, first + PER_ROW);
      const start = (width - (part.length * (BOX.width + GAP) - GAP)) / 2;
      for (const [place, node] of part.entries()) nodes.push({ ...node, key: keyOf(node), x: start + place * (BOX.width + GAP) + 4, y: row * ROW + 4 });
      row += 1;
    }
  }
  const by = new Map(nodes.map((node) => [node.key, node]));
  const lines: Line[] = [];
  const add = (a: End, b: End, how: Line['how']) => {
    const [from, to] = [by.get(keyOf(a)), by.get(keyOf(b))];
    if (from !== undefined && to !== undefined) lines.push(from.y <= to.y ? { from, to, how } : { from: to, to: from, how });
  };
  for (const edge of graph.edges) if (edge.joined) add(edge.a, edge.b, edge.authenticated ? 'proved' : 'unproved');
  for (const device of graph.devices) {
    for (const signed of device.sign_ins) if (!signed.void) add({ kind: 'anonymousId', value: device.value }, signed.by, 'signed');
  }
  return { nodes, lines, left: graph.nodes.length - nodes.length, width: width + room + 4, height: row * ROW - (ROW - BOX.height) + 8 };
}

/** The way of a line: down to the next band, around the bands between, or a bow within one. */
export function path({ from, to }: Line): string {
  const [x1, x2] = [from.x + BOX.width / 2, to.x + BOX.width / 2];
  const middle = BOX.height / 2;
  if (from.y === to.y) return `M${x1} ${from.y + BOX.height}C${x1} ${from.y + ROW - 16} ${x2} ${from.y + ROW - 16} ${x2} ${to.y + BOX.height}`;
  if (to.y - from.y > ROW) {
    const [a, b] = [from.x + BOX.width, to.x + BOX.width];
    const out = Math.max(a, b) + 44;
    return `M${a} ${from.y + middle}C${out} ${from.y + middle} ${out} ${to.y + middle} ${b} ${to.y + middle}`;
  }
  return `M${x1} ${from.y + BOX.height}C${x1} ${from.y + BOX.height + 20} ${x2} ${to.y - 20} ${x2} ${to.y}`;
}

export const short = (text: string, most = 22): string => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

export const nameOf = (end: End | Identifier): string => `${end.kind}:${end.value}`;
