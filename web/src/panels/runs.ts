/** Where the rows come from: runs, their code, and what has changed from one run to the next. */

import type { RunFacts } from "../data/about.ts";
import { labelOf } from "../data/column.ts";
import { counted } from "../data/numbers.ts";
import { changesBetween, textOfCode } from "../data/run_changes.ts";
import type { Change, View } from "../data/view.ts";
import { type Child, element, fill, panel } from "../look/element.ts";
import type { Panel } from "./panel.ts";
import { changesShown, countsOf, RunComparison, tookOf } from "./run_comparison.ts";

const MOST = 50;

export class Runs implements Panel {
  readonly element: HTMLElement;
  private readonly list = element("ul", { class: "failures" });
  private readonly items = new Map<string, { facts: string; shown: HTMLElement }>();
  private readonly comparison: RunComparison;

  constructor(private readonly view: View) {
    this.comparison = new RunComparison(view);
    this.element = panel("runs", "Runs", this.list, this.comparison.element);
  }

  draw(change: Change): void {
    if (change !== "rows" && change !== "measure") return;
    const runs = [...this.view.about.runs].sort((a, b) => (a.started < b.started ? 1 : -1));
    this.element.hidden = runs.length === 0;
    const shown = runs.slice(0, MOST);
    const items = shown.map((run, place) => this.item(run, runs[place + 1]));
    const rest = runs.length - shown.length;
    if (rest > 0) items.push(element("li", { class: "quiet" }, `${counted(rest, "older run")} not shown.`));
    keepInPlace(this.list, items);
    this.comparison.draw(shown);
  }

  /** The item of a run, which is made again when something of it has changed. */
  private item(run: RunFacts, before: RunFacts | undefined): HTMLElement {
    const { codes, code } = this.view.about;
    const known = [run, before].map((each) => each && code.parts[each.code] !== undefined);
    const facts = JSON.stringify([run, before?.id, codes.includes(run.code), known]);
    let item = this.items.get(run.id);
    if (item?.facts !== facts) {
      const shown = item?.shown ?? element("li");
      fill(shown, this.details(run, before));
      this.items.set(run.id, (item = { facts, shown }));
    }
    return item.shown;
  }

  private details(run: RunFacts, before: RunFacts | undefined): HTMLElement {
    const took = tookOf(run);
    const about = [timeOf(run.started), took && `took ${took}`, countsOf(run)];
    const { codes, code } = this.view.about;
    const changes = before ? changesBetween(before, run, code) : [];
    const kinds = [
      changes.some(({ isCode }) => isCode) && "code",
      changes.some(({ what, isCode }) => what === "space" && !isCode) && "space",
    ].filter(Boolean);
    return element(
      "details",
      {},
      element(
        "summary",
        {},
        element("strong", {}, run.state || "run"),
        element("span", {}, about.filter(Boolean).join(" · ")),
        kinds.length > 0 &&
          element(
            "span",
            { class: "quiet" },
            `the ${kinds.join(" and the ")} changed since the previous run`,
          ),
      ),
      provenance(run, codes.includes(run.code)),
      this.code(run),
      ...(before ? [element("h3", {}, "Compared with the previous run"), ...changesShown(changes)] : []),
    );
  }

  /** The code of a run: its text, or a button on the board, which has the code of all runs. */
  private code(run: RunFacts): Child {
    const text = textOfCode(run.code, this.view.about.code);
    return text ? codeShown(text) : this.codeButton(run.id);
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

/** Put these children into an element; those that are in their place already are not touched. */
function keepInPlace(parent: Element, children: readonly Element[]): void {
  const wanted = new Set(children);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  children.forEach((child, place) => {
    if (parent.children[place] !== child) parent.insertBefore(child, parent.children[place] ?? null);
  });
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

/** The text of some code, which is opened on demand. */
export function codeShown(text: string): HTMLElement {
  return element(
    "details",
    { class: "code" },
    element("summary", {}, "The code"),
    element("pre", { tabindex: 0, "aria-label": "The code" }, text),
  );
}

export function timeOf(text: string): string {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? text : `${date.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
