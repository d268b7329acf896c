/** The result over two fields. */

import { counted, short } from "../data/numbers.ts";
import { cellValue, type Heat, heatOf, type Summary, together } from "../data/heat.ts";
import type { Change, View } from "../data/view.ts";
import { inkOn, shade } from "../drawing/colours.ts";
import { choice, element, fill, fillOnce, panel, scrollRegion } from "../look/element.ts";
import { ranked } from "./field_order.ts";
import type { Panel } from "./panel.ts";

export class HeatPanel implements Panel {
  readonly element: HTMLElement;
  private readonly choices = element("div", { class: "row" });
  private readonly body = scrollRegion("Heat map of two fields", { class: "scroll heat" });
  private across = "";
  private down = "";
  private names: string[] = [];
  private isChosen = false;
  private summary: Summary = "mean";

  constructor(private readonly view: View) {
    this.element = panel("heat", "Two fields", this.choices, this.body);
    this.element.classList.add("half");
  }

  draw(change: Change): void {
    const { view } = this;
    const measured = view.measured;
    const names = view.table.varying.map(({ name }) => name);
    this.element.hidden = names.length < 2 || measured?.kind !== "number";
    if (this.element.hidden || measured?.kind !== "number") return;
    if (change !== "selection" || !this.across) this.drawChoices(names);
    const heat = heatOf(
      view.axis(this.across),
      view.axis(this.down),
      view.mask,
      measured.numbers,
      view.table.weights,
    );
    fill(this.body, this.table(heat));
  }

  private drawChoices(names: string[]): void {
    // On a board, more fields vary as rows come; the pair follows until somebody has chosen one.
    const isOutdated = !this.isChosen && names.join() !== this.names.join();
    this.names = names;
    if (isOutdated) this.across = this.down = "";
    if (!names.includes(this.across) || !names.includes(this.down) || this.down === this.across)
      [this.across, this.down] = this.firstPair(names.includes(this.across) ? this.across : "");
    const choices = names.map((name) => ({ value: name, label: name }));
    const redraw = (): void => this.draw("selection");
    const summaries = [
      { value: "mean", label: `mean of ${this.view.measure}` },
      { value: "best", label: `best ${this.view.measure}` },
      { value: "rows", label: "number of rows" },
    ];
    fillOnce(this.choices, [choices, summaries, this.summary, this.across, this.down], () => [
      choice("Show", summaries, this.summary, (value) => {
        this.summary = value as Summary;
        redraw();
      }),
      choice("across", choices, this.across, (name) => {
        this.across = name;
        this.isChosen = true;
        redraw();
      }),
      choice("down", choices, this.down, (name) => {
        this.down = name;
        this.isChosen = true;
        redraw();
      }),
    ]);
  }

  /** The most important fields that some row has both of; the first one may be given. */
  private firstPair(given: string): [string, string] {
    const best = ranked(this.view, this.view.table.varying);
    const firsts = best.filter(({ name }) => !given || name === given);
    for (const first of firsts) {
      const second = best.find((other) => other !== first && together(first, other) > 0);
      if (second) return [first.name, second.name];
    }
    const [first, second] = best.map(({ name }) => name);
    return [first!, second!];
  }

  private table(heat: Heat): HTMLElement {
    const { view, summary } = this;
    const isHigherBetter = view.direction === "maximize";
    const values = heat.cells.map((cell) => cellValue(cell, summary, isHigherBetter));
    const known = values.filter((value) => !Number.isNaN(value));
    const low = Math.min(...known);
    const high = Math.max(...known);
    const share = (value: number): number => {
      const at = high > low ? (value - low) / (high - low) : 0.5;
      return isHigherBetter || summary === "rows" ? at : 1 - at;
    };
    const width = heat.across.length;
    const corner = element("th", { scope: "col", class: "corner" }, `${this.down} ↓  ${this.across} →`);
    const head = heat.across.map((step) => element("th", { scope: "col" }, step.label));
    const lines = heat.down.map((step, place) => {
      const line = element("tr", {}, element("th", { scope: "row" }, step.label));
      for (let column = 0; column < width; column++) {
        const cell = heat.cells[place * width + column]!;
        const value = values[place * width + column]!;
        const name = `${this.across} ${heat.across[column]!.label}, ${this.down} ${step.label}`;
        const text = cell.rows
          ? Number.isNaN(value)
            ? "no result"
            : short(Number(value.toPrecision(3)))
          : "";
        const button = element(
          "button",
          {
            type: "button",
            title: `${name}: ${counted(Math.round(cell.rows), "row")}`,
            "aria-label": `${name}: ${text || "no rows"}`,
            on: { click: () => this.pick(heat, column, place) },
          },
          text,
        );
        if (!Number.isNaN(value)) {
          button.style.background = shade(share(value));
          button.style.color = inkOn(share(value));
        }
        line.append(element("td", {}, button));
      }
      return line;
    });
    return element(
      "table",
      {},
      element("thead", {}, element("tr", {}, corner, ...head)),
      element("tbody", {}, ...lines),
    );
  }

  /** Select the rows of a cell. */
  private pick(heat: Heat, column: number, line: number): void {
    this.view.brush(this.across, [heat.across[column]!.range]);
    this.view.brush(this.down, [heat.down[line]!.range]);
  }
}
