/** The panels of the page, and how they follow the view. */

import type { ParquetFile } from "./data/parquet.ts";
import type { Change, View } from "./data/view.ts";
import type { State } from "./live.ts";
import { element, fill } from "./look/element.ts";
import { onTheme } from "./look/theme.ts";
import { Painter } from "./painter.ts";
import { Best } from "./panels/best.ts";
import { Curves } from "./panels/curves.ts";
import { Detail } from "./panels/detail.ts";
import { Failures } from "./panels/failures.ts";
import { FilterBar } from "./panels/filter_bar.ts";
import { Header } from "./panels/header.ts";
import { HeatPanel } from "./panels/heat.ts";
import { ImportancePanel } from "./panels/importance.ts";
import type { Panel } from "./panels/panel.ts";
import { Parallel } from "./panels/parallel.ts";
import { Repeats } from "./panels/repeats.ts";
import { Running } from "./panels/running.ts";
import { Runs } from "./panels/runs.ts";
import { Slices } from "./panels/slices.ts";
import { TablePanel } from "./panels/table_panel.ts";

export interface Page {
  /** Draw what has changed; resolves when all panels are drawn. */
  show: (change: Change) => Promise<void>;
  /** Do ahead, when the browser has time, what makes the first filter slow. */
  prepare: () => void;
  /** Say whether the page follows its server. */
  tell: (state: State) => void;
}

/** Build all panels, and draw them again whenever the view changes. */
export function buildPage(view: View, file: ParquetFile | null): Page {
  const detail = new Detail(view);
  const open = (row: number): void => void detail.open(row);
  const head = new Header(view, file && (() => download(file, view.about.experiment)));
  const table = new TablePanel(view, open);
  detail.neighbour = (row, step) => table.neighbour(row, step);
  const panels: Panel[] = [
    new FilterBar(view),
    new Running(view),
    new Best(view, open),
    new Parallel(view),
    new ImportancePanel(view),
    new HeatPanel(view),
    new Slices(view, open),
    new Curves(view),
    new Repeats(view, open),
    new Failures(view, open),
    table,
    new Runs(view),
  ];
  const main = element("main", {}, ...panels.map((panel) => panel.element));
  fill(document.getElementById("page")!, head.element, main, detail.element);
  const painter = new Painter([head, ...panels]);
  const show = async (change: Change): Promise<void> => {
    document.body.dataset.rows = String(view.table.length);
    document.body.dataset.selected = String(view.rows.length);
    await painter.draw(change);
  };
  view.listen((change) => void show(change));
  onTheme(() => void show("measure"));
  const prepare = (): void => {
    view.prepare();
    for (const panel of panels) panel.prepare?.();
  };
  return { show, prepare, tell: (state) => head.tell(state) };
}

/** Save the table as the parquet file that it came in. */
function download(file: ParquetFile, experiment: string): void {
  const blob = new Blob([file.buffer], { type: "application/vnd.apache.parquet" });
  const link = element("a", { download: `${experiment || "results"}.parquet` });
  link.href = URL.createObjectURL(blob);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
