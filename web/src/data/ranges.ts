/** Parts of an axis that stay the same when the axis changes. */

import { type Axis, positionOf, valueAt } from "./axis.ts";

/** A part of an axis, by positions, both ends included. */
export type Range = readonly [low: number, high: number];

/** Half of a pixel or so, for positions that are rounded to 32 bits. */
export const NEAR = 1e-6;

const isWithin = (at: number, [low, high]: Range): boolean => at >= low - NEAR && at <= high + NEAR;

/** The ranges of another axis of the same column that select the same values. */
export function moved(ranges: readonly Range[], before: Axis, after: Axis): Range[] {
  return ranges.flatMap((range) => {
    const slots = same(before.slots, after.slots, range);
    if (range[1] < 0) return slots;
    if (before.scale === "label" || after.scale === "label")
      return [...same(before.ticks, after.ticks, range), ...slots];
    const low = range[0] <= 0 && slots.length ? 0 : positionOf(after, valueAt(before, range[0]));
    return [[low, positionOf(after, valueAt(before, range[1]))], ...slots];
  });
}

/** The ticks with the same labels, as ranges. */
function same(before: Axis["ticks"], after: Axis["ticks"], range: Range): Range[] {
  const labels = new Set(before.filter(({ at }) => isWithin(at, range)).map(({ label }) => label));
  return after.filter(({ label }) => labels.has(label)).map(({ at }): Range => [at, at]);
}
