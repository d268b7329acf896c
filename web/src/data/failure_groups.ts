/** Rows without a result, grouped by their error, with what the rows of a group have in common. */

import { type Column, Gap, wholeText } from "./column.ts";
import type { Table } from "./table.ts";

export interface FailureGroup {
  status: string;
  error: string;
  rows: number[];
  /** The fields that vary, but have one value in all rows of the group. */
  common: { name: string; value: string }[];
}

const GOOD = new Set(["done", ""]);

/** The groups, largest first. Stopped rows are no failures. */
export function failureGroups(table: Table): FailureGroup[] {
  const groups = new Map<string, FailureGroup>();
  const { codes, labels } = table.statuses;
  const bad = labels.map((label) => !GOOD.has(label) && label !== "stopped");
  for (let row = 0; row < table.length; row++) {
    if (codes[row]! < 0 || !bad[codes[row]!]) continue;
    const status = labels[codes[row]!]!;
    const error = table.fact("error", row);
    const key = `${status} ${error}`;
    const group = groups.get(key);
    if (group) group.rows.push(row);
    else groups.set(key, { status, error, rows: [row], common: [] });
  }
  const found = [...groups.values()].sort((a, b) => b.rows.length - a.rows.length);
  const fields = table.varying;
  for (const group of found) group.common = commonOf(fields, group.rows);
  return found;
}

/** What rows have in common; nothing for a single row, which has all its values. */
function commonOf(fields: readonly Column[], rows: readonly number[]): FailureGroup["common"] {
  if (rows.length < 2) return [];
  const present = fields.filter((field) => field.gaps[rows[0]!] !== Gap.absent);
  const same = present.filter((field) => rows.every((row) => isEqual(field, row, rows[0]!)));
  return same.map((field) => ({ name: field.name, value: wholeText(field, rows[0]!) }));
}

function isEqual(column: Column, row: number, other: number): boolean {
  if (column.gaps[row] !== column.gaps[other]) return false;
  if (column.gaps[row]) return true;
  if (column.kind === "label") return column.codes[row] === column.codes[other];
  return Object.is(column.numbers[row], column.numbers[other]);
}
