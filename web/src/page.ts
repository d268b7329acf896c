/** The panels of the page, and how they follow the view. */

import type { Change, View } from "./data/view.ts";
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
import { Slices } from "./panels/slices.ts";
import { TablePanel } from "./panels/table_panel.ts";

/** Build all panels, and draw them again whenever the view changes. */
export async function buildPage(view: View): Promise<void> {
  const detail = new Detail(view);
  const open = (row: number): void => void detail.open(row);
  const head = new Header(view, () => download(view));
  const panels: Panel[] = [
    new FilterBar(view),
    new Best(view, open),
    new Parallel(view),
    new ImportancePanel(view),
    new HeatPanel(view),
    new Slices(view),
    new Curves(view),
    new Failures(view, open),
    new TablePanel(view, open),
  ];
  const main = element("main", {}, ...panels.map((panel) => panel.element));
  fill(document.getElementById("page")!, head.element, main, detail.element);
  const painter = new Painter([head, ...panels]);
  const draw = (change: Change): Promise<void> => {
    document.body.dataset.rows = String(view.table.length);
    document.body.dataset.selected = String(view.rows.length);
    return painter.draw(change);
  };
  await view.table.load(["key"]);
  view.listen((change) => void draw(change));
  onTheme(() => void draw("measure"));
  await draw("rows");
}

/** Save the table as the parquet file that it came in. */
function download(view: View): void {
  const file = new Blob([view.table.file.buffer], { type: "application/vnd.apache.parquet" });
  const link = element("a", { download: `${view.about.experiment || "results"}.parquet` });
  link.href = URL.createObjectURL(file);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
