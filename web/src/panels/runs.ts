/** Where the rows come from: runs, their code, and what has changed from one run to the next. */

import type { RunFacts } from "../data/about.ts";
import { labelOf } from "../data/column.ts";
import { counted, duration } from "../data/numbers.ts";
import type { Change, View } from "../data/view.ts";
import { type Child, element, fill, panel } from "../look/element.ts";
import type { Panel } from "./panel.ts";

const MOST = 50;

export class Runs implements Panel {
  readonly element: HTMLElement;
  private readonly list = element("ul", { class: "failures" });

  constructor(private readonly view: View) {
    this.element = panel("runs", "Runs", this.list);
  }

  draw(change: Change): void {
    if (change !== "rows") return;
    const runs = [...this.view.about.runs].sort((a, b) => (a.started < b.started ? 1 : -1));
    this.element.hidden = runs.length === 0;
    const items = runs.slice(0, MOST).map((run) => element("li", {}, this.details(run)));
    const rest = runs.length - items.length;
    fill(
      this.list,
      ...items,
      rest > 0 && element("li", { class: "quiet" }, `${counted(rest, "older run")} not shown.`),
    );
  }

  private details(run: RunFacts): HTMLElement {
    const seconds = (Date.parse(run.ended) - Date.parse(run.started)) / 1000;
    const counts = Object.entries(run.counts)
      .filter(([, rows]) => rows)
      .map(([status, rows]) => `${labelOf(rows)} ${status}`);
    const about = [
      timeOf(run.started),
      Number.isFinite(seconds) && `took ${duration(seconds)}`,
      counts.join(", "),
    ];
    const isCurrent = this.view.about.codes.includes(run.code);
    return element(
      "details",
      {},
      element(
        "summary",
        {},
        element("strong", {}, run.state || "run"),
        element("span", {}, about.filter(Boolean).join(" · ")),
        run.changes && element("span", { class: "quiet" }, "code has changed since the previous run"),
      ),
      provenance(run, isCurrent),
      this.codeButton(run.id),
      ...changesOf(run),
    );
  }

  /** The board has the code of a run. */
  private codeButton(run: string): Child {
    const { live } = this.view.about;
    if (!live || !run) return null;
    const code = element("pre", { tabindex: 0, "aria-label": "Code of the run", hidden: true });
    const show = async (): Promise<void> => {
      const answer = await fetch(`code?${new URLSearchParams({ token: live.token, run })}`).catch(() => null);
      fill(code, answer?.ok ? await answer.text() : "The server does not answer.");
      code.hidden = false;
    };
    const button = element(
      "button",
      { type: "button", class: "small", on: { click: () => void show() } },
      "Show the code",
    );
    return element("div", {}, button, code);
  }
}

/** What is known of the program of a run. */
function provenance(run: RunFacts, isCurrent: boolean): HTMLElement {
  const git = run.git
    ? Object.entries(run.git)
        .map(([name, value]) => `${name} ${labelOf(value)}`)
        .join(", ")
    : "";
  const versions = Object.entries(run.versions)
    .map(([name, version]) => `${name} ${labelOf(version)}`)
    .join(", ");
  const code = run.code && `${run.code}${isCurrent ? " (current)" : ""}`;
  const facts: [string, string][] = [
    ["run", run.id],
    ["code", code],
    ["git", git],
    ["Python", run.python],
    ["packages", versions],
  ];
  const list = element("dl", { class: "values" });
  for (const [name, text] of facts) if (text) list.append(element("dt", {}, name), element("dd", {}, text));
  return list;
}

/** The difference to the code of the run before, line by line. */
export function changesOf(run: RunFacts): Child[] {
  if (!run.changes) return [];
  const lines = run.changes.split("\n").map((line) => {
    const isHead = line.startsWith("+++") || line.startsWith("---") || line.startsWith("@@");
    const kind = isHead ? "quiet" : line.startsWith("+") ? "added" : line.startsWith("-") ? "removed" : "";
    return element("span", { class: kind }, `${line}\n`);
  });
  return [element("pre", { class: "diff", tabindex: 0, "aria-label": "Changes to the code" }, ...lines)];
}

export function timeOf(text: string): string {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? text : `${date.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
