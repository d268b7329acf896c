/** A small plot of a column against another: where its axes are, and how they are drawn. */

import { type Axis, bottom } from "../data/axis.ts";
import { colour } from "../look/theme.ts";
import type { Surface } from "./canvas.ts";

export interface Margins {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

const MARGINS: Margins = { left: 62, right: 12, top: 8, bottom: 24 };

const MOST_TICKS = 40;
const FEW_TICKS = 12; // as many may have their labels in two lines
const LINE = 13; // pixels of a line of labels

/** The label of a tick of the lower axis: its middle, and 1 if it stands in a second line. */
interface Label {
  x: number;
  middle: number;
  text: string;
  line: number;
}

export class Plot {
  private readonly lowX: number;
  private readonly lowY: number;
  private readonly labels: Label[];
  private readonly margins: Margins;

  constructor(
    private readonly surface: Surface,
    private readonly across: Axis,
    private readonly up: Axis,
  ) {
    this.lowX = bottom(across);
    this.lowY = bottom(up);
    this.margins = MARGINS;
    this.labels = this.labelsAcross();
    const lines = Math.max(0, ...this.labels.map(({ line }) => line));
    this.margins = { ...MARGINS, bottom: MARGINS.bottom + lines * LINE };
  }

  /** The labels of the lower axis that have room. */
  private labelsAcross(): Label[] {
    const { pen, width } = this.surface;
    const ticks = this.ticksOf(this.across);
    const ends = ticks.length <= FEW_TICKS ? [-Infinity, -Infinity] : [-Infinity];
    const labels: Label[] = [];
    for (const tick of ticks) {
      const x = this.x(tick.at);
      const text = this.surface.fitted(tick.label, 90);
      const half = pen.measureText(text).width / 2;
      const middle = Math.min(width - half - 1, Math.max(half + 1, x));
      const line = ends.findIndex((end) => middle - half >= end + 6);
      if (line < 0) continue;
      ends[line] = middle + half;
      labels.push({ x, middle, text, line });
    }
    return labels;
  }

  x(position: number): number {
    const { left, right } = this.margins;
    const width = this.surface.width - left - right - 8;
    return left + 8 + ((position - this.lowX) / (1 - this.lowX)) * width;
  }

  y(position: number): number {
    const { top, bottom: below } = this.margins;
    const height = this.surface.height - top - below - 8;
    return top + (1 - (position - this.lowY) / (1 - this.lowY)) * height;
  }

  /** The positions of a point of the canvas. */
  positionX(x: number): number {
    const { left, right } = this.margins;
    return this.lowX + ((x - left - 8) / (this.surface.width - left - right - 8)) * (1 - this.lowX);
  }

  drawAxes(): void {
    const { pen, width, height } = this.surface;
    const { left, right, bottom: below } = this.margins;
    pen.strokeStyle = colour("--line");
    pen.lineWidth = 1;
    pen.textAlign = "right";
    let last = Infinity;
    for (const tick of this.ticksOf(this.up)) {
      const y = Math.round(this.y(tick.at)) + 0.5;
      if (last - y < (tick.at < 0 ? 9 : 13)) continue;
      last = y;
      pen.beginPath();
      pen.moveTo(left, y);
      pen.lineTo(width - right, y);
      pen.stroke();
      pen.fillStyle = colour("--ink-2");
      pen.fillText(this.surface.fitted(tick.label, left - 8), left - 6, y);
    }
    pen.textAlign = "center";
    pen.fillStyle = colour("--ink-2");
    for (const { x, middle, text, line } of this.labels) {
      pen.fillText(text, middle, height - below + MARGINS.bottom / 2 + 2 + line * LINE);
      pen.fillRect(x, height - below - 1, 1, 4);
    }
    pen.textAlign = "left";
  }

  private ticksOf(axis: Axis): { at: number; label: string }[] {
    const slots = axis.slots.map((slot) =>
      slot.label.startsWith("does not") ? { ...slot, label: "–" } : slot,
    );
    const step = Math.ceil(axis.ticks.length / MOST_TICKS);
    const ticks = axis.ticks.filter((_, place) => place % step === 0);
    return [...slots, ...ticks].sort((a, b) => a.at - b.at);
  }
}
