/** The steps of settings: a curve for each setting. */

import { type Column, columnOf } from "./column.ts";

export interface Curve {
  key: string;
  xs: Float64Array;
  ys: Float64Array;
}

const FACTS = new Set(["key", "code", "run", "attempt", "seconds", "started", "rank", "index", "row"]);

/** The names under which steps are counted, the most telling one first. */
const COUNTERS = ["epoch", "step", "iteration", "round", "batch"];

export interface StepRows {
  length: number;
  values: Map<string, unknown[]>;
}

/** Steps, and newer ones in place of those of the same settings. */
export function withNewer(before: StepRows, newer: StepRows): StepRows {
  const replaced = new Set(newer.values.get("key") ?? []);
  const keys = before.values.get("key") ?? [];
  const kept: number[] = [];
  for (let row = 0; row < before.length; row++) if (!replaced.has(keys[row])) kept.push(row);
  const values = new Map<string, unknown[]>();
  for (const name of new Set([...before.values.keys(), ...newer.values.keys()])) {
    const old = before.values.get(name);
    const cells = newer.values.get(name) ?? new Array<unknown>(newer.length).fill(null);
    values.set(name, [...kept.map((row) => (old ? old[row] : null)), ...cells]);
  }
  return { length: kept.length + newer.length, values };
}

export const NO_STEPS: StepRows = { length: 0, values: new Map() };

export class Steps {
  readonly columns = new Map<string, Column>();
  private readonly rowsByKey = new Map<string, number[]>();

  constructor({ length, values }: StepRows, fields: readonly string[]) {
    const isField = new Set(fields.filter((name) => !COUNTERS.includes(name)));
    for (const [name, cells] of values) {
      if (!isField.has(name)) this.columns.set(name, columnOf(cells, { name, role: "result" }));
    }
    const key = this.columns.get("key");
    for (let row = 0; row < length; row++) {
      const name = key?.kind === "label" ? (key.labels[key.codes[row]!] ?? "") : "";
      const rows = this.rowsByKey.get(name);
      if (rows) rows.push(row);
      else this.rowsByKey.set(name, [row]);
    }
  }

  /** What may be drawn upwards: numbers that change, and are no counters. */
  get measures(): string[] {
    const names = [...this.columns].filter(([name, column]) => column.kind === "number" && !FACTS.has(name));
    return names.map(([name]) => name).filter((name) => !COUNTERS.includes(name));
  }

  /** What may be drawn across: counters, and the seconds. */
  get counters(): string[] {
    const counters = COUNTERS.filter((name) => this.columns.get(name)?.kind === "number");
    return this.columns.get("seconds")?.kind === "number" ? [...counters, "seconds"] : counters;
  }

  get keys(): IterableIterator<string> {
    return this.rowsByKey.keys();
  }

  /** The curve of a setting, in the order of its steps; null without two numbers. */
  curve(key: string, across: string, up: string): Curve | null {
    const rows = this.rowsByKey.get(key);
    const x = this.columns.get(across);
    const y = this.columns.get(up);
    if (!rows || y?.kind !== "number") return null;
    const points: [number, number][] = [];
    rows.forEach((row, place) => {
      const at = x?.kind === "number" && !x.gaps[row] ? x.numbers[row]! : place;
      if (!y.gaps[row] && Number.isFinite(y.numbers[row])) points.push([at, y.numbers[row]!]);
    });
    if (!points.length) return null;
    points.sort((a, b) => a[0] - b[0]);
    return {
      key,
      xs: Float64Array.from(points, ([at]) => at),
      ys: Float64Array.from(points, ([, value]) => value),
    };
  }
}

/** The quartiles, the lowest and the highest of curves at each x that at least half of the longest reach. */
export interface Spread {
  xs: number[];
  low: number[];
  quarter: number[];
  median: number[];
  threeQuarters: number[];
  high: number[];
}

const MOST_XS = 200;

/** The spread of curves along x; x is rounded to at most 200 places. */
export function spreadOf(curves: readonly Curve[]): Spread {
  let low = Infinity;
  let high = -Infinity;
  for (const { xs } of curves) {
    low = Math.min(low, xs[0]!);
    high = Math.max(high, xs.at(-1)!);
  }
  const size = Math.max((high - low) / MOST_XS, 1e-12);
  const places = new Map<number, number[]>();
  for (const { xs, ys } of curves) {
    for (let point = 0; point < xs.length; point++) {
      const place = high - low <= MOST_XS ? xs[point]! : low + Math.round((xs[point]! - low) / size) * size;
      const values = places.get(place);
      if (values) values.push(ys[point]!);
      else places.set(place, [ys[point]!]);
    }
  }
  const xs = [...places.keys()].sort((a, b) => a - b);
  const sorted = xs.map((x) => places.get(x)!.sort((a, b) => a - b));
  const at = (share: number): number[] =>
    sorted.map((values) => values[Math.round(share * (values.length - 1))]!);
  return { xs, low: at(0), quarter: at(0.25), median: at(0.5), threeQuarters: at(0.75), high: at(1) };
}
