/** Which fields come first where not all of them fit. */

import type { Column } from "../data/column.ts";
import type { View } from "../data/view.ts";

/** The share of the chosen result that each field explains, by name. */
export function sharesOf(view: View): Map<string, number> {
  const shares = view.about.importance[view.measure] ?? [];
  return new Map(shares.map(({ field, share }) => [field, share]));
}

/**
 * Up to `most` of the fields that vary. They are in the order of the declaration, repeats last; if
 * there are more, the least important ones are left out.
 */
export function fieldsByImportance(view: View, most: number): Column[] {
  const repeats = new Set(view.about.repeats);
  const varying = view.table.varying;
  const fields = [
    ...varying.filter(({ name }) => !repeats.has(name)),
    ...varying.filter(({ name }) => repeats.has(name)),
  ];
  if (fields.length <= most) return fields;
  const kept = new Set(ranked(view, fields).slice(0, most));
  return fields.filter((field) => kept.has(field));
}

/** Fields with the most important ones first. */
export function ranked(view: View, fields: readonly Column[]): Column[] {
  const shares = sharesOf(view);
  return [...fields].sort((a, b) => (shares.get(b.name) ?? -1) - (shares.get(a.name) ?? -1));
}
