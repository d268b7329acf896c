/** The mouse on a slice: a drag selects a range of the field, a click opens the nearest row. */

import type { Plot } from "../drawing/plot.ts";
import type { Range } from "../data/view.ts";

const CLICK = 4; // pixels that a pointer may move in a click
const REACH = 8; // pixels from a click to a row

/** The row whose point is nearest to a place, if one is near. */
export function nearestRow(
  xs: (row: number) => number,
  ys: (row: number) => number,
  mask: Uint8Array,
  x: number,
  y: number,
): number | null {
  let best: number | null = null;
  let least = REACH * REACH;
  for (let row = 0; row < mask.length; row++) {
    if (!mask[row]) continue;
    const distance = (xs(row) - x) ** 2 + (ys(row) - y) ** 2;
    if (distance > least) continue;
    least = distance;
    best = row;
  }
  return best;
}

/** Follow the pointer on a canvas; `plot` gives the plot that was drawn last. */
export function followPointer(
  canvas: HTMLCanvasElement,
  plot: () => Plot | null,
  select: (ranges: readonly Range[]) => void,
  click: (x: number, y: number) => void,
): void {
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.pointerType === "touch") return;
    const start = event.offsetX;
    canvas.setPointerCapture(event.pointerId);
    const move = (moved: PointerEvent): void => {
      const drawn = plot();
      if (!drawn || Math.abs(moved.offsetX - start) < CLICK) return;
      const ends = [drawn.positionX(start), drawn.positionX(moved.offsetX)];
      select([[Math.min(...ends), Math.max(...ends)]]);
    };
    const end = (ended: PointerEvent): void => {
      canvas.removeEventListener("pointermove", move);
      canvas.removeEventListener("pointerup", end);
      canvas.removeEventListener("pointercancel", end);
      if (ended.type === "pointerup" && Math.abs(ended.offsetX - start) < CLICK)
        click(ended.offsetX, ended.offsetY);
    };
    canvas.addEventListener("pointermove", move);
    canvas.addEventListener("pointerup", end);
    canvas.addEventListener("pointercancel", end);
  });
  canvas.addEventListener("dblclick", () => select([]));
}
