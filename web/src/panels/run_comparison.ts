/** Two runs side by side, and what differs between them. */

import type { RunFacts } from "../data/about.ts";
import { counted, duration, short } from "../data/numbers.ts";
import { changesBetween, type RunChange } from "../data/run_changes.ts";
import type { View } from "../data/view.ts";
import { type Child, choice, element, fill, fillOnce, scrollRegion } from "../look/element.ts";

/** Choices of two runs, and how they differ. */
export class RunComparison {
  readonly element = element("div", { id: "run-comparison" });
  private readonly choices = element("div", { class: "row" });
  private readonly body = element("div", { "aria-live": "polite" });
  private before = "";
  private after = "";
  private runs: RunFacts[] = [];
  private names = new Map<string, string>();

  constructor(private readonly view: View) {
    this.element.append(this.choices, this.body);
  }

  /** Draw for these runs, the newest one first. */
  draw(runs: RunFacts[]): void {
    this.runs = runs;
    this.names = namesOf(runs);
    this.element.hidden = runs.length < 2;
    if (this.element.hidden) return;
    const ids = runs.map(({ id }) => id);
    if (!ids.includes(this.after)) this.after = ids[0]!;
    if (!ids.includes(this.before)) this.before = ids.find((id) => id !== this.after)!;
    const choices = runs.map(({ id }) => ({ value: id, label: this.nameOf(id) }));
    fillOnce(this.choices, [choices, this.before, this.after], () => [
      choice("Compare", choices, this.before, (id) => {
        this.before = id;
        this.show();
      }),
      choice("with", choices, this.after, (id) => {
        this.after = id;
        this.show();
      }),
    ]);
    this.show();
  }

  private nameOf(id: string): string {
    return this.names.get(id) ?? id;
  }

  private show(): void {
    const find = (id: string): RunFacts => this.runs.find((run) => run.id === id)!;
    const [before, after] = [find(this.before), find(this.after)];
    const changes = changesBetween(before, after, this.view.about.code);
    fill(this.body, this.sideBySide(before, after), ...changesShown(changes, before === after));
    void this.showBest([before, after]);
  }

  private sideBySide(before: RunFacts, after: RunFacts): HTMLElement {
    const line = (name: string, text: (run: RunFacts) => string): HTMLElement =>
      element(
        "tr",
        {},
        element("th", { scope: "row" }, name),
        ...[before, after].map((run) => element("td", {}, text(run) || "–")),
      );
    const { measure } = this.view;
    const lines = [
      line("ended", (run) => run.state),
      line("took", (run) => tookOf(run)),
      line("settings", (run) => countsOf(run)),
      line("code", (run) => run.code.slice(0, 12)),
    ];
    if (measure) {
      const best = line(`best ${measure} of its rows`, () => "");
      best.classList.add("best-of-runs");
      lines.push(best);
    }
    const head = element(
      "tr",
      {},
      element("td"),
      ...[before, after].map((run) => element("th", { scope: "col" }, this.nameOf(run.id))),
    );
    const table = element(
      "table",
      { class: "list" },
      element("thead", {}, head),
      element("tbody", {}, ...lines),
    );
    const scroller = scrollRegion("Two runs");
    scroller.append(table);
    return scroller;
  }

  /** The best result among the rows of each run; the column of runs may have to be read first. */
  private async showBest(runs: RunFacts[]): Promise<void> {
    const { view } = this;
    const cells = [...this.body.querySelectorAll(".best-of-runs td")];
    if (!cells.length) return;
    await view.table.load(["run"]);
    const best = new Map<string, number>();
    const result = view.measured;
    if (!view.table.has("run") || result?.kind !== "number") return;
    const sign = view.direction === "maximize" ? 1 : -1;
    for (let row = 0; row < view.table.length; row++) {
      if (!view.table.isMeasured(result, row)) continue;
      const run = view.table.fact("run", row);
      const known = best.get(run);
      const value = result.numbers[row]!;
      if (known === undefined || sign * value > sign * known) best.set(run, value);
    }
    runs.forEach((run, place) => {
      const value = best.get(run.id);
      fill(cells[place]!, value === undefined ? "–" : short(value));
    });
  }
}

export function tookOf(run: RunFacts): string {
  const seconds = (Date.parse(run.ended) - Date.parse(run.started)) / 1000;
  return Number.isFinite(seconds) ? duration(seconds) : "";
}

/** How many settings of a run came to what end. */
export function countsOf(run: RunFacts): string {
  const counts = Object.entries(run.counts).filter(([, rows]) => rows);
  return counts.map(([status, rows]) => `${String(rows)} ${status}`).join(", ");
}

/** The names of runs: when they began in UTC, and the end of the id of those that began together. */
function namesOf(runs: readonly RunFacts[]): Map<string, string> {
  const times = runs.map(({ started, id }) => {
    const date = new Date(started);
    return Number.isNaN(date.getTime()) ? id : date.toISOString().slice(0, 19).replace("T", " ");
  });
  return new Map(
    runs.map(({ id }, place) => {
      const time = times[place]!;
      return [id, times.filter((each) => each === time).length > 1 ? `${time} ${id.slice(-6)}` : time];
    }),
  );
}

/** Changes as a list, each with its lines. */
export function changesShown(changes: readonly RunChange[], isSame = false): Child[] {
  if (!changes.length)
    return [
      element(
        "p",
        { class: "quiet" },
        isSame ? "This is the same run." : "Code, space, packages and engine are the same.",
      ),
    ];
  const items = changes.map(({ what, summary, lines }) =>
    element(
      "li",
      {},
      element("span", { class: "mono" }, what),
      summary && element("span", {}, ` ${summary}`),
      lines.length > 0 && diff(what, lines),
    ),
  );
  return [
    element("p", { class: "quiet" }, `${counted(changes.length, "difference")}:`),
    element("ul", { class: "changes" }, ...items),
  ];
}

function diff(what: string, lines: readonly string[]): HTMLElement {
  const shown = lines.map((line) => {
    const kind = line.startsWith("+") ? "added" : line.startsWith("-") ? "removed" : "quiet";
    return element("span", { class: kind }, `${line}\n`);
  });
  return element("pre", { class: "diff", tabindex: 0, "aria-label": `Changes of ${what}` }, ...shown);
}
