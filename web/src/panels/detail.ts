/** Everything that is known of one row. */

import type { About } from "../data/about.ts";
import { type Column, Gap, labelOf, wholeText } from "../data/column.ts";
import { bytes, counted, duration } from "../data/numbers.ts";
import { changesBetween, textOfCode } from "../data/run_changes.ts";
import type { View } from "../data/view.ts";
import { Surface } from "../drawing/canvas.ts";
import { levelOf } from "../drawing/colours.ts";
import { drawCurves } from "../drawing/curves.ts";
import { type Child, copyButton, element, fill } from "../look/element.ts";
import { changesShown } from "./run_comparison.ts";
import { codeShown, timeOf } from "./runs.ts";

const CURVE_HEIGHT = 180;

export class Detail {
  readonly element = element("dialog", { id: "detail", "aria-labelledby": "detail-title" });

  /** The row so many places after another one in the table, if there is one. */
  neighbour: (row: number, step: number) => number | null = () => null;

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
    this.drawCurve(row, body);
    await this.fetchLog(row, body);
  }

  private parts(row: number): Child[] {
    const { table, about } = this.view;
    const key = table.fact("key", row);
    const status = table.fact("status", row) || "done";
    const rerun = about.rerun.replace("{key}", key.slice(0, 12));
    const error = table.fact("error", row);
    const traceback = table.fact("traceback", row);
    const log = withoutEscapes(about.logs[key] ?? "");
    return [
      element(
        "header",
        {},
        element("h2", { id: "detail-title" }, "Row ", element("span", { class: "mono" }, key.slice(0, 8))),
        element("span", { class: "status", "data-status": status }, status),
        table.isStale(row) && element("span", { class: "stale" }, "of other code"),
        this.stepButton("Previous", row, -1),
        this.stepButton("Next", row, 1),
        element(
          "button",
          { type: "button", autofocus: true, on: { click: () => this.element.close() } },
          "Close",
        ),
      ),
      error && part("Error", element("pre", {}, error)),
      part("Results", values(table.results, row)),
      part("Fields", values(table.fields, row, about)),
      traceback &&
        part(
          "Traceback",
          element("pre", { tabindex: 0, "aria-label": "Traceback" }, traceback),
          copyButton("traceback", () => traceback),
        ),
      element("div", { id: "detail-curve" }),
      element(
        "div",
        { id: "detail-log" },
        log && part("End of the log", element("pre", { tabindex: 0, "aria-label": "End of the log" }, log)),
      ),
      rerun &&
        part(
          "Run it again",
          element("pre", {}, rerun),
          copyButton("command", () => rerun),
        ),
      this.code(row),
      part(
        "Record",
        this.facts(row),
        copyButton("key", () => key),
      ),
    ];
  }

  private stepButton(name: string, row: number, step: number): HTMLElement {
    const other = this.neighbour(row, step);
    const click = (): void => {
      if (other !== null) void this.open(other);
    };
    return element(
      "button",
      { type: "button", "aria-disabled": other === null ? "true" : undefined, on: { click } },
      name,
    );
  }

  /** The code of the row, and what changed in it since the previous run. */
  private code(row: number): Child {
    const { table, about } = this.view;
    const code = table.fact("code", row);
    const runs = [...about.runs].sort((a, b) => (a.started < b.started ? 1 : -1));
    const place = runs.findIndex(({ id }) => id === table.fact("run", row));
    const run = runs[place];
    if (!code && !run) return null;
    const words = table.isStale(row)
      ? "This row has other code than the current one."
      : about.codes.includes(code)
        ? "This row has the current code."
        : "";
    const before = runs[place + 1];
    const changes = run && before ? changesBetween(before, run, about.code) : [];
    const text = run ? textOfCode(run.code, about.code) : "";
    return part(
      "Code",
      words && element("p", {}, words),
      text && codeShown(text),
      ...(before && run
        ? [element("p", {}, "Its run compared with the previous one:"), ...changesShown(changes)]
        : []),
    );
  }

  /** What the setting recorded while it ran. */
  private drawCurve(row: number, body: HTMLElement): void {
    const { steps, table, measure } = this.view;
    const key = table.fact("key", row);
    if (!steps?.measures.length) return;
    const up = steps.measures.includes(measure) ? measure : steps.measures[0]!;
    const across = steps.counters[0] ?? "step";
    const curve = steps.curve(key, across, up);
    if (!curve) return;
    const surface = new Surface(`${up} over ${across}, ${counted(curve.xs.length, "step")}`);
    fill(body.querySelector("#detail-curve")!, part(`${up} over ${across}`, surface.canvas));
    surface.clear(body.clientWidth - 40, CURVE_HEIGHT);
    drawCurves(surface, [{ curve, level: levelOf(this.view.quality(row)), quiet: false }], up);
  }

  /** The board has the whole log. */
  private async fetchLog(row: number, body: HTMLElement): Promise<void> {
    const { about, table } = this.view;
    const key = table.fact("key", row);
    if (!about.live || !key) return;
    const query = new URLSearchParams({ token: about.live.token, key });
    const answer = await fetch(`log?${query}`).catch(() => null);
    const text = answer?.ok ? withoutEscapes(await answer.text()) : "";
    if (text)
      fill(
        body.querySelector("#detail-log")!,
        part("Log", element("pre", { tabindex: 0, "aria-label": "Log" }, text)),
      );
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

/** A log without the colours that it has on a terminal. */
const withoutEscapes = (text: string): string => text.replace(/\u001b\[[0-9;?]*[ -/]*[@-~]/g, "");

function part(title: string, ...children: Child[]): HTMLElement {
  return element("section", {}, element("h3", {}, title), ...children);
}

/** Which settings have a field, in words. */
function ownersOf(about: About, name: string): string {
  const owners = about.fields.find((field) => field.name === name)?.owners ?? [];
  const words = owners.map((owner) =>
    Object.entries(owner)
      .map(([field, value]) => `${field}=${labelOf(value)}`)
      .join(" and "),
  );
  return words.length && words.every(Boolean) ? `, which only settings with ${words.join(" or ")} have` : "";
}

function values(columns: readonly Column[], row: number, about: About | null = null): HTMLElement {
  const list = element("dl", { class: "values" });
  for (const column of columns) {
    const style = column.gaps[row] === Gap.no ? "" : "absent";
    const owners = about && column.gaps[row] === Gap.absent ? ownersOf(about, column.name) : "";
    const text = wholeText(column, row) + owners;
    list.append(element("dt", {}, column.name), element("dd", { class: style }, text));
  }
  return columns.length ? list : element("p", { class: "quiet" }, "None.");
}

function factText(name: string, column: Column, row: number): string {
  if (column.gaps[row]) return "";
  const value = column.kind === "number" ? column.numbers[row]! : NaN;
  if (name === "started")
    return timeOf(column.kind === "number" ? new Date(value).toISOString() : wholeText(column, row));
  if (name === "seconds") return duration(value);
  if (name === "peak_memory") return bytes(value);
  return wholeText(column, row);
}
