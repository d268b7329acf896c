/** The table of all selected rows. Only the rows in sight are in the document. */

import { cellText, type Column } from "../data/column.ts";
import type { Change, View } from "../data/view.ts";
import { element, fill, panel, scrollRegion } from "../look/element.ts";
import { cellClass, sideOf } from "./best.ts";
import { ColumnChooser } from "./column_chooser.ts";
import type { Panel } from "./panel.ts";

const HEIGHT = 29; // of a row, in pixels
const BORDER = 2; // of the part that scrolls, above and below
const TALLEST = 8_000_000; // pixels that browsers can scroll over

let scrollbarHeight = -1;

/** The height of a scroll bar; 0 where it lies over what it scrolls, as on phones. */
function scrollbar(): number {
  if (scrollbarHeight < 0) {
    const probe = element("div", { class: "scroll-probe" });
    document.body.append(probe);
    scrollbarHeight = probe.offsetHeight - probe.clientHeight;
    probe.remove();
  }
  return scrollbarHeight;
}

/** The row has a value that is smaller or larger than others. */
const hasOrder = (column: Column, row: number): boolean =>
  !column.gaps[row] && !(column.kind === "number" && Number.isNaN(column.numbers[row]));

interface Sorting {
  name: string;
  falling: boolean;
}

export class TablePanel implements Panel {
  readonly element: HTMLElement;
  readonly showsKeys = true;
  private readonly scroller = scrollRegion("Table; arrow keys move from row to row", {
    on: { scroll: () => this.drawRows() },
  });
  private readonly sizer = element("div", { class: "sizer" });
  private readonly head = element("tr");
  private readonly body = element("tbody");
  private readonly grid = element(
    "table",
    { "aria-label": "Rows" },
    element("thead", {}, this.head),
    this.body,
  );
  private readonly columns: ColumnChooser;
  private sorted: Sorting | null = null;
  private order = new Uint32Array(0);
  private active = 0;

  constructor(
    private readonly view: View,
    private readonly open: (row: number) => void,
  ) {
    this.columns = new ColumnChooser(view, () => this.draw("rows"));
    const title = element(
      "div",
      { class: "row" },
      element("h2", { id: "table-title" }, "Table"),
      this.columns.element,
    );
    this.element = panel("table", "Table", this.scroller);
    this.element.firstElementChild!.replaceWith(title);
    this.sizer.append(this.grid);
    this.scroller.append(this.sizer);
    this.body.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.drawRows()).observe(this.scroller);
  }

  draw(change: Change): void {
    if (change === "measure") this.sorted = null;
    this.order = this.sortedRows();
    this.active = Math.min(this.active, Math.max(0, this.order.length - 1));
    this.grid.setAttribute("aria-rowcount", String(this.order.length + 1));
    const height = (Math.max(1, this.order.length) + 1) * HEIGHT;
    this.sizer.style.height = `${Math.min(TALLEST, height)}px`;
    const isWide = this.wantedWidth > this.scroller.clientWidth;
    this.scroller.style.height = `min(34rem, 75vh, ${height + BORDER + (isWide ? scrollbar() : 0)}px)`;
    if (change === "measure" || change === "rows") this.drawHead(); // it fills the width that is left
    this.drawRows();
  }

  /** What the rows are sorted by; at first, the best rows come first. */
  private get sorting(): Sorting | null {
    const { measure, direction } = this.view;
    return this.sorted ?? (measure ? { name: measure, falling: direction === "maximize" } : null);
  }

  private sortedRows(): Uint32Array<ArrayBuffer> {
    const { view } = this;
    const sorted = this.sorting;
    if (!sorted || !view.table.has(sorted.name)) return view.rows;
    const column = view.table.column(sorted.name);
    const order = view.table.order(sorted.name);
    const rows = new Uint32Array(view.rows.length);
    let size = 0;
    let first = -1; // of the rows without an order, which are the last ones
    for (const row of order) {
      if (!view.mask[row]) continue;
      if (first < 0 && !hasOrder(column, row)) first = size;
      rows[size++] = row;
    }
    if (sorted.falling) rows.subarray(0, first < 0 ? size : first).reverse();
    return rows;
  }

  private sortBy(name: string): void {
    const sorted = this.sorting;
    if (sorted?.name !== name)
      this.sorted = { name, falling: name === this.view.measure && this.view.direction === "maximize" };
    else this.sorted = { name, falling: !sorted.falling };
    this.draw("rows");
    this.scroller.scrollTop = 0;
  }

  private get wantedWidth(): number {
    return this.columns.shown.reduce((sum, column) => sum + this.columns.width(column), 0);
  }

  private drawHead(): void {
    const sorting = this.sorting;
    const heads = this.columns.shown.map((column) => {
      const sorted =
        sorting?.name === column.name ? (sorting.falling ? "descending" : "ascending") : undefined;
      const mark = sorted === "descending" ? " ↓" : sorted ? " ↑" : "";
      const button = element(
        "button",
        { type: "button", title: column.name, on: { click: () => this.sortBy(column.name) } },
        column.name,
        mark,
      );
      const head = element("th", { scope: "col", class: sideOf(column), "aria-sort": sorted }, button);
      head.style.width = `${this.columns.width(column)}px`;
      return head;
    });
    fill(this.head, ...heads);
    const width = Math.max(this.wantedWidth, this.scroller.clientWidth);
    this.grid.style.width = `${width}px`;
    this.sizer.style.width = `${width}px`;
  }

  /** The first row in sight, as a place in the order; the last ones are in sight at the end. */
  private get first(): number {
    const { scrollTop, clientHeight, scrollHeight } = this.scroller;
    const most = scrollHeight - clientHeight;
    const last = this.order.length - this.inSight + 1;
    if (most <= 0 || last <= 0) return 0;
    return Math.min(last, Math.round((scrollTop / most) * last));
  }

  private get inSight(): number {
    return Math.max(1, Math.floor(this.scroller.clientHeight / HEIGHT) - 1);
  }

  /** The row so many places after another one, if both are in the table. */
  neighbour(row: number, step: number): number | null {
    const place = this.order.indexOf(row);
    return place < 0 ? null : (this.order[place + step] ?? null);
  }

  private drawRows(): void {
    const { first, inSight, order } = this;
    const shown = order.subarray(first, first + inSight + 1); // the last one in part
    const columns = this.columns.shown;
    const lines = Array.from(shown, (row, place) => this.line(row, first + place, columns));
    fill(this.body, ...lines);
    if (!order.length)
      fill(this.body, element("tr", {}, element("td", { colspan: columns.length }, "No rows.")));
    if (!this.body.querySelector('[tabindex="0"]'))
      this.body.querySelector("button")?.setAttribute("tabindex", "0");
  }

  private line(row: number, place: number, columns: readonly Column[]): HTMLElement {
    const { table } = this.view;
    const line = element("tr", {
      "aria-rowindex": place + 2,
      "data-row": row,
      "data-failed": table.hasFailed(row),
      on: {
        click: () => this.open(row),
        pointerenter: () => this.view.point(row),
        pointerleave: () => this.view.point(null),
        focusin: () => this.view.point(row),
        focusout: () => this.view.point(null),
      },
    });
    for (const column of columns) {
      const text = cellText(column, row);
      const cell = element("td", { class: cellClass(column, row) });
      if (column.name === "key")
        cell.append(this.keyButton(text.slice(0, 8), row, place), table.isStale(row) ? " of other code" : "");
      else if (column.name === "status")
        cell.append(element("span", { class: "status", "data-status": text }, text));
      else
        cell.append(
          element("span", text.length > 12 ? { title: text.slice(0, 500) } : {}, text.slice(0, 200)),
        );
      line.append(cell);
    }
    return line;
  }

  private keyButton(text: string, row: number, place: number): HTMLElement {
    return element(
      "button",
      {
        type: "button",
        class: "key",
        "aria-label": `Row ${text}`,
        tabindex: place === this.active ? 0 : -1,
        on: {
          click: (event) => {
            event.stopPropagation();
            this.active = place;
            this.open(row);
          },
          focus: () => (this.active = place),
        },
      },
      text,
    );
  }

  private key(event: KeyboardEvent): void {
    const steps: Record<string, number> = {
      ArrowDown: 1,
      ArrowUp: -1,
      PageDown: this.inSight,
      PageUp: -this.inSight,
      Home: -Infinity,
      End: Infinity,
    };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    this.active = Math.max(0, Math.min(this.order.length - 1, this.active + step));
    this.reveal(this.active);
  }

  /** Scroll so that a row is in sight, and focus it. */
  private reveal(place: number): void {
    const { first, inSight, scroller } = this;
    let wanted = first;
    if (place < first) wanted = place;
    if (place >= first + inSight) wanted = place - inSight + 1;
    const last = Math.max(1, this.order.length - inSight + 1);
    if (wanted !== first)
      scroller.scrollTop = (wanted / last) * (scroller.scrollHeight - scroller.clientHeight);
    this.drawRows();
    this.body.querySelector<HTMLElement>('[tabindex="0"]')?.focus({ preventScroll: true });
  }
}
