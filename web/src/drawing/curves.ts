/** Learning curves on a canvas: a line each, or their spread if they are many. */

import { type Axis, axisOf } from "../data/axis.ts";
import { columnOf } from "../data/column.ts";
import { tickText } from "../data/numbers.ts";
import { type Curve, type Spread, spreadOf } from "../data/steps.ts";
import { linearTicks } from "../data/ticks.ts";
import { colour } from "../look/theme.ts";
import type { Surface } from "./canvas.ts";
import { colourOfLevel, RUNNING } from "./colours.ts";
import { Plot } from "./plot.ts";

/** A curve and how good its row is: a level, -1 for failures; quiet if the row is not selected. */
export interface Drawn {
  curve: Curve;
  level: number;
  quiet: boolean;
}

/** Curves of repeats, drawn as one. */
export interface DrawnGroup {
  curves: readonly Curve[];
  ink: string;
}

const MOST_LINES = 400;
const BEST_LINES = 40;

export function drawCurves(surface: Surface, drawn: readonly Drawn[], up: string): void {
  const selected = drawn.filter((each) => !each.quiet);
  const shown = selected.length ? selected : drawn;
  const ends = rangeOf(shown.map(({ curve }) => curve));
  if (!ends) return;
  const plot = plotOf(
    surface,
    ends,
    shown.map(({ curve }) => curve),
    up,
  );
  plot.drawAxes();
  const pen = surface.pen;
  pen.save();
  pen.beginPath();
  pen.rect(plot.x(0) - 3, 0, plot.x(1) - plot.x(0) + 6, surface.height);
  pen.clip();
  const place = new Places(plot, ends);
  const quiet = drawn.filter((each) => each.quiet);
  pen.globalAlpha = 0.35;
  if (quiet.length <= MOST_LINES) for (const each of quiet) drawLine(pen, each, place);
  pen.globalAlpha = 1;
  if (shown.length > MOST_LINES) drawSpread(pen, spreadOf(shown.map(({ curve }) => curve)), place);
  const few = shown.length <= MOST_LINES;
  // What runs comes last, and before it what failed, whose ends would be hidden.
  const rank = ({ level }: Drawn): number => (level === RUNNING ? 2e3 : level < 0 && few ? 1e3 : level);
  const byLevel = [...shown].sort((a, b) => rank(a) - rank(b));
  const lines = shown.length > MOST_LINES ? byLevel.slice(-BEST_LINES) : byLevel;
  pen.globalAlpha = Math.min(0.95, Math.max(0.35, 5 / Math.sqrt(lines.length)));
  for (const each of lines) drawLine(pen, each, place);
  pen.restore();
}

/** Draw the median of each group, and the area from its lowest to its highest curve. */
export function drawGroups(surface: Surface, groups: readonly DrawnGroup[], up: string): void {
  const ends = rangeOf(groups.flatMap(({ curves }) => curves));
  if (!ends) return;
  const plot = plotOf(
    surface,
    ends,
    groups.flatMap(({ curves }) => curves),
    up,
  );
  plot.drawAxes();
  const { pen } = surface;
  const place = new Places(plot, ends);
  for (const { curves, ink } of [...groups].reverse()) {
    const spread = spreadOf(curves);
    drawArea(pen, spread.xs, spread.low, spread.high, place, ink, 0.18);
    drawPath(pen, spread.xs, spread.median, place, ink, 1.8);
  }
  pen.globalAlpha = 1;
}

function plotOf(surface: Surface, ends: Ends, curves: readonly Curve[], up: string): Plot {
  const across = axisOf(columnOf(ends.xs, { name: "x", role: "result" }));
  const isCounted = curves.every(({ xs }) => xs.every(Number.isInteger));
  const upwards = axisOf(columnOf(ends.ys, { name: up, role: "result" }));
  return new Plot(surface, withTicks(across, isCounted), withTicks(upwards));
}

interface Ends {
  xs: [number, number];
  ys: [number, number];
}

function rangeOf(curves: readonly Curve[]): Ends | null {
  if (!curves.length) return null;
  const xs: [number, number] = [Infinity, -Infinity];
  const ys: [number, number] = [Infinity, -Infinity];
  const widen = (range: [number, number], value: number): void => {
    range[0] = Math.min(range[0], value);
    range[1] = Math.max(range[1], value);
  };
  for (const curve of curves) {
    curve.xs.forEach((x) => widen(xs, x));
    curve.ys.forEach((y) => widen(ys, y));
  }
  return { xs, ys };
}

/** The two ends of a range are no ticks; round numbers between them are. */
function withTicks(axis: Axis, isCounted = false): Axis {
  if (axis.high <= axis.low) return axis;
  const values = linearTicks(axis.low, axis.high, 6).filter((value) => !isCounted || Number.isInteger(value));
  const ticks = values.map((value) => ({ at: share(value, [axis.low, axis.high]), label: tickText(value) }));
  return { ...axis, ticks, isPoints: false };
}

/** Pixels of values. */
class Places {
  constructor(
    private readonly plot: Plot,
    private readonly ends: Ends,
  ) {}

  x(value: number): number {
    return this.plot.x(share(value, this.ends.xs));
  }

  y(value: number): number {
    return this.plot.y(share(value, this.ends.ys));
  }
}

const share = (value: number, [low, high]: [number, number]): number =>
  high > low ? (value - low) / (high - low) : 0.5;

function drawLine(pen: CanvasRenderingContext2D, { curve, level, quiet }: Drawn, place: Places): void {
  pen.strokeStyle = quiet ? colour("--mute") : colourOfLevel(level);
  pen.lineWidth = 1.3;
  pen.beginPath();
  curve.xs.forEach((x, point) => pen.lineTo(place.x(x), place.y(curve.ys[point]!)));
  pen.stroke();
  const last = curve.xs.length - 1;
  pen.fillStyle = pen.strokeStyle;
  if (level < 0 || last === 0) pen.fillRect(place.x(curve.xs[last]!) - 2, place.y(curve.ys[last]!) - 2, 4, 4);
}

function drawSpread(pen: CanvasRenderingContext2D, spread: Spread, place: Places): void {
  const ink = colour("--accent");
  drawArea(pen, spread.xs, spread.low, spread.high, place, ink, 0.15);
  drawArea(pen, spread.xs, spread.quarter, spread.threeQuarters, place, ink, 0.3);
  drawPath(pen, spread.xs, spread.median, place, ink, 2);
}

function drawArea(
  pen: CanvasRenderingContext2D,
  xs: readonly number[],
  low: readonly number[],
  high: readonly number[],
  place: Places,
  ink: string,
  alpha: number,
): void {
  pen.globalAlpha = alpha;
  pen.fillStyle = ink;
  pen.beginPath();
  xs.forEach((x, point) => pen.lineTo(place.x(x), place.y(high[point]!)));
  for (let point = xs.length - 1; point >= 0; point--) pen.lineTo(place.x(xs[point]!), place.y(low[point]!));
  pen.fill();
}

function drawPath(
  pen: CanvasRenderingContext2D,
  xs: readonly number[],
  ys: readonly number[],
  place: Places,
  ink: string,
  width: number,
): void {
  pen.globalAlpha = 1;
  pen.strokeStyle = ink;
  pen.lineWidth = width;
  pen.beginPath();
  xs.forEach((x, point) => pen.lineTo(place.x(x), place.y(ys[point]!)));
  pen.stroke();
}
