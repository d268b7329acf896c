/** Which columns the table shows, and how wide they are. */

import { cellText, type Column } from "../data/column.ts";
import type { View } from "../data/view.ts";
import { element, fill, popup } from "../look/element.ts";

const SAMPLE = 50; // rows that a width is taken from
const WIDEST = 240; // pixels of text
const LONGEST = 60; // characters that are measured
const pen = new OffscreenCanvas(1, 1).getContext("2d");

/** The width of a text in the font of the page, in pixels. */
function widthOf(text: string, weight = 400): number {
  if (!pen) return text.length * 8;
  pen.font = `${weight} 14px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif`;
  return pen.measureText(text.slice(0, LONGEST)).width;
}

/** The longest of some texts of a column. */
function longestText(column: Column): string {
  let longest = "";
  const step = Math.max(1, Math.floor(column.length / SAMPLE));
  for (let row = 0; row < column.length; row += step) {
    const text = cellText(column, row);
    if (text.length > longest.length) longest = text;
  }
  return longest;
}

export class ColumnChooser {
  private readonly chosen = new Map<string, boolean>();
  private readonly widths = new WeakMap<Column, number>();
  private readonly list = element("div", {
    class: "checks",
    role: "group",
    "aria-label": "Columns of the table",
  });
  readonly element = popup("Columns", this.list);

  constructor(
    private readonly view: View,
    private readonly changed: () => void,
  ) {
    this.element.addEventListener("toggle", () => this.element.open && this.drawList());
  }

  /** The columns that are shown: key, status, what varies, results, and what was chosen. */
  get shown(): Column[] {
    const { table } = this.view;
    return this.names
      .filter((name) => table.has(name) && this.isShown(name))
      .map((name) => table.column(name));
  }

  private get names(): string[] {
    const { table } = this.view;
    const facts = table.facts.filter((name) => name !== "key" && name !== "status");
    const fields = [...table.varying, ...table.constant].map((field) => field.name);
    const results = table.results.map((result) => result.name);
    return ["key", "status", ...results, ...fields, ...facts];
  }

  private isShown(name: string): boolean {
    const chosen = this.chosen.get(name);
    if (chosen !== undefined) return chosen;
    const { table } = this.view;
    if (name === "key" || name === "error") return name === "key" || this.hasErrors;
    if (name === "status") return table.statuses.labels.some((label) => label !== "done");
    return (
      table.results.some((each) => each.name === name) || table.varying.some((each) => each.name === name)
    );
  }

  private get hasErrors(): boolean {
    const { table } = this.view;
    return table.has("error") && table.column("error").gaps.some((gap) => !gap);
  }

  /** The width of a column in pixels, from its name and some of its texts. */
  width(column: Column): number {
    if (column.name === "key") return 108;
    if (column.name === "status") return 104;
    const known = this.widths.get(column);
    if (known) return known;
    const text = longestText(column);
    const least = column.kind === "number" ? widthOf("0.0000000") : 0;
    const longest = Math.max(least, widthOf(`${column.name} ↓`, 600), widthOf(text) + 4);
    const width = Math.round(Math.min(WIDEST, longest) + 20);
    this.widths.set(column, width);
    return width;
  }

  private drawList(): void {
    const boxes = this.names.map((name) => {
      const box = element("input", {
        type: "checkbox",
        on: { change: () => void this.choose(name, box.checked) },
      });
      box.checked = this.isShown(name);
      box.disabled = name === "key";
      return element("label", {}, box, name);
    });
    fill(this.list, ...boxes);
  }

  private async choose(name: string, shown: boolean): Promise<void> {
    this.chosen.set(name, shown);
    await this.view.table.load([name]);
    this.changed();
  }
}
