/** Which settings have a conditional field at all. */

import type { FieldFacts } from "./about.ts";
import { type Column, Gap, labelOf } from "./column.ts";

/** Mark the cells of settings that do not have a field. */
export function markAbsent(fields: readonly Column[], facts: readonly FieldFacts[]): void {
  const columns = new Map(fields.map((field) => [field.name, field]));
  for (const { name, owners } of facts) {
    const column = columns.get(name);
    if (!column || !owners.length || owners.some((owner) => !Object.keys(owner).length)) continue;
    const holds = owners.map((owner) => holder(owner, columns));
    for (let row = 0; row < column.length; row++) {
      if (column.gaps[row] && !holds.some((each) => each(row))) column.gaps[row] = Gap.absent;
    }
  }
}

/** Tells whether a row has all the values that an owner names. */
function holder(owner: Record<string, unknown>, columns: Map<string, Column>): (row: number) => boolean {
  const tests = Object.entries(owner).map(([name, value]) => {
    const column = columns.get(name);
    return column ? equals(column, value) : () => true;
  });
  return (row) => tests.every((test) => test(row));
}

/** Tells whether a cell has this value; for a list, one of these values. */
function equals(column: Column, value: unknown): (row: number) => boolean {
  if (Array.isArray(value)) {
    const tests = value.map((each) => equals(column, each));
    return (row) => tests.some((test) => test(row));
  }
  if (value === null) return (row) => column.gaps[row] === Gap.none;
  if (column.kind === "number") return (row) => !column.gaps[row] && column.numbers[row] === Number(value);
  const code = column.labels.indexOf(labelOf(value));
  return (row) => column.codes[row] === code && code >= 0;
}
