/** The best rows by the result that is looked at, with the fields that vary. */

import { cellText, type Column, Gap, wholeText } from "../data/column.ts";
import { short } from "../data/numbers.ts";
import type { View } from "../data/view.ts";
import { element, fill, panel, scrollRegion } from "../look/element.ts";
import type { Panel } from "./panel.ts";

const SHOWN = 5;

export class Best implements Panel {
  readonly element: HTMLElement;
  readonly showsKeys = true;
  private readonly body = scrollRegion("Table of the best rows");

  constructor(
    private readonly view: View,
    private readonly open: (row: number) => void,
  ) {
    this.element = panel("best", "Best rows", this.body);
  }

  draw(): void {
    const { view } = this;
    const measured = view.measured;
    this.element.hidden = measured === null;
    if (!measured) return;
    const rows = view.best(SHOWN);
    if (!rows.length)
      return fill(
        this.body,
        element("p", { class: "quiet" }, `No selected row has a number as ${measured.name}.`),
      );
    const fields = view.table.varying;
    const head = element(
      "tr",
      {},
      element("th", { scope: "col" }, "Row"),
      element("th", { scope: "col", class: "number" }, measured.name),
      ...fields.map((field) => element("th", { scope: "col", class: sideOf(field) }, field.name)),
    );
    const lines = rows.map((row) => this.line(row, measured, fields));
    fill(
      this.body,
      element("table", { class: "list" }, element("thead", {}, head), element("tbody", {}, ...lines)),
    );
  }

  private line(row: number, measured: Column, fields: readonly Column[]): HTMLElement {
    const key = this.view.table.fact("key", row).slice(0, 8) || `row ${row}`;
    const button = element(
      "button",
      { type: "button", class: "key", on: { click: () => this.open(row) } },
      key,
    );
    const value = measured.kind === "number" ? short(measured.numbers[row]!) : cellText(measured, row);
    return element(
      "tr",
      {
        on: {
          pointerenter: () => this.view.point(row),
          pointerleave: () => this.view.point(null),
          focusin: () => this.view.point(row),
          focusout: () => this.view.point(null),
        },
      },
      element("td", {}, button),
      element("td", { class: "number" }, element("strong", {}, value)),
      ...fields.map((field) =>
        element("td", { class: cellClass(field, row), title: wholeText(field, row) }, cellText(field, row)),
      ),
    );
  }
}

export const sideOf = (column: Column): string => (column.kind === "number" ? "number" : "text");

export const cellClass = (column: Column, row: number): string =>
  sideOf(column) + (column.gaps[row] === Gap.absent ? " absent" : "");
