/** What is looked at: the result, the filters, and the rows that they select. All panels follow it. */

import type { About, Direction } from "./about.ts";
import { type Axis, axisOf } from "./axis.ts";
import type { Column } from "./column.ts";
import type { Steps } from "./steps.ts";
import { moved, NEAR, type Range } from "./ranges.ts";
import type { Table } from "./table.ts";
import { WordFilter } from "./words.ts";

/** What has changed: the rows, what is selected, which result is looked at, or that keys were read. */
export type Change = "rows" | "selection" | "measure" | "keys";

export type { Range };

export type Listener = (change: Change) => void;

const LOWER_IS_BETTER = /loss|error|err$|cost|time|seconds|rmse|mae|mse|perplexity|latency|regret/i;

export class View {
  /** 1 for each row that is selected. */
  mask = new Uint8Array(0);
  /** The rows that are selected. */
  rows = new Uint32Array(0);
  /** The rows that all filters but the one on statuses would select, by status. */
  readonly brushes = new Map<string, readonly Range[]>();
  readonly statuses = new Set<string>();
  words = "";
  problem = "";
  error: string | null = null;
  measure = "";
  direction: Direction = "maximize";
  private axes = new Map<string, Axis>();
  private filter: WordFilter;
  private readonly listeners: Listener[] = [];
  private readonly pointers: ((row: number | null) => void)[] = [];

  constructor(
    public table: Table,
    public steps: Steps | null = null,
  ) {
    this.filter = new WordFilter(table);
    this.chooseMeasure();
    this.select();
  }

  get about(): About {
    return this.table.about;
  }

  private chooseMeasure(): void {
    const goal = this.about.goal;
    const names = this.table.measures.map((column) => column.name);
    if (this.measure && names.includes(this.measure)) return;
    this.setMeasure(goal && names.includes(goal.column) ? goal.column : (names[0] ?? ""));
  }

  private setMeasure(name: string): void {
    this.measure = name;
    const goal = this.about.goal;
    if (goal?.column === name) this.direction = goal.direction;
    else this.direction = LOWER_IS_BETTER.test(name) ? "minimize" : "maximize";
  }

  /** The result that colours and orders the rows; none where no result is a number. */
  get measured(): Column | null {
    return this.measure ? this.table.column(this.measure) : null;
  }

  /** The axis of a column that was read. */
  axis(name: string): Axis {
    let axis = this.axes.get(name);
    if (!axis) {
      const log = this.about.fields.some((field) => field.name === name && field.log);
      this.axes.set(name, (axis = axisOf(this.table.column(name), log)));
    }
    return axis;
  }

  /**
   * How good a row is by its result, from 0 to 1; NaN without a finite number. Where no result is a
   * number, rows that did not fail are all alike.
   */
  quality(row: number): number {
    if (!this.measure) return this.table.hasFailed(row) ? NaN : 0.5;
    const at = this.axis(this.measure).positions[row]!;
    if (at < 0) return NaN;
    return this.direction === "maximize" ? at : 1 - at;
  }

  /** The selected rows with the best results, at most so many, the best one first. */
  best(most: number): number[] {
    const column = this.measured;
    if (!column) return [];
    const order = this.table.order(column.name);
    const rows: number[] = [];
    for (let place = 0; place < order.length && rows.length < most; place++) {
      const row = order[this.direction === "maximize" ? order.length - 1 - place : place]!;
      if (this.mask[row] && this.table.isMeasured(column, row)) rows.push(row);
    }
    return rows;
  }

  /** Call a listener after every change. */
  listen(listener: Listener): void {
    this.listeners.push(listener);
  }

  private tell(change: Change): void {
    for (const listener of this.listeners) listener(change);
  }

  /** Call a function with the row that is pointed at, or null. */
  onPointed(listener: (row: number | null) => void): void {
    this.pointers.push(listener);
  }

  point(row: number | null): void {
    for (const listener of this.pointers) listener(row);
  }

  lookAt(measure: string, direction?: Direction): void {
    if (measure !== this.measure) this.setMeasure(measure);
    if (direction) this.direction = direction;
    this.tell("measure");
  }

  brush(name: string, ranges: readonly Range[]): void {
    if (ranges.length) this.brushes.set(name, ranges);
    else this.brushes.delete(name);
    this.reselect();
  }

  toggleStatus(status: string): void {
    if (!this.statuses.delete(status)) this.statuses.add(status);
    this.reselect();
  }

  showError(error: string | null): void {
    this.error = error;
    this.reselect();
  }

  say(words: string): void {
    this.words = words;
    this.reselect();
  }

  /** Read texts ahead, so that the first letter finds its rows as fast as the next ones. */
  prepare(): void {
    this.filter.prepare();
  }

  clear(): void {
    this.brushes.clear();
    this.statuses.clear();
    this.words = "";
    this.error = null;
    this.reselect();
  }

  get isFiltered(): boolean {
    return (
      this.rows.length < this.table.length ||
      this.brushes.size > 0 ||
      this.statuses.size > 0 ||
      this.words !== "" ||
      this.error !== null
    );
  }

  private reselect(): void {
    performance.mark("page-filter-start");
    this.select();
    this.tell("selection");
    performance.measure("page-filter", "page-filter-start");
  }

  /** Another table, with more or newer rows, and other steps. */
  replace(table: Table, steps: Steps | null): void {
    this.table = table;
    this.steps = steps;
    this.filter = new WordFilter(table);
    const before = this.axes;
    this.axes = new Map();
    for (const [name, ranges] of this.brushes) {
      const axis = before.get(name);
      if (axis && table.has(name)) this.brushes.set(name, moved(ranges, axis, this.axis(name)));
    }
    this.chooseMeasure();
    this.select();
    this.tell("rows");
  }

  private select(): void {
    const mask = new Uint8Array(this.table.length).fill(1);
    for (const [name, ranges] of this.brushes) {
      if (this.table.has(name)) keepWithin(mask, this.axis(name).positions, ranges);
    }
    if (this.statuses.size) keepLabels(mask, this.table.statuses, (label) => this.statuses.has(label));
    if (this.error !== null && this.table.has("error")) {
      keepLabels(mask, this.table.column("error"), (label) => label === this.error);
    }
    const { mask: fulfilled, problem } = this.filter.read(this.words);
    this.problem = problem;
    if (fulfilled) for (let row = 0; row < mask.length; row++) mask[row]! &= fulfilled[row]!;
    this.mask = mask;
    this.rows = rowsOf(mask);
  }
}

function keepWithin(mask: Uint8Array, positions: Float32Array, ranges: readonly Range[]): void {
  for (let row = 0; row < mask.length; row++) {
    const at = positions[row]!;
    if (mask[row] && !ranges.some(([low, high]) => at >= low - NEAR && at <= high + NEAR)) mask[row] = 0;
  }
}

function keepLabels(mask: Uint8Array, column: Column, keep: (label: string) => boolean): void {
  if (column.kind !== "label") return;
  const good = column.labels.map(keep);
  for (let row = 0; row < mask.length; row++) if (!good[column.codes[row]!]) mask[row] = 0;
}

/** The rows that a mask marks. */
export function rowsOf(mask: Uint8Array): Uint32Array<ArrayBuffer> {
  let size = 0;
  for (const each of mask) size += each;
  const rows = new Uint32Array(size);
  for (let row = 0, place = 0; row < mask.length; row++) if (mask[row]) rows[place++] = row;
  return rows;
}
