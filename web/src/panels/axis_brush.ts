/** Selecting a part of one axis, with the mouse, a finger or the keyboard. */

import { type Axis, bottom, nearest, SLOT, textAt } from "../data/axis.ts";
import type { Range } from "../data/view.ts";
import { element } from "../look/element.ts";

const CLICK = 4; // pixels that a pointer may move in a click
const STEPS = 20; // of a key over a range of numbers

export interface Geometry {
  x: number;
  top: number;
  bottom: number;
  /** The y of a position, and the position of a y. */
  y: (position: number) => number;
  at: (y: number) => number;
}

export class AxisBrush {
  readonly element = element("div", { class: "axis" });
  private readonly area = element("div", { class: "axis-area" });
  private readonly thumbs: [HTMLElement, HTMLElement];
  private readonly marks = element("div");
  private ranges: readonly Range[] = [];
  private geometry: Geometry = { x: 0, top: 0, bottom: 0, y: (at) => at, at: (y) => y };
  private grip = NaN; // the position where the pointer went down

  constructor(
    private axis: Axis,
    private readonly changed: (ranges: readonly Range[]) => void,
  ) {
    const name = axis.column.name;
    this.thumbs = [this.thumb(name, 0), this.thumb(name, 1)];
    this.element.append(this.area, this.marks, ...this.thumbs);
    this.area.title = "Drag to select a range, click on a label to select it, double-click to select all";
    this.area.addEventListener("pointerdown", (event) => this.press(event));
    this.area.addEventListener("dblclick", () => this.changed([]));
  }

  private thumb(name: string, end: 0 | 1): HTMLElement {
    return element("div", {
      class: "thumb",
      role: "slider",
      tabindex: 0,
      "aria-label": `${name}, ${end ? "upper" : "lower"} end of the selection`,
      "aria-orientation": "vertical",
      "aria-valuemin": 0,
      "aria-valuemax": 100,
      on: { keydown: (event) => this.key(event, end) },
    });
  }

  /** Show these ranges of the axis at its place. */
  place(axis: Axis, ranges: readonly Range[], geometry: Geometry): void {
    this.axis = axis;
    this.ranges = ranges;
    this.geometry = geometry;
    const { x, top, y } = geometry;
    this.area.style.left = `${x - 18}px`;
    this.area.style.top = `${top - 8}px`;
    this.area.style.height = `${geometry.bottom - top + 16}px`;
    this.marks.replaceChildren(...ranges.map((range) => this.mark(range)));
    this.thumbs.forEach((thumb, end) => {
      const at = this.ends[end]!;
      thumb.style.left = `${x}px`;
      thumb.style.top = `${y(at) + (end ? -5 : 5)}px`;
      thumb.classList.toggle("set", ranges.length > 0);
      thumb.setAttribute("aria-valuenow", String(Math.round(this.share(at) * 100)));
      thumb.setAttribute("aria-valuetext", textAt(axis, at));
    });
  }

  private mark([low, high]: Range): HTMLElement {
    const mark = element("div", { class: "brush" });
    const { x, y } = this.geometry;
    mark.style.left = `${x - 8}px`;
    mark.style.top = `${y(high) - 4}px`;
    mark.style.height = `${y(low) - y(high) + 8}px`;
    return mark;
  }

  /** The lowest and the highest selected position. */
  private get ends(): [number, number] {
    if (!this.ranges.length) return [bottom(this.axis), 1];
    const lows = this.ranges.map(([low]) => low);
    const highs = this.ranges.map(([, high]) => high);
    return [Math.min(...lows), Math.max(...highs)];
  }

  private share(at: number): number {
    const low = bottom(this.axis);
    return (at - low) / (1 - low);
  }

  /** Where an end of the selection may stand when it is moved with keys, in ascending order. */
  private get stops(): number[] {
    const { axis } = this;
    const few = axis.isPoints && axis.ticks.length > 1;
    const steps = Array.from({ length: STEPS + 1 }, (_, step) => step / STEPS);
    const ticks = few ? axis.ticks.map((tick) => tick.at) : steps;
    return [...axis.slots.map((slot) => slot.at), ...ticks].sort((a, b) => a - b);
  }

  private key(event: KeyboardEvent, end: 0 | 1): void {
    const { key } = event;
    if (key === "Escape" || key === "Delete" || key === "Backspace") {
      if (!this.ranges.length) return;
      event.preventDefault();
      return this.changed([]);
    }
    const moved = this.moved(key, end);
    if (moved === null) return;
    event.preventDefault();
    const ends = this.ends;
    ends[end] = end ? Math.max(ends[0], moved) : Math.min(ends[1], moved);
    const whole = ends[0] <= bottom(this.axis) && ends[1] >= 1;
    this.changed(whole ? [] : [ends]);
  }

  private moved(key: string, end: 0 | 1): number | null {
    const stops = this.stops;
    const at = this.ends[end];
    if (key === "Home") return stops[0]!;
    if (key === "End") return stops.at(-1)!;
    const large = Math.max(1, Math.round(stops.length / 5));
    const step = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: large, PageDown: -large }[
      key
    ];
    if (step === undefined) return null;
    const passed =
      step > 0 ? stops.filter((stop) => stop > at + 1e-6) : stops.filter((stop) => stop < at - 1e-6);
    if (!passed.length) return at;
    return step > 0 ? passed[Math.min(step, passed.length) - 1]! : passed[Math.max(passed.length + step, 0)]!;
  }

  private press(event: PointerEvent): void {
    if (event.button !== 0) return;
    const start = event.clientY;
    const kept = event.shiftKey ? this.ranges : [];
    this.grip = this.position(event);
    this.area.setPointerCapture(event.pointerId);
    const move = (moved: PointerEvent): void => {
      if (Math.abs(moved.clientY - start) < CLICK) return;
      const at = this.position(moved);
      this.changed([...kept, [Math.min(this.grip, at), Math.max(this.grip, at)]]);
    };
    const end = (ended: PointerEvent): void => {
      this.area.removeEventListener("pointermove", move);
      this.area.removeEventListener("pointerup", end);
      this.area.removeEventListener("pointercancel", end);
      if (ended.type === "pointerup" && Math.abs(ended.clientY - start) < CLICK) this.click(this.grip);
    };
    this.area.addEventListener("pointermove", move);
    this.area.addEventListener("pointerup", end);
    this.area.addEventListener("pointercancel", end);
  }

  private position(event: PointerEvent): number {
    const y = event.clientY - this.element.getBoundingClientRect().top;
    return Math.min(1.02, Math.max(bottom(this.axis) - SLOT / 2, this.geometry.at(y)));
  }

  /** Select the label that was clicked, or take it out; elsewhere, select everything. */
  private click(at: number): void {
    const marks = this.axis.isPoints ? [...this.axis.ticks, ...this.axis.slots] : this.axis.slots;
    const hit = nearest(marks, at);
    if (!hit || Math.abs(hit.at - at) > SLOT / 2 + 0.02)
      return this.ranges.length ? this.changed([]) : undefined;
    const others = this.ranges.filter(([low, high]) => hit.at < low - 1e-6 || hit.at > high + 1e-6);
    this.changed(others.length < this.ranges.length ? others : [...others, [hit.at, hit.at]]);
  }
}
