/** Many rows between two neighbouring axes: how many there are from bin to bin, and how good they are. */

import type { Bins } from "../data/axis.ts";

export interface Band {
  from: number;
  to: number;
  rows: number;
  /** The mean of the qualities; NaN if no row has one. */
  quality: number;
}

export interface Weighed {
  /** How good each row is; NaN without a result. */
  qualities: Float32Array;
  /** How many rows each row stands for. */
  weights: Float64Array;
}

/** The bands of the rows that a mask marks, the best ones last. */
export function bandsOf(left: Bins, right: Bins, mask: Uint8Array, { qualities, weights }: Weighed): Band[] {
  const width = right.middles.length;
  const size = left.middles.length * width;
  const rows = new Float64Array(size);
  const sums = new Float64Array(size);
  const measured = new Float64Array(size);
  for (let row = 0; row < mask.length; row++) {
    if (!mask[row]) continue;
    const cell = left.codes[row]! * width + right.codes[row]!;
    const weight = weights[row]!;
    rows[cell]! += weight;
    const quality = qualities[row]!;
    if (quality === quality) {
      sums[cell]! += quality * weight;
      measured[cell]! += weight;
    }
  }
  const bands: Band[] = [];
  for (let cell = 0; cell < size; cell++) {
    if (!rows[cell]) continue;
    const quality = measured[cell] ? sums[cell]! / measured[cell]! : NaN;
    const from = left.middles[Math.floor(cell / width)]!;
    bands.push({ from, to: right.middles[cell % width]!, rows: rows[cell]!, quality });
  }
  const rank = (band: Band): number => (Number.isNaN(band.quality) ? -1 : band.quality);
  return bands.sort((a, b) => rank(a) - rank(b));
}
