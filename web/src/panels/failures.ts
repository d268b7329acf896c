/** What went wrong: failures grouped by error, and what the settings of a group share. */

import { type FailureGroup, failureGroups } from "../data/failure_groups.ts";
import { count } from "../data/numbers.ts";
import type { Change, View } from "../data/view.ts";
import { element, fill, panel } from "../look/element.ts";
import type { Panel } from "./panel.ts";

const MOST_GROUPS = 30;
const MOST_ROWS = 12;

export class Failures implements Panel {
  readonly element: HTMLElement;
  readonly showsKeys = true;
  private readonly list = element("ul", { class: "failures" });
  private groups: FailureGroup[] = [];

  constructor(
    private readonly view: View,
    private readonly open: (row: number) => void,
  ) {
    this.element = panel("failures", "What went wrong", this.list);
  }

  draw(change: Change): void {
    if (change === "rows") this.groups = failureGroups(this.view.table);
    this.element.hidden = this.groups.length === 0;
    const shown = this.groups.slice(0, MOST_GROUPS).map((group) => this.item(group));
    const rest = this.groups.slice(MOST_GROUPS).reduce((sum, group) => sum + group.rows.length, 0);
    fill(
      this.list,
      ...shown,
      rest > 0 && element("li", { class: "quiet" }, `${count(rest)} more, each with another error.`),
    );
  }

  private item(group: FailureGroup): HTMLElement {
    const [first = "", ...others] = group.error.split("\n");
    const { table, mask } = this.view;
    const selected = table.total(group.rows.filter((row) => mask[row]));
    const all = table.total(group.rows);
    const rows = selected < all ? `${count(selected)} of ${count(all)}` : count(all);
    const common = group.common.map(({ name, value }) => `${name}=${value}`).join(", ");
    const summary = element(
      "summary",
      {},
      element("span", { class: "status", "data-status": group.status }, `${rows} ${group.status}`),
      element("span", { class: "mono error" }, first || "no message"),
      common && element("span", { class: "quiet" }, `all have ${common}`),
    );
    const pressed = this.view.error === group.error && group.error !== "";
    const only = element(
      "button",
      {
        type: "button",
        class: "small",
        "aria-pressed": String(pressed),
        on: { click: () => this.view.showError(pressed ? null : group.error) },
      },
      "Select these rows",
    );
    const keys = group.rows.slice(0, MOST_ROWS).map((row) => this.key(row));
    const rest = group.rows.length - keys.length;
    return element(
      "li",
      {},
      element(
        "details",
        {},
        summary,
        others.length > 0 && element("pre", {}, group.error),
        element(
          "p",
          { class: "row" },
          group.error !== "" && only,
          ...keys,
          rest > 0 && `and ${count(rest)} more`,
        ),
      ),
    );
  }

  private key(row: number): HTMLElement {
    const text = this.view.table.fact("key", row).slice(0, 8) || `row ${row}`;
    return element(
      "button",
      { type: "button", class: "key", "aria-label": `Row ${text}`, on: { click: () => this.open(row) } },
      text,
    );
  }
}
