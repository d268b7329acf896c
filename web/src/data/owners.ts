/** Which settings have a conditional field at all. */

import { type Column, Gap } from "./column.ts";

/** A field without a value is None where another column says so; elsewhere the setting does not have it. */
export function markAbsent(field: Column, none: Column | null): void {
  const yes = none?.kind === "label" ? none.labels.indexOf("True") : -1;
  for (let row = 0; row < field.length; row++) {
    if (!field.gaps[row]) continue;
    const isNone = none?.kind === "label" && yes >= 0 && none.codes[row] === yes;
    field.gaps[row] = isNone ? Gap.none : Gap.absent;
  }
}
