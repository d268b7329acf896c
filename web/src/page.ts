/** The panels of the page, and how they follow the view. */

import type { Change, View } from "./data/view.ts";
import { element, fill } from "./look/element.ts";
import { onTheme } from "./look/theme.ts";
import { Best } from "./panels/best.ts";
import { Detail } from "./panels/detail.ts";
import { FilterBar } from "./panels/filter_bar.ts";
import { Header } from "./panels/header.ts";
import type { Panel } from "./panels/panel.ts";
import { TablePanel } from "./panels/table_panel.ts";

/** Build all panels, and draw them again whenever the view changes. */
export async function buildPage(view: View): Promise<void> {
  const detail = new Detail(view);
  const open = (row: number): void => void detail.open(row);
  const head = new Header(view, () => download(view));
  const panels: Panel[] = [new FilterBar(view), new Best(view, open), new TablePanel(view, open)];
  const main = element("main", { class: "contents" }, ...panels.map((panel) => panel.element));
  fill(document.getElementById("page")!, head.element, main, detail.element);
  await view.table.load(["key"]);
  const draw = (change: Change): void => {
    for (const panel of [head, ...panels]) panel.draw(change);
    document.body.dataset.rows = String(view.table.length);
    document.body.dataset.selected = String(view.rows.length);
  };
  draw("rows");
  view.listen(draw);
  onTheme(() => draw("measure"));
}

/** Save the table as the parquet file that it came in. */
function download(view: View): void {
  const file = new Blob([view.table.file.buffer], { type: "application/vnd.apache.parquet" });
  const link = element("a", { download: `${view.about.experiment || "results"}.parquet` });
  link.href = URL.createObjectURL(file);
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
