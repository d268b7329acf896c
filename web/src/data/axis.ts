/** A column along a line: each row has a position between 0 and 1, or one of the places below 0. */

import { type Column, Gap, GAP_NAME, type LabelColumn, type NumberColumn, orderOfLabels } from "./column.ts";
import { short, tickText } from "./numbers.ts";
import { linearTicks, logTicks } from "./ticks.ts";

export interface Tick {
  at: number;
  label: string;
}

export type Scale = "linear" | "log" | "label";

export interface Axis {
  readonly column: Column;
  readonly scale: Scale;
  readonly positions: Float32Array;
  readonly ticks: Tick[];
  /** Every value has a tick: a label, or one of few numbers. */
  readonly isPoints: boolean;
  /** The places of rows that have no finite number: None, no such field, nan and so on. */
  readonly slots: Tick[];
  /** The smallest and the largest number. */
  readonly low: number;
  readonly high: number;
}

/** The distance between places below 0. */
export const SLOT = 0.11;

const MANY_TICKS = 12;

/** The axis of a column; log says that a number column is declared so. */
export function axisOf(column: Column, log = false): Axis {
  return column.kind === "number" ? numberAxis(column, log) : labelAxis(column);
}

/** The lower end of an axis: 0, or its lowest place. */
export const bottom = (axis: Axis): number => axis.slots.at(-1)?.at ?? 0;

/** Names of what is not a finite number, in the order of their places. */
const SPECIAL = ["nan", "inf", "-inf", GAP_NAME[Gap.none], GAP_NAME[Gap.absent], GAP_NAME[Gap.empty]];

function specialOf(gap: number, value: number): number {
  if (gap) return 2 + gap;
  if (Number.isNaN(value)) return 0;
  return value > 0 ? 1 : 2;
}

/** Collects rows that belong to a place, and numbers the places that are in use. */
class Places {
  private readonly used = new Set<number>();
  private readonly rows: [number, number][] = [];

  add(row: number, special: number): void {
    this.used.add(special);
    this.rows.push([row, special]);
  }

  settle(positions: Float32Array): Tick[] {
    const order = [...this.used].sort((a, b) => a - b);
    const at = new Map(order.map((special, place) => [special, -SLOT * (place + 1)]));
    for (const [row, special] of this.rows) positions[row] = at.get(special)!;
    return order.map((special) => ({ at: at.get(special)!, label: SPECIAL[special]! }));
  }
}

function labelAxis(column: LabelColumn): Axis {
  const positions = new Float32Array(column.length);
  const order = orderOfLabels(column.labels);
  const at = new Float32Array(order.length);
  const step = order.length > 1 ? 1 / (order.length - 1) : 0;
  order.forEach((code, rank) => (at[code] = order.length > 1 ? rank * step : 0.5));
  const places = new Places();
  for (let row = 0; row < column.length; row++) {
    const code = column.codes[row]!;
    if (code < 0) places.add(row, specialOf(column.gaps[row]!, NaN));
    else positions[row] = at[code]!;
  }
  const ticks = order.map((code) => ({ at: at[code]!, label: column.labels[code]! }));
  const slots = places.settle(positions);
  return { column, scale: "label", isPoints: true, positions, ticks, slots, low: 0, high: order.length - 1 };
}

/** The numbers of a column that are finite: their range, and up to `MANY_TICKS` of them. */
function survey(column: NumberColumn) {
  let low = Infinity;
  let high = -Infinity;
  const some = new Set<number>();
  for (const value of column.numbers) {
    if (!Number.isFinite(value)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
    if (some.size <= MANY_TICKS) some.add(value);
  }
  return { low, high, points: some.size > MANY_TICKS ? [] : [...some].sort((a, b) => a - b) };
}

function numberAxis(column: NumberColumn, declaredLog: boolean): Axis {
  const { low, high, points } = survey(column);
  const log = low > 0 && high > low && (declaredLog || looksLog(column, points, low, high));
  const forward = log ? Math.log : (value: number) => value;
  const start = forward(low);
  const span = forward(high) - start;
  const place = (value: number): number => (span > 0 ? (forward(value) - start) / span : 0.5);
  const positions = new Float32Array(column.length);
  const places = new Places();
  for (let row = 0; row < column.length; row++) {
    const value = column.numbers[row]!;
    if (column.gaps[row] || !Number.isFinite(value)) places.add(row, specialOf(column.gaps[row]!, value));
    else positions[row] = place(value);
  }
  const values = points.length ? points : log ? logTicks(low, high) : linearTicks(low, high);
  const ticks = values.map((value) => ({ at: place(value), label: tickText(value) }));
  const slots = places.settle(positions);
  return {
    column,
    scale: log ? "log" : "linear",
    isPoints: points.length > 0,
    positions,
    ticks,
    slots,
    low,
    high,
  };
}

/** Numbers are spread over orders of magnitude: points in equal ratios, or a median near the low end. */
function looksLog(column: NumberColumn, points: number[], low: number, high: number): boolean {
  if (column.role !== "field") return false;
  if (points.length >= 3) {
    const ratios = points.slice(1).map((point, place) => point / points[place]!);
    if (ratios.every((ratio) => ratio > 1.5 && Math.abs(ratio / ratios[0]! - 1) < 0.02)) return true;
  }
  if (high / low < 50) return false;
  const numbers = points.length ? Float64Array.from(points) : sampleOf(column.numbers);
  const median = numbers[numbers.length >> 1]!;
  return (median - low) / (high - low) < 0.2;
}

/** Up to 1,000 of the finite numbers, in order. */
function sampleOf(numbers: Float64Array): Float64Array {
  const step = Math.max(1, Math.floor(numbers.length / 1000));
  return numbers.filter((value, row) => row % step === 0 && Number.isFinite(value)).sort();
}

/** The number at a position of a number axis. */
export function valueAt(axis: Axis, position: number): number {
  const share = Math.min(1, Math.max(0, position));
  if (axis.scale === "log") return axis.low * (axis.high / axis.low) ** share;
  return axis.low + (axis.high - axis.low) * share;
}

/** The position of a number on a number axis, at most at its ends. */
export function positionOf(axis: Axis, value: number): number {
  if (!(axis.high > axis.low)) return 0.5;
  const forward = axis.scale === "log" ? Math.log : (each: number): number => each;
  const share = (forward(value) - forward(axis.low)) / (forward(axis.high) - forward(axis.low));
  return Math.min(1, Math.max(0, share));
}

/** What stands at a position: the nearest label, or the number. */
export function textAt(axis: Axis, position: number): string {
  const slot = axis.slots.find((each) => Math.abs(each.at - position) < SLOT / 2);
  if (slot) return slot.label;
  if (axis.scale !== "label") return short(Number(valueAt(axis, position).toPrecision(4)));
  return nearest(axis.ticks, position)?.label ?? "";
}

/** The tick that is nearest to a position. */
export function nearest(ticks: readonly Tick[], position: number): Tick | undefined {
  let best: Tick | undefined;
  for (const tick of ticks) {
    if (!best || Math.abs(tick.at - position) < Math.abs(best.at - position)) best = tick;
  }
  return best;
}

export interface Bins {
  /** The bin of each row. */
  readonly codes: Uint16Array;
  /** The position of the middle of each bin. */
  readonly middles: number[];
}

/** The rows of an axis in bins: a bin for each label, point or place, else at most `most` bins. */
export function binsOf(axis: Axis, most: number): Bins {
  const few = axis.ticks.length <= most && axis.isPoints;
  const size = few ? 0 : 1 / most;
  const middles = few
    ? axis.ticks.map((tick) => tick.at)
    : Array.from({ length: most }, (_, bin) => (bin + 0.5) * size);
  const places = new Map(axis.slots.map((slot, place) => [Math.fround(slot.at), middles.length + place]));
  const ticks = new Map(axis.ticks.map((tick, place) => [Math.fround(tick.at), place]));
  const codes = new Uint16Array(axis.positions.length);
  for (let row = 0; row < codes.length; row++) {
    const at = axis.positions[row]!;
    if (at < 0) codes[row] = places.get(at)!;
    else codes[row] = few ? ticks.get(at)! : Math.min(most - 1, Math.floor(at * most));
  }
  return { codes, middles: [...middles, ...axis.slots.map((slot) => slot.at)] };
}
