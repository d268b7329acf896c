/** The rows of two fields in cells, and the result in each cell. */

import { type Axis, binsOf, valueAt } from "./axis.ts";
import { type Column, Gap } from "./column.ts";
import { tickText } from "./numbers.ts";
import type { Range } from "./view.ts";

export type Summary = "mean" | "best" | "rows";

/** A bin of an axis: what it is called, and the positions that belong to it. */
export interface Step {
  label: string;
  range: Range;
}

export interface HeatCell {
  rows: number;
  measured: number;
  sum: number;
  low: number;
  high: number;
}

export interface Heat {
  across: Step[];
  down: Step[];
  /** By rows from above, then by columns. */
  cells: HeatCell[];
}

const MOST_BINS = 8;
const LONGEST = 24; // characters of a label

interface Steps {
  steps: Step[];
  /** The step of each row. */
  codes: Uint16Array;
}

const known = new WeakMap<Axis, Steps>();

/** The bins of an axis from low to high, without those that no row is in; computed once. */
function stepsOf(axis: Axis): Steps {
  const steps = known.get(axis) ?? computedSteps(axis);
  known.set(axis, steps);
  return steps;
}

function computedSteps(axis: Axis): Steps {
  const bins = binsOf(axis, MOST_BINS);
  const used = new Uint8Array(bins.middles.length);
  for (const code of bins.codes) used[code] = 1;
  const points = bins.middles.map((at) =>
    [...axis.ticks, ...axis.slots].find((tick) => Math.abs(tick.at - at) < 1e-6),
  );
  const isRange = axis.scale !== "label" && bins.middles.length - axis.slots.length === MOST_BINS;
  const half = 0.5 / MOST_BINS;
  const steps = bins.middles.map((at, place): Step => {
    const point = points[place];
    if (point && (at < 0 || !isRange)) return { label: brief(point.label), range: [at, at] };
    const range: Range = [at - half, at + half >= 1 ? 1 : at + half - 2e-6];
    if (axis.scale !== "label")
      return { label: `${rounded(axis, range[0])} to ${rounded(axis, at + half)}`, range };
    const within = axis.ticks.filter((tick) => tick.at >= range[0] && tick.at <= range[1]);
    const ends = [within[0], within.at(-1)].map((tick) => brief(tick?.label ?? ""));
    return { label: within.length > 1 ? ends.join(" … ") : ends[0]!, range };
  });
  const places = Uint16Array.from(used);
  const kept = steps.filter((_, place) => used[place]);
  let next = 0;
  used.forEach((each, place) => (places[place] = each ? next++ : 0));
  return { steps: kept, codes: bins.codes.map((code) => places[code]!) };
}

const brief = (label: string): string => (label.length > LONGEST ? `${label.slice(0, LONGEST - 1)}…` : label);

const rounded = (axis: Axis, at: number): string => tickText(Number(valueAt(axis, at).toPrecision(2)));

/** The cells of two axes over the rows of a mask, from the results and weights of all rows. */
export function heatOf(
  x: Axis,
  y: Axis,
  mask: Uint8Array,
  values: Float64Array,
  weights: Float64Array,
): Heat {
  const across = stepsOf(x);
  const down = stepsOf(y);
  const width = across.steps.length;
  const cells = Array.from({ length: width * down.steps.length }, () => ({
    rows: 0,
    measured: 0,
    sum: 0,
    low: Infinity,
    high: -Infinity,
  }));
  for (let row = 0; row < mask.length; row++) {
    if (!mask[row]) continue;
    const cell = cells[down.codes[row]! * width + across.codes[row]!]!;
    const weight = weights[row]!;
    cell.rows += weight;
    const value = values[row]!;
    if (!Number.isFinite(value)) continue;
    cell.measured += weight;
    cell.sum += value * weight;
    cell.low = Math.min(cell.low, value);
    cell.high = Math.max(cell.high, value);
  }
  return { across: across.steps, down: down.steps, cells };
}

/** How many rows have both fields. */
export function together(one: Column, other: Column): number {
  let rows = 0;
  for (let row = 0; row < one.length; row++) {
    if (one.gaps[row] !== Gap.absent && other.gaps[row] !== Gap.absent) rows++;
  }
  return rows;
}

/** What a cell shows; NaN for nothing. */
export function cellValue(cell: HeatCell, summary: Summary, isHigherBetter: boolean): number {
  if (summary === "rows") return cell.rows || NaN;
  if (!cell.measured) return NaN;
  if (summary === "mean") return cell.sum / cell.measured;
  return isHigherBetter ? cell.high : cell.low;
}
