/** Settings that differ in repeats alone, such as seeds, and the mean of their results. */

import type { Column } from "./column.ts";

export interface RepeatGroup {
  rows: number[];
  /** How many rows have a number as result. */
  measured: number;
  mean: number;
  /** The standard deviation of the sample; NaN for a single row. */
  deviation: number;
  low: number;
  high: number;
}

/** A number for each row, which rows have in common that have all these fields in common. */
export function groupNumbers(fields: readonly Column[], length: number): Uint32Array<ArrayBuffer> {
  let groups = new Uint32Array(length);
  for (const field of fields) {
    const values = field.kind === "number" ? field.numbers : field.codes;
    const known = new Map<number, Map<string | number, number>>();
    const next = new Uint32Array(length);
    let size = 0;
    for (let row = 0; row < length; row++) {
      const value = field.gaps[row] ? `gap ${field.gaps[row]}` : values[row]!;
      const group = groups[row]!;
      let members = known.get(group);
      if (!members) known.set(group, (members = new Map()));
      let number = members.get(value);
      if (number === undefined) members.set(value, (number = size++));
      next[row] = number;
    }
    groups = next;
  }
  return groups;
}

/** The groups of some rows, with the mean of a result. */
export function repeatGroups(groups: Uint32Array, rows: Uint32Array, result: Column): RepeatGroup[] {
  const found = new Map<number, number[]>();
  for (const row of rows) {
    const members = found.get(groups[row]!);
    if (members) members.push(row);
    else found.set(groups[row]!, [row]);
  }
  return [...found.values()].map((members) => summary(members, result));
}

function summary(rows: number[], result: Column): RepeatGroup {
  const values =
    result.kind === "number" ? rows.map((row) => result.numbers[row]!).filter(Number.isFinite) : [];
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  const deviation = values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : NaN;
  return {
    rows,
    measured: values.length,
    mean,
    deviation,
    low: Math.min(...values),
    high: Math.max(...values),
  };
}
