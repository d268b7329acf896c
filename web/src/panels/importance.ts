/** How much of the variance of the result each field explains. */

import { counted, percent } from "../data/numbers.ts";
import type { View } from "../data/view.ts";
import { element, fill, panel } from "../look/element.ts";
import type { Panel } from "./panel.ts";

const MOST = 14;
const LONGEST = 32; // characters of a name

export class ImportancePanel implements Panel {
  readonly element: HTMLElement;
  private readonly text = element("p", { class: "quiet" });
  private readonly list = element("ul", { class: "bars" });

  constructor(private readonly view: View) {
    this.element = panel("importance", "What matters", this.text, this.list);
    this.element.classList.add("half");
  }

  draw(): void {
    const { view } = this;
    const shares = [...(view.about.importance[view.measure] ?? [])].sort((a, b) => b.share - a.share);
    this.element.hidden = shares.length === 0;
    const settings = Math.max(0, ...shares.map((each) => each.settings));
    const over = settings ? `over ${counted(settings, "setting")}` : "over all settings";
    const how = shares.every((each) => each.exact) ? "exact" : "estimated";
    fill(
      this.text,
      `The share of the variance of ${view.measure} that each field explains, ${over} (${how}). It does not change when you select rows.`,
    );
    const bars = shares.slice(0, MOST).map(({ field, share, within }) => {
      const bar = element("span", { class: "bar-fill" });
      bar.style.width = `${Math.min(100, Math.max(0.5, share * 100))}%`;
      const name = element(
        "span",
        { class: "bar-name", title: field },
        field.length > LONGEST ? `…${field.slice(1 - LONGEST)}` : field, // its end tells it apart
        within && element("span", { class: "quiet" }, ` within ${within}`),
      );
      return element(
        "li",
        {},
        name,
        element("span", { class: "bar-track", "aria-hidden": "true" }, bar),
        element("span", { class: "bar-share" }, percent(share)),
      );
    });
    const rest = shares.length - bars.length;
    fill(
      this.list,
      ...bars,
      rest > 0 && element("li", { class: "quiet" }, `${counted(rest, "less important field")} left out.`),
    );
  }
}
