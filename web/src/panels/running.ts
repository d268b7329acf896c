/** The settings that run now, with their newest step. */

import type { RunningFacts } from "../data/about.ts";
import { labelOf } from "../data/column.ts";
import { count, duration } from "../data/numbers.ts";
import type { View } from "../data/view.ts";
import { element, fill, panel } from "../look/element.ts";
import type { Panel } from "./panel.ts";

const MOST = 24;
const LINE = 1.45; // rem, the height of a line
const SECOND = 1000; // milliseconds

const pairs = (values: Record<string, unknown>, sign: string): string =>
  Object.entries(values)
    .map(([name, value]) => `${name}${sign}${labelOf(value)}`)
    .join(", ");

export class Running implements Panel {
  readonly element: HTMLElement;
  private readonly list = element("ul", { class: "running" });

  private tallest = 0; // lines, since settings run

  constructor(private readonly view: View) {
    this.element = panel("running", "Running", this.list);
    if (view.about.live) setInterval(() => this.tick(), SECOND);
  }

  draw(): void {
    const { running, counts, live } = this.view.about;
    this.element.hidden = !running.length && !(live && counts.running);
    // The panels below keep their places while settings end and begin.
    this.tallest = this.element.hidden ? 0 : Math.max(this.tallest, Math.min(running.length, MOST));
    this.list.style.minHeight = `${this.tallest * LINE}rem`;
    const items = running.slice(0, MOST).map((each) => this.item(each));
    const rest = running.length - items.length;
    if (!items.length)
      items.push(element("li", { class: "quiet" }, "None of them has run for half a second yet."));
    fill(this.list, ...items, rest > 0 && element("li", { class: "quiet" }, `and ${count(rest)} more`));
  }

  private item(each: RunningFacts): HTMLElement {
    const { table } = this.view;
    const varying = new Set(table.varying.map(({ name }) => name));
    const fields = Object.entries(each.fields).filter(
      ([name]) => table.length < 2 || varying.has(name) || !table.has(name),
    );
    const time = element("span", { "data-started": each.started || undefined }, elapsed(each));
    return element(
      "li",
      {},
      element("span", { class: "mono" }, each.key.slice(0, 8)),
      time,
      each.inSetup && element("span", { class: "quiet" }, "in setup"),
      element("span", {}, pairs(Object.fromEntries(fields), "=")),
      element(
        "span",
        { class: "quiet" },
        [each.step && `step ${each.step}`, pairs(each.values, " ")].filter(Boolean).join(": "),
      ),
    );
  }

  /** Show how long settings have been running by now. */
  private tick(): void {
    if (this.element.hidden) return;
    for (const time of this.list.querySelectorAll<HTMLElement>("[data-started]")) {
      time.textContent = since(Number(time.dataset.started));
    }
  }
}

/** How long a setting has been running; where that is not known, when its newest step was. */
const elapsed = ({ started, seconds }: RunningFacts): string =>
  started ? since(started) : seconds > 0 ? duration(seconds) : "";

const since = (started: number): string => duration(Math.max(0, Math.round(Date.now() / SECOND - started)));
