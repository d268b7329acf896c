/** The mean result along a field. */

import { type Axis, binsOf } from "./axis.ts";

export interface TrendPoint {
  at: number;
  mean: number;
  rows: number;
}

const BINS = 16;

/** The mean position of the result for each bin of a field, over the rows of a mask, by position. */
export function trendOf(across: Axis, up: Axis, mask: Uint8Array, weights: Float64Array): TrendPoint[] {
  const bins = binsOf(across, BINS);
  const sums = new Float64Array(bins.middles.length);
  const rows = new Float64Array(bins.middles.length);
  for (let row = 0; row < mask.length; row++) {
    const at = up.positions[row]!;
    if (!mask[row] || at < 0) continue;
    sums[bins.codes[row]!]! += at * weights[row]!;
    rows[bins.codes[row]!]! += weights[row]!;
  }
  const points = bins.middles.map((at, bin) => ({ at, mean: sums[bin]! / rows[bin]!, rows: rows[bin]! }));
  return points.filter((point) => point.rows > 0).sort((a, b) => a.at - b.at);
}
