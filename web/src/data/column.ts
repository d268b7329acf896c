/** A column of the table, either numbers or labels, and what stands where it has no value. */

import { exact, short } from "./numbers.ts";

/** Why a cell has no value. */
export const Gap = {
  no: 0,
  /** The value is None. */
  none: 1,
  /** The setting does not have this field. */
  absent: 2,
  /** The setting has no such result. */
  empty: 3,
} as const;
export type Gap = (typeof Gap)[keyof typeof Gap];

export const GAP_TEXT: Record<Gap, string> = { 0: "", 1: "None", 2: "–", 3: "" };
export const GAP_NAME: Record<Gap, string> = {
  0: "",
  1: "None",
  2: "does not have this field",
  3: "no result",
};

export type Role = "field" | "result" | "fact";

interface Cells {
  readonly name: string;
  readonly role: Role;
  readonly length: number;
  /** A `Gap` for each row. */
  readonly gaps: Uint8Array;
}

export interface NumberColumn extends Cells {
  readonly kind: "number";
  readonly numbers: Float64Array;
}

export interface LabelColumn extends Cells {
  readonly kind: "label";
  /** The place in `labels` of each row; -1 where there is a gap. */
  readonly codes: Int32Array;
  readonly labels: string[];
}

export type Column = NumberColumn | LabelColumn;

/** What a cell shows in a table. */
export function cellText(column: Column, row: number): string {
  const gap = column.gaps[row] as Gap;
  if (gap) return GAP_TEXT[gap];
  return column.kind === "number" ? short(column.numbers[row]!) : column.labels[column.codes[row]!]!;
}

/** The whole value of a cell. */
export function wholeText(column: Column, row: number): string {
  const gap = column.gaps[row] as Gap;
  if (gap) return GAP_NAME[gap];
  return column.kind === "number" ? exact(column.numbers[row]!) : column.labels[column.codes[row]!]!;
}

/** What Python or JSON calls a value, as the table shows it. */
export function labelOf(value: unknown): string {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (typeof value === "string") return value;
  if (typeof value === "number") return exact(value);
  if (typeof value === "bigint") return String(value);
  if (value instanceof Date) return value.toISOString();
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  return JSON.stringify(value, (_, each) => (typeof each === "bigint" ? Number(each) : each)) ?? "";
}

const isNumber = (value: unknown): value is number | bigint =>
  typeof value === "number" || typeof value === "bigint";

/** All values that a column has are numbers that a float holds exactly. */
function areNumbers(values: ArrayLike<unknown>): boolean {
  let some = false;
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (value === null || value === undefined) continue;
    if (!isNumber(value)) return false;
    if (typeof value === "bigint" && !Number.isSafeInteger(Number(value))) return false;
    some = true;
  }
  return some;
}

export interface Making {
  name: string;
  role: Role;
  /** The values are JSON text. */
  json?: boolean;
}

/** A column of these values; null is None in a field, and no result elsewhere. */
export function columnOf(values: ArrayLike<unknown>, making: Making): Column {
  const gaps = new Uint8Array(values.length);
  const gap = making.role === "field" ? Gap.none : Gap.empty;
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    if (value === null || value === undefined || (making.json && value === "null")) gaps[row] = gap;
  }
  const cells = { name: making.name, role: making.role, length: values.length, gaps };
  if (areNumbers(values)) return { ...cells, kind: "number", numbers: numbersOf(values) };
  return { ...cells, kind: "label", ...codesOf(values, gaps, making.json ?? false) };
}

function numbersOf(values: ArrayLike<unknown>): Float64Array {
  const numbers = new Float64Array(values.length);
  for (let row = 0; row < values.length; row++) {
    const value = values[row];
    numbers[row] = value === null || value === undefined ? NaN : Number(value);
  }
  return numbers;
}

function codesOf(values: ArrayLike<unknown>, gaps: Uint8Array, json: boolean) {
  const codes = new Int32Array(values.length).fill(-1);
  const places = new Map<unknown, number>();
  const labels: string[] = [];
  for (let row = 0; row < values.length; row++) {
    if (gaps[row]) continue;
    const value = values[row];
    const known = typeof value === "object" ? labelOf(value) : value;
    let code = places.get(known);
    if (code === undefined) {
      code = labels.length;
      places.set(known, code);
      labels.push(json && typeof value === "string" ? labelOfJson(value) : labelOf(value));
    }
    codes[row] = code;
  }
  return { codes, labels };
}

/** Texts that would look like another value without their quotes. */
const AMBIGUOUS = /^(-?[\d.]|[[{"]|true$|false$|none$|null$|nan$|-?inf$)/i;

function labelOfJson(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "string" && AMBIGUOUS.test(value) ? text : labelOf(value);
  } catch {
    return text;
  }
}

/** The rows in ascending order of a column; rows without a value come last. */
export function ascending(column: Column): Uint32Array {
  const rows = new Uint32Array(column.length);
  for (let row = 0; row < rows.length; row++) rows[row] = row;
  const values = column.kind === "number" ? column.numbers : ranksOfLabels(column);
  const gaps = column.gaps;
  const size = (row: number): number => {
    const value = values[row]!;
    return gaps[row] ? 3 : Number.isNaN(value) ? 2 : 1;
  };
  const sizes = Uint8Array.from(rows, size);
  return rows.sort(
    (a, b) => sizes[a]! - sizes[b]! || (sizes[a] === 1 ? values[a]! - values[b]! : 0) || a - b,
  );
}

/** The places of labels in alphabetical order, with numbers in them as numbers. */
export function orderOfLabels(labels: readonly string[]): number[] {
  const collator = new Intl.Collator("en", { numeric: true });
  const places = labels.map((_, place) => place);
  if (labels.length > 5000) {
    return places.sort((a, b) => (labels[a]! < labels[b]! ? -1 : labels[a]! > labels[b]! ? 1 : 0));
  }
  return places.sort((a, b) => collator.compare(labels[a]!, labels[b]!));
}

function ranksOfLabels(column: LabelColumn): Float64Array {
  const ranks = new Float64Array(column.labels.length);
  orderOfLabels(column.labels).forEach((place, rank) => (ranks[place] = rank));
  return Float64Array.from(column.codes, (code) => (code < 0 ? NaN : ranks[code]!));
}

/** How many values a column has, gaps counted as one each; counting ends at `most`. */
export function distinct(column: Column, most = 1000): number {
  const seen = new Set<number | string>();
  const values = column.kind === "number" ? column.numbers : column.codes;
  for (let row = 0; row < column.length && seen.size < most; row++) {
    seen.add(column.gaps[row] ? `gap ${column.gaps[row]}` : values[row]!);
  }
  return seen.size;
}
