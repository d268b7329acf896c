/** Parallel coordinates: every row as a line through its fields, to its result. */

import { type Axis, bottom } from "../data/axis.ts";
import { counted } from "../data/numbers.ts";
import type { Change, View } from "../data/view.ts";
import { onWidth, Surface } from "../drawing/canvas.ts";
import { shade } from "../drawing/colours.ts";
import { ParallelLines, type Places } from "../drawing/parallel_lines.ts";
import { element, fill, panel } from "../look/element.ts";
import { colour } from "../look/theme.ts";
import { AxisBrush, type Geometry } from "./axis_brush.ts";
import { fieldsByImportance } from "./field_order.ts";
import type { Panel } from "./panel.ts";

const TOP = 34;
const BOTTOM = 14;
const HEIGHT = 330;
const SIDE = 26;
const NARROWEST = 96; // pixels between axes
const MOST_AXES = 24;

/** The colours from the worst to the best row. */
function ramp(): HTMLElement {
  const shown = element("span", { class: "ramp", "aria-hidden": "true" });
  const shades = Array.from({ length: 6 }, (_, place) => shade(place / 5));
  shown.style.background = `linear-gradient(90deg, ${shades.join(", ")})`;
  return shown;
}

export class Parallel implements Panel {
  readonly element: HTMLElement;
  private readonly surface = new Surface("");
  private readonly lines = new ParallelLines(this.surface);
  private readonly over = new Surface("");
  private readonly pointed = new ParallelLines(this.over);
  private places: Places | null = null;
  private readonly stage = element("div", { class: "stage" });
  private readonly titles = element("div", { "aria-hidden": "true" });
  private readonly scroller = element("div", { class: "wide" }, this.stage);
  private readonly hint = element("p", { class: "quiet" });
  private brushes = new Map<string, AxisBrush>();
  private axes: Axis[] = [];
  private qualities = new Float32Array(0);
  private all = new Uint8Array(0);

  constructor(private readonly view: View) {
    this.element = panel("parallel", "Parallel coordinates", this.hint, this.scroller);
    this.over.canvas.classList.add("over");
    this.over.canvas.setAttribute("aria-hidden", "true");
    this.stage.append(this.surface.canvas, this.over.canvas, this.titles);
    view.onPointed((row) => this.point(row));
    onWidth(this.scroller, () => this.draw("selection"));
  }

  draw(change: Change): void {
    if (change !== "selection" || !this.axes.length) this.takeAxes();
    this.element.hidden = this.axes.length < 2;
    if (this.element.hidden) return;
    const wanted = 2 * SIDE + 70 + (this.axes.length - 1) * NARROWEST;
    const width = Math.max(this.scroller.clientWidth, wanted);
    this.surface.clear(width, HEIGHT);
    this.stage.style.width = `${width}px`;
    const geometry = this.geometryOf(width);
    const places = { xs: geometry.map(({ x }) => x), y: geometry[0]!.y, height: geometry[0]!.y(0) - TOP };
    this.places = places;
    this.drawLines(places, this.view.isFiltered);
    this.drawAxes(geometry);
    this.placeBrushes(geometry);
  }

  private drawLines(places: Places, isFiltered: boolean): void {
    const { mask, table } = this.view;
    const lines = { axes: this.axes, places, qualities: this.qualities, weights: table.weights };
    this.lines.draw(lines, mask, this.all, isFiltered);
  }

  /** Draw what stands behind selected rows, which takes longest; then draw all of it again. */
  prepare(): void {
    if (this.element.hidden || !this.places || this.view.isFiltered) return;
    this.drawLines(this.places, true);
    this.draw("selection");
  }

  /** Make the line of a row stand out. */
  private point(row: number | null): void {
    this.over.clear(this.surface.width, this.surface.height);
    if (row === null || !this.places || row >= this.view.table.length) return;
    this.pointed.drawOne({ axes: this.axes, places: this.places }, row);
  }

  private takeAxes(): void {
    const { view } = this;
    const fields = fieldsByImportance(view, MOST_AXES);
    const names = [...fields.map((field) => field.name), ...(view.measure ? [view.measure] : [])];
    this.axes = names.map((name) => view.axis(name));
    this.qualities = new Float32Array(view.table.length);
    for (let row = 0; row < this.qualities.length; row++) this.qualities[row] = view.quality(row);
    this.all = new Uint8Array(view.table.length).fill(1);
    const left = view.table.varying.length - fields.length;
    fill(
      this.hint,
      "To select rows, drag along an axis, or use Tab and the arrow keys. Click on a label to select it. ",
      left > 0 && `${counted(left, "less important field")} left out. `,
      ...(view.measure
        ? [
            `Coloured by ${view.measure}: `,
            ramp(),
            " with the best on the right. Rows without a value are red.",
          ]
        : []),
    );
    this.surface.describe(`Parallel coordinates: ${names.join(", ")}. The table below has the same rows.`);
    this.takeBrushes(names);
  }

  private takeBrushes(names: string[]): void {
    const before = this.brushes;
    this.brushes = new Map(
      names.map((name, place) => [
        name,
        before.get(name) ?? new AxisBrush(this.axes[place]!, (ranges) => this.view.brush(name, ranges)),
      ]),
    );
    for (const [name, brush] of before) if (!this.brushes.has(name)) brush.element.remove();
    for (const brush of this.brushes.values())
      if (!brush.element.isConnected) this.stage.append(brush.element);
    fill(this.titles, ...names.map((name) => element("div", { class: "axis-title", title: name }, name)));
  }

  private geometryOf(width: number): Geometry[] {
    const lowest = Math.min(...this.axes.map(bottom));
    const unit = (HEIGHT - TOP - BOTTOM) / (1 - lowest);
    const step = (width - 2 * SIDE - 70) / (this.axes.length - 1);
    const y = (position: number): number => TOP + (1 - position) * unit;
    const at = (pixel: number): number => 1 - (pixel - TOP) / unit;
    return this.axes.map((axis, place) => ({
      x: SIDE + place * step,
      top: TOP,
      bottom: y(bottom(axis)),
      y,
      at,
    }));
  }

  private drawAxes(geometry: Geometry[]): void {
    const { pen } = this.surface;
    const ink = colour("--ink");
    const ground = colour("--panel");
    const step = geometry[1]!.x - geometry[0]!.x;
    this.axes.forEach((axis, place) => {
      const { x, y } = geometry[place]!;
      pen.strokeStyle = colour("--line-strong");
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(Math.round(x) + 0.5, y(1) - 4);
      pen.lineTo(Math.round(x) + 0.5, y(0) + 4);
      pen.stroke();
      let last = Infinity;
      const ticks = [...axis.slots].reverse().concat(axis.ticks);
      for (const tick of ticks) {
        const at = y(tick.at);
        if (last - at < 13) continue;
        last = at;
        pen.fillStyle = colour("--line-strong");
        pen.fillRect(x - 2, at - 0.5, 5, 1);
        const text = this.surface.fitted(
          tick.at < 0 && tick.label.startsWith("does not") ? "–" : tick.label,
          step - 16,
        );
        this.surface.write(text, x + 6, at, ink, ground);
      }
    });
    pen.font = "600 12px system-ui, sans-serif";
    [...this.titles.children].forEach((title, place) => {
      title.textContent = this.surface.fittedEnd(this.axes[place]!.column.name, step - 10);
      const style = (title as HTMLElement).style;
      style.left = `${geometry[place]!.x - (place ? 8 : 20)}px`;
      style.maxWidth = `${step - 6}px`;
    });
  }

  private placeBrushes(geometry: Geometry[]): void {
    this.axes.forEach((axis, place) => {
      const name = axis.column.name;
      this.brushes.get(name)!.place(axis, this.view.brushes.get(name) ?? [], geometry[place]!);
    });
  }
}
