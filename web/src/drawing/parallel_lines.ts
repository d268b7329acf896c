/** The lines of parallel coordinates: a line for each row, or bands between axes if rows are many. */

import { type Axis, type Bins, binsOf } from "../data/axis.ts";
import { colour, theme } from "../look/theme.ts";
import { type Band, bandsOf, type Weighed } from "./bands.ts";
import { Ground, type Surface } from "./canvas.ts";
import { colourOfLevel, levelOf, LEVELS } from "./colours.ts";

/** More rows than these are drawn as bands. */
export const MOST_LINES = 1500;
const BINS = 24;

export interface Places {
  /** The x of each axis. */
  xs: number[];
  /** The y of a position. */
  y: (position: number) => number;
  /** The height of the range from 0 to 1. */
  height: number;
}

export interface Lines extends Weighed {
  axes: readonly Axis[];
  places: Places;
}

/** Draw the rows that a mask marks; quiet ones all in one pale colour. */
export class ParallelLines {
  private bins: Bins[] = [];
  private binned: readonly Axis[] = [];
  /** All rows in a pale colour: what is behind the selected ones. */
  private readonly ground: Ground;

  constructor(private readonly surface: Surface) {
    this.ground = new Ground(surface);
  }

  draw(lines: Lines, selected: Uint8Array, all: Uint8Array, isFiltered: boolean): void {
    const draw = selected.length <= MOST_LINES ? this.drawLines : this.drawBands;
    if (isFiltered) {
      const facts = [...lines.axes, lines.weights, theme(), lines.places.xs.join(" ")];
      this.ground.draw(facts, () => {
        draw.call(this, lines, all, true);
        this.surface.pen.globalAlpha = 1;
      });
    }
    draw.call(this, lines, selected, false);
    this.surface.pen.globalAlpha = 1;
  }

  private drawLines(lines: Lines, mask: Uint8Array, quiet: boolean): void {
    const { pen } = this.surface;
    const byLevel: number[][] = Array.from({ length: LEVELS + 1 }, () => []);
    let rows = 0;
    for (let row = 0; row < mask.length; row++) {
      if (!mask[row]) continue;
      byLevel[quiet ? 0 : levelOf(lines.qualities[row]!) + 1]!.push(row);
      rows++;
    }
    pen.globalAlpha = quiet ? 0.35 : Math.min(0.9, Math.max(0.3, 9 / Math.sqrt(rows)));
    pen.lineWidth = rows > 300 ? 1 : 1.5;
    byLevel.forEach((members, place) => {
      pen.strokeStyle = quiet ? colour("--mute") : colourOfLevel(place - 1);
      for (const row of members) this.line(lines, row);
    });
  }

  /** Draw one row so that it stands out. */
  drawOne(lines: Pick<Lines, "axes" | "places">, row: number): void {
    const { pen } = this.surface;
    for (const [width, ink] of [
      [5, colour("--panel")],
      [2.5, colour("--ink")],
    ] as const) {
      pen.lineWidth = width;
      pen.strokeStyle = ink;
      this.line(lines, row);
    }
  }

  private line({ axes, places: { xs, y } }: Pick<Lines, "axes" | "places">, row: number): void {
    const { pen } = this.surface;
    pen.beginPath();
    for (let place = 0; place < axes.length; place++) {
      const at = y(axes[place]!.positions[row]!);
      if (place === 0) pen.moveTo(xs[0]!, at);
      else curve(pen, xs[place - 1]!, y(axes[place - 1]!.positions[row]!), xs[place]!, at);
    }
    pen.stroke();
  }

  private drawBands(lines: Lines, mask: Uint8Array, quiet: boolean): void {
    const { axes, places } = lines;
    if (this.binned.length !== axes.length || axes.some((axis, place) => axis !== this.binned[place])) {
      this.binned = [...axes];
      this.bins = axes.map((axis) => binsOf(axis, BINS));
    }
    const thick = places.height / BINS;
    for (let place = 1; place < axes.length; place++) {
      const bands = bandsOf(this.bins[place - 1]!, this.bins[place]!, mask, lines);
      const most = bands.reduce((largest, band) => Math.max(largest, band.rows), 1);
      const x = [places.xs[place - 1]!, places.xs[place]!] as const;
      for (const band of bands) this.band(band, x, places, (band.rows / most) * thick, quiet);
    }
  }

  private band(band: Band, x: readonly [number, number], { y }: Places, thick: number, quiet: boolean): void {
    const { pen } = this.surface;
    pen.globalAlpha = quiet ? 0.4 : 0.3 + 0.35 * Math.min(1, thick / 6);
    pen.lineWidth = Math.max(0.8, thick);
    pen.strokeStyle = quiet ? colour("--mute") : colourOfLevel(levelOf(band.quality));
    pen.beginPath();
    pen.moveTo(x[0], y(band.from));
    curve(pen, x[0], y(band.from), x[1], y(band.to));
    pen.stroke();
  }
}

function curve(pen: CanvasRenderingContext2D, x0: number, y0: number, x1: number, y1: number): void {
  const bend = (x1 - x0) * 0.4;
  pen.bezierCurveTo(x0 + bend, y0, x1 - bend, y1, x1, y1);
}
