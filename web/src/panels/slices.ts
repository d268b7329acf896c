/** The result against each field: a point for each row, and the mean. */

import type { Axis } from "../data/axis.ts";
import { counted } from "../data/numbers.ts";
import { trendOf } from "../data/trend.ts";
import type { Change, View } from "../data/view.ts";
import { onWidth, Surface } from "../drawing/canvas.ts";
import { colourOfLevel, levelOf, LEVELS } from "../drawing/colours.ts";
import { Plot } from "../drawing/plot.ts";
import { element, fill, panel } from "../look/element.ts";
import { colour } from "../look/theme.ts";
import { ranked } from "./field_order.ts";
import type { Panel } from "./panel.ts";
import { followPointer, nearestRow } from "./slice_pointer.ts";

const MOST = 12;
const MOST_POINTS = 4000;
const HEIGHT = 170;
const CELL = 5; // pixels of a cell, where points are too many

interface Slice {
  name: string;
  surface: Surface;
  plot: Plot | null;
}

export class Slices implements Panel {
  readonly element: HTMLElement;
  private readonly grid = element("div", { class: "slices" });
  private readonly text = element("p", { class: "quiet" });
  private slices: Slice[] = [];

  constructor(
    private readonly view: View,
    private readonly open: (row: number) => void,
  ) {
    this.element = panel("slices", "The result against each field", this.text, this.grid);
    onWidth(this.grid, () => this.draw("selection"));
  }

  draw(change: Change): void {
    const { view } = this;
    this.element.hidden = !view.measured || !view.table.varying.length;
    if (this.element.hidden) return;
    if (change !== "selection" || !this.slices.length) this.takeFields();
    const up = view.axis(view.measure);
    for (const slice of this.slices) this.drawSlice(slice, view.axis(slice.name), up);
  }

  private takeFields(): void {
    const { view } = this;
    const fields = ranked(view, view.table.varying);
    const left = fields.length - MOST;
    fill(
      this.text,
      `${view.measure}: a point for each row, a line for the mean. Drag to select a range. Click on a point to open its row. `,
      left > 0 && `${counted(left, "less important field")} left out.`,
    );
    this.slices = fields
      .slice(0, MOST)
      .map(({ name }) => ({ name, surface: new Surface(`${view.measure} against ${name}`), plot: null }));
    for (const slice of this.slices) this.follow(slice);
    const figures = this.slices.map(({ name, surface }) =>
      element("figure", {}, element("figcaption", { title: name }, name), surface.canvas),
    );
    fill(this.grid, ...figures);
  }

  private follow(slice: Slice): void {
    const click = (x: number, y: number): void => {
      const { view } = this;
      const { plot } = slice;
      if (!plot || view.table.length > MOST_POINTS) return;
      const across = view.axis(slice.name);
      const up = view.axis(view.measure);
      const xs = (row: number): number => plot.x(across.positions[row]!) + jitterOf(across) * spread(row);
      const row = nearestRow(xs, (each) => plot.y(up.positions[each]!), view.mask, x, y);
      if (row !== null) this.open(row);
    };
    followPointer(
      slice.surface.canvas,
      () => slice.plot,
      (ranges) => this.view.brush(slice.name, ranges),
      click,
    );
  }

  private drawSlice(slice: Slice, across: Axis, up: Axis): void {
    const { view } = this;
    const { surface } = slice;
    const width = surface.canvas.parentElement!.clientWidth;
    surface.clear(width, HEIGHT);
    const plot = new Plot(surface, across, up);
    slice.plot = plot;
    plot.drawAxes();
    if (view.table.length > MOST_POINTS) this.drawCells(surface, plot, across, up);
    else this.drawPoints(surface, plot, across, up);
    surface.pen.globalAlpha = 1;
    this.drawTrend(surface, plot, across, up);
  }

  private drawPoints({ pen }: Surface, plot: Plot, across: Axis, up: Axis): void {
    const { view } = this;
    const jitter = jitterOf(across);
    const size = view.table.length > 500 ? 1.6 : 2.4;
    const passes = view.isFiltered ? [0, 1] : [1];
    for (const pass of passes) {
      pen.globalAlpha = pass ? 0.6 : 0.4;
      for (let row = 0; row < view.mask.length; row++) {
        if (view.mask[row] !== pass) continue;
        const x = plot.x(across.positions[row]!) + jitter * spread(row);
        pen.fillStyle = pass ? colourOfLevel(levelOf(view.quality(row))) : colour("--mute");
        pen.beginPath();
        pen.arc(x, plot.y(up.positions[row]!), size, 0, 7);
        pen.fill();
      }
    }
  }

  /** Many rows as cells, which are the darker the more rows they have. */
  private drawCells(surface: Surface, plot: Plot, across: Axis, up: Axis): void {
    const { pen, width, height } = surface;
    const { mask } = this.view;
    const columns = Math.ceil(width / CELL);
    const counts = new Uint32Array(columns * Math.ceil(height / CELL));
    const qualities = new Float64Array(counts.length).fill(NaN);
    for (let row = 0; row < mask.length; row++) {
      if (!mask[row]) continue;
      const at = up.positions[row]!;
      const column = Math.floor((plot.x(across.positions[row]!) + 8 * spread(row)) / CELL);
      const cell = Math.floor(plot.y(at) / CELL) * columns + column;
      counts[cell]!++;
      if (at >= 0) qualities[cell] = this.view.direction === "maximize" ? at : 1 - at;
    }
    const most = Math.log1p(counts.reduce((largest, each) => Math.max(largest, each), 1));
    for (let cell = 0; cell < counts.length; cell++) {
      if (!counts[cell]) continue;
      pen.globalAlpha = 0.15 + (0.75 * Math.log1p(counts[cell]!)) / most;
      pen.fillStyle = colourOfLevel(Math.min(LEVELS - 1, levelOf(qualities[cell]!)));
      pen.fillRect((cell % columns) * CELL, Math.floor(cell / columns) * CELL, CELL, CELL);
    }
  }

  private drawTrend({ pen }: Surface, plot: Plot, across: Axis, up: Axis): void {
    const points = trendOf(across, up, this.view.mask, this.view.table.weights);
    pen.strokeStyle = colour("--ink");
    pen.fillStyle = colour("--ink");
    pen.lineWidth = 1.5;
    pen.beginPath();
    let connected = false;
    for (const { at, mean } of points) {
      if (at < 0 || across.scale === "label") connected = false;
      if (connected) pen.lineTo(plot.x(at), plot.y(mean));
      else pen.moveTo(plot.x(at), plot.y(mean));
      connected = at >= 0 && across.scale !== "label";
    }
    pen.stroke();
    for (const { at, mean } of points) pen.fillRect(plot.x(at) - 5, plot.y(mean) - 1.5, 10, 3);
  }
}

/** How far points of one value are spread, in pixels. */
const jitterOf = (across: Axis): number => (across.isPoints ? 7 : 0);

/** A number between -1 and 1 that is always the same for a row. */
const spread = (row: number): number => ((row * 2654435761) >>> 0) / 2 ** 31 - 1;
