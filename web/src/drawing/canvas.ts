/** A canvas that is as sharp as the screen. */

import { element, visible } from "../look/element.ts";

const LONGEST = 200; // characters of a text on a canvas

export class Surface {
  readonly canvas: HTMLCanvasElement;
  readonly pen: CanvasRenderingContext2D;
  width = 0;
  height = 0;

  constructor(label: string) {
    this.canvas = element("canvas", { role: "img", "aria-label": label });
    const pen = this.canvas.getContext("2d");
    if (!pen) throw new Error("this browser has no canvas");
    this.pen = pen;
  }

  /** Say in words what is drawn. */
  describe(text: string): void {
    this.canvas.setAttribute("aria-label", text);
  }

  /** Empty the canvas, and give it a size in CSS pixels. */
  clear(width: number, height: number): void {
    const ratio = Math.min(window.devicePixelRatio || 1, 2);
    this.width = width;
    this.height = height;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    this.pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.pen.font = "12px system-ui, sans-serif";
    this.pen.textBaseline = "middle";
  }

  /** Text that is cut so that it is at most so wide. */
  fitted(whole: string, width: number): string {
    const text = visible(whole.slice(0, LONGEST));
    if (this.pen.measureText(text).width <= width) return text;
    let low = 0;
    let high = text.length;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.pen.measureText(`${text.slice(0, middle)}…`).width <= width) low = middle;
      else high = middle - 1;
    }
    return `${text.slice(0, low)}…`;
  }

  /** Text that is cut at its start, for names that end with what differs. */
  fittedEnd(whole: string, width: number): string {
    const text = visible(whole.slice(-LONGEST));
    if (this.pen.measureText(text).width <= width) return text;
    let start = 1;
    while (start < text.length && this.pen.measureText(`…${text.slice(start)}`).width > width) start++;
    return `…${text.slice(start).replace(/^[.]/, "")}`;
  }

  /** Text on a ground of its own, so that it can be read on lines. */
  write(text: string, x: number, y: number, ink: string, ground: string): void {
    this.pen.globalAlpha = 0.8;
    this.pen.fillStyle = ground;
    this.pen.fillRect(x - 2, y - 7, this.pen.measureText(text).width + 4, 14);
    this.pen.globalAlpha = 1;
    this.pen.fillStyle = ink;
    this.pen.fillText(text, x, y);
  }
}

/** What is first drawn on an empty canvas; it is kept as a picture until the facts change. */
export class Ground {
  private picture: HTMLCanvasElement | null = null;
  private facts: readonly unknown[] = [];

  constructor(private readonly surface: Surface) {}

  draw(facts: readonly unknown[], make: () => void): void {
    const { canvas, pen } = this.surface;
    const wanted = [canvas.width, canvas.height, ...facts];
    const isSame = wanted.length === this.facts.length && wanted.every((x, place) => x === this.facts[place]);
    if (isSame && this.picture) {
      pen.save();
      pen.resetTransform();
      pen.drawImage(this.picture, 0, 0);
      pen.restore();
      return;
    }
    make();
    this.facts = wanted;
    this.picture = element("canvas", { width: canvas.width, height: canvas.height });
    this.picture.getContext("2d")?.drawImage(canvas, 0, 0);
  }
}

/** Call a function when an element has got another width. */
export function onWidth(observed: Element, changed: () => void): void {
  let width = observed.clientWidth;
  new ResizeObserver(() => {
    if (observed.clientWidth === width) return;
    width = observed.clientWidth;
    changed();
  }).observe(observed);
}
