/** Repeats averaged: the mean of each setting over its seeds, and how far they are apart. */

import { cellText, type Column } from "../data/column.ts";
import { count, counted, short } from "../data/numbers.ts";
import { groupNumbers, type RepeatGroup, repeatGroups } from "../data/repeats.ts";
import type { Change, View } from "../data/view.ts";
import { element, fill, panel, scrollRegion } from "../look/element.ts";
import { cellClass, sideOf } from "./best.ts";
import type { Panel } from "./panel.ts";

const SHOWN = 12;

/** The fields that vary and are no repeats. */
export function unrepeated(view: View): Column[] {
  const repeats = new Set(view.about.repeats);
  return view.table.varying.filter(({ name }) => !repeats.has(name));
}

/** A number for each row, which the repeats of a setting have in common. */
export const repeatNumbers = (view: View): Uint32Array<ArrayBuffer> =>
  groupNumbers(unrepeated(view), view.table.length);

export class Repeats implements Panel {
  readonly element: HTMLElement;
  private readonly text = element("p", { class: "quiet" });
  private readonly body = scrollRegion("Table of means");
  private groups = new Uint32Array(0);

  constructor(
    private readonly view: View,
    private readonly open: (row: number) => void,
  ) {
    this.element = panel("repeats", "Means over repetitions", this.text, this.body);
  }

  draw(change: Change): void {
    const { view } = this;
    const result = view.measured;
    const repeats = view.about.repeats.filter((name) =>
      view.table.varying.some((field) => field.name === name),
    );
    this.element.hidden = !result || !repeats.length;
    if (!result || this.element.hidden) return;
    const fields = unrepeated(view);
    if (change === "rows" || !this.groups.length) this.groups = repeatNumbers(view);
    const sign = view.direction === "maximize" ? -1 : 1;
    const all = repeatGroups(this.groups, view.rows, result);
    const known = all.filter((group) => group.measured).sort((a, b) => sign * (a.mean - b.mean));
    const shown = known.slice(0, SHOWN);
    fill(
      this.text,
      `The mean of ${result.name} over ${repeats.join(" and ")}, the standard deviation and the range, for each of ${counted(all.length, "setting")}${known.length > SHOWN ? `; the best ${SHOWN} are shown` : ""}.`,
    );
    const low = Math.min(...shown.map((group) => group.low));
    const high = Math.max(...shown.map((group) => group.high));
    const names = [`mean ${result.name}`, "deviation", "repetitions"];
    const head = element(
      "tr",
      {},
      ...names.map((name) => element("th", { scope: "col", class: "number" }, name)),
      element("th", { scope: "col" }, "range"),
      ...fields.map((field) => element("th", { scope: "col", class: sideOf(field) }, field.name)),
    );
    const lines = shown.map((group) => this.line(group, fields, low, high));
    fill(
      this.body,
      element("table", { class: "list" }, element("thead", {}, head), element("tbody", {}, ...lines)),
    );
  }

  private line(group: RepeatGroup, fields: readonly Column[], low: number, high: number): HTMLElement {
    const { table, measured: result } = this.view;
    const place = (value: number): number => (high > low ? ((value - low) / (high - low)) * 100 : 50);
    const failed = group.rows.length - group.measured;
    const first = group.rows[0]!;
    const strip = element("span", {
      class: "strip",
      role: "img",
      "aria-label": `from ${short(group.low)} to ${short(group.high)}`,
    });
    const range = element("span", { class: "strip-range" });
    range.style.left = `${place(group.low)}%`;
    range.style.width = `${Math.max(1, place(group.high) - place(group.low))}%`;
    strip.append(range);
    for (const row of group.rows) {
      if (!result || result.kind !== "number" || !table.isMeasured(result, row)) continue;
      const point = element("span", { class: "strip-point" });
      point.style.left = `${place(result.numbers[row]!)}%`;
      strip.append(point);
    }
    const repeats = `${count(group.measured)}${failed ? `, ${count(failed)} failed` : ""}`;
    return element(
      "tr",
      {},
      element(
        "td",
        { class: "number" },
        element(
          "button",
          { type: "button", class: "key", on: { click: () => this.open(first) } },
          short(group.mean),
        ),
      ),
      element(
        "td",
        { class: "number" },
        Number.isNaN(group.deviation) ? "" : `± ${short(Number(group.deviation.toPrecision(3)))}`,
      ),
      element("td", { class: "number" }, repeats),
      element("td", {}, strip),
      ...fields.map((field) => element("td", { class: cellClass(field, first) }, cellText(field, first))),
    );
  }
}
