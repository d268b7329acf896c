/** Everything that is known of one row. */

import { type Column, Gap, wholeText } from "../data/column.ts";
import { bytes, duration } from "../data/numbers.ts";
import type { View } from "../data/view.ts";
import { type Child, copyButton, element, fill } from "../look/element.ts";

export class Detail {
  readonly element = element("dialog", { id: "detail", "aria-labelledby": "detail-title" });

  constructor(private readonly view: View) {
    this.element.addEventListener("click", (event) => event.target === this.element && this.element.close());
  }

  /** Read what the table has of a row, and show it. */
  async open(row: number): Promise<void> {
    const { table } = this.view;
    await table.load(table.facts);
    const body = element("div", {}, ...this.parts(row));
    fill(this.element, body);
    if (!this.element.open) this.element.showModal();
    this.element.scrollTop = 0;
  }

  private parts(row: number): Child[] {
    const { table, about } = this.view;
    const key = table.fact("key", row);
    const status = table.fact("status", row) || "done";
    const rerun = about.rerun.replace("{key}", key.slice(0, 12));
    const error = table.fact("error", row);
    const traceback = table.fact("traceback", row);
    const log = about.logs[key];
    return [
      element(
        "header",
        {},
        element("h2", { id: "detail-title" }, "Row ", element("span", { class: "mono" }, key.slice(0, 8))),
        element("span", { class: "status", "data-status": status }, status),
        table.isStale(row) && element("span", { class: "stale" }, "of other code"),
        element("button", { type: "button", on: { click: () => this.element.close() } }, "Close"),
      ),
      error && part("Error", element("pre", {}, error)),
      part("Results", values(table.results, row)),
      part("Fields", values(table.fields, row)),
      traceback && part("Traceback", element("pre", {}, traceback), copyButton("traceback", () => traceback)),
      log && part("End of the log", element("pre", {}, log)),
      rerun && part("Run it again", element("pre", {}, rerun), copyButton("command", () => rerun)),
      part("Record", this.facts(row), copyButton("key", () => key)),
    ];
  }

  private facts(row: number): HTMLElement {
    const { table } = this.view;
    const shown = table.facts.filter((name) => !["status", "error", "traceback"].includes(name));
    const list = element("dl", { class: "values" });
    for (const name of shown) {
      const text = factText(name, table.column(name), row);
      if (text) list.append(element("dt", {}, name), element("dd", { class: "mono" }, text));
    }
    return list;
  }
}

function part(title: string, ...children: Child[]): HTMLElement {
  return element("section", {}, element("h3", {}, title), ...children);
}

function values(columns: readonly Column[], row: number): HTMLElement {
  const list = element("dl", { class: "values" });
  for (const column of columns) {
    const style = column.gaps[row] === Gap.no ? "" : "absent";
    list.append(element("dt", {}, column.name), element("dd", { class: style }, wholeText(column, row)));
  }
  return columns.length ? list : element("p", { class: "quiet" }, "None.");
}

function factText(name: string, column: Column, row: number): string {
  if (column.gaps[row]) return "";
  const value = column.kind === "number" ? column.numbers[row]! : NaN;
  if (name === "started") return `${new Date(value).toISOString().replace("T", " ").slice(0, 19)} UTC`;
  if (name === "seconds") return duration(value);
  if (name === "peak_memory") return bytes(value);
  return wholeText(column, row);
}
