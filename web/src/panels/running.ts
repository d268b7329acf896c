/** The settings that run now, with their newest step; on the board alone. */

import { labelOf } from "../data/column.ts";
import { count, duration } from "../data/numbers.ts";
import type { View } from "../data/view.ts";
import { element, fill, panel } from "../look/element.ts";
import type { Panel } from "./panel.ts";

const MOST = 24;
const LINE = 1.45; // rem, the height of a line

export class Running implements Panel {
  readonly element: HTMLElement;
  private readonly list = element("ul", { class: "running" });

  private tallest = 0; // lines, since settings run

  constructor(private readonly view: View) {
    this.element = panel("running", "Running", this.list);
  }

  draw(): void {
    const { running, counts, live } = this.view.about;
    this.element.hidden = !running.length && !(live && counts.running);
    // The panels below keep their places while settings end and begin.
    this.tallest = this.element.hidden ? 0 : Math.max(this.tallest, Math.min(running.length, MOST));
    this.list.style.minHeight = `${this.tallest * LINE}rem`;
    const items = running.slice(0, MOST).map(({ key, step, seconds, values }) => {
      const shown = Object.entries(values)
        .map(([name, value]) => `${name} ${labelOf(value)}`)
        .join(", ");
      return element(
        "li",
        {},
        element("span", { class: "mono" }, key.slice(0, 8)),
        element(
          "span",
          {},
          [step && `step ${step}`, seconds > 0 && duration(seconds)].filter(Boolean).join(", "),
        ),
        element("span", { class: "quiet" }, shown),
      );
    });
    const rest = running.length - items.length;
    if (!items.length) items.push(element("li", { class: "quiet" }, "No step yet."));
    fill(this.list, ...items, rest > 0 && element("li", { class: "quiet" }, `and ${count(rest)} more`));
  }
}
