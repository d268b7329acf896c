/** The head of the page: what the experiment is, and how many settings came to what end. */

import { wholeText } from "../data/column.ts";
import { count, counted } from "../data/numbers.ts";
import type { Change, View } from "../data/view.ts";
import { element, fill, fillOnce } from "../look/element.ts";
import { switchTheme } from "../look/theme.ts";
import type { State } from "../live.ts";
import type { Panel } from "./panel.ts";

const MOST_SAME = 16; // fields that are shown at once
const ORDER = ["done", "stopped", "failed", "timeout", "killed"];

/** The number of rows with each status, in the order in which they are shown. */
export function countsOf(view: View): [status: string, rows: number][] {
  const { codes, labels } = view.table.statuses;
  const counts = labels.map(() => 0);
  codes.forEach((code, row) => code >= 0 && (counts[code]! += view.table.weights[row]!));
  const place = (status: string): number => (ORDER.includes(status) ? ORDER.indexOf(status) : ORDER.length);
  return labels
    .map((label, code): [string, number] => [label, Math.round(counts[code]!)])
    .sort(([a], [b]) => place(a) - place(b));
}

export class Header implements Panel {
  readonly element: HTMLElement;
  private readonly statuses = element("div", {
    class: "statuses",
    role: "group",
    "aria-label": "Rows by status",
  });
  private readonly state = element("span", { id: "live", role: "status" });
  private readonly same = element("div", { class: "quiet" });
  private counts: [status: string, rows: number][] = [];

  constructor(
    private readonly view: View,
    download: (() => void) | null,
  ) {
    const { about } = view;
    const tools = element(
      "div",
      { class: "tools" },
      this.state,
      download &&
        element("button", { type: "button", id: "download", on: { click: download } }, "Download table"),
      element("button", { type: "button", id: "theme", on: { click: switchTheme } }, "Light or dark"),
    );
    const name = about.experiment === about.title ? "" : about.experiment;
    this.element = element(
      "header",
      { class: "top" },
      element("h1", {}, about.title),
      tools,
      about.doc && element("p", { class: "doc" }, about.doc),
      element(
        "p",
        { class: "quiet" },
        [name, !about.live && written(about.written), about.superparams && `superparams ${about.superparams}`]
          .filter(Boolean)
          .join(" · "),
      ),
      this.statuses,
      this.same,
      about.notes.length > 0 &&
        element("ul", { class: "quiet" }, ...about.notes.map((note) => element("li", {}, `Note: ${note}`))),
      about.live && about.live.others.length > 0 && others(about.live.others),
    );
  }

  /** Say whether the page follows its server. */
  tell(state: State): void {
    this.state.dataset.state = state;
    fill(this.state, state === "connected" ? "following" : "not connected");
  }

  draw(change: Change): void {
    const { view } = this;
    if (change === "rows" || !this.counts.length) this.counts = countsOf(view);
    const chips = this.counts.map(([status, rows]) => {
      const pressed = view.statuses.has(status);
      const name = element("span", { class: "status", "data-status": status }, `${count(rows)} ${status}`);
      return element(
        "button",
        { type: "button", "aria-pressed": String(pressed), on: { click: () => view.toggleStatus(status) } },
        name,
      );
    });
    const { running = 0, todo = 0 } = view.about.counts;
    fill(
      this.statuses,
      ...chips,
      running > 0 &&
        element("span", { class: "status", "data-status": "running" }, `${count(running)} running`),
      todo > 0 && element("span", { class: "status", "data-status": "todo" }, `${count(todo)} to do`),
      view.about.sampleOf > 0 &&
        element(
          "span",
          { class: "quiet" },
          `this page has ${count(view.table.length)} of ${counted(view.about.sampleOf, "row")}`,
        ),
      view.about.stale > 0 &&
        element("span", { class: "stale" }, `${counted(view.about.stale, "row")} of other code`),
    );
    const constant = view.table.constant.filter((column) => column.length);
    const same = constant.map((column) => `${column.name}=${textOfFirst(view, column.name)}`);
    if (same.length > MOST_SAME) {
      const summary = element("summary", {}, `${same.length} fields are the same in all rows`);
      fillOnce(this.same, same, () => [element("details", {}, summary, same.join(", "))]);
    } else fill(this.same, same.length > 0 && `The same in all rows: ${same.join(", ")}`);
  }
}

function textOfFirst(view: View, name: string): string {
  const text = wholeText(view.table.column(name), 0);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** The other experiments of the board. The server names the addresses, which stay on this host. */
function others(known: readonly { name: string; href: string }[]): HTMLElement {
  const links = known
    .filter(({ href }) => /^(\.\.?\/|\/(?!\/))/.test(href))
    .map(({ name, href }) => element("a", { href }, name));
  return element("nav", { class: "row", "aria-label": "Other experiments" }, ...links);
}

function written(time: string): string {
  const date = new Date(time);
  return Number.isNaN(date.getTime())
    ? time
    : `written ${date.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
