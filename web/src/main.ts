/** Reads the data in the document, and builds the page from it. */

import { aboutOf } from "./data/about.ts";
import { bytesOfBase64, ParquetFile } from "./data/parquet.ts";
import { RowStore, type Rows } from "./data/rows.ts";
import { NO_STEPS, type StepRows, Steps } from "./data/steps.ts";
import { Table } from "./data/table.ts";
import { View } from "./data/view.ts";
import { Follower } from "./live.ts";
import { element, fill } from "./look/element.ts";
import { buildPage } from "./page.ts";

const REST = 100; // milliseconds after all is drawn

/** The text of a data element; it is let go of, since it may be large. */
function takeText(id: string): string {
  const data = document.getElementById(id);
  const text = data?.textContent ?? "";
  if (id !== "about") data?.replaceChildren();
  return text.trim();
}

/** The parquet file in a data element, if it has one. */
function takeFile(id: string): ParquetFile | null {
  const base64 = takeText(id);
  return base64 ? new ParquetFile(bytesOfBase64(base64)) : null;
}

async function start(): Promise<void> {
  const about = aboutOf(JSON.parse(takeText("about") || "{}"));
  document.title = `${about.title}: results`;
  const file = takeFile("table");
  const rows: Rows = about.live && file ? await RowStore.of(file) : (file ?? RowStore.empty);
  const view = new View(await Table.of(rows, about));
  performance.mark("page-table");
  const page = buildPage(view, about.live ? null : file);
  await page.show("rows");
  performance.mark("page-shown");
  if (!view.table.hasKeys) {
    await view.table.load(["key"]);
    await page.show("keys");
  }
  const steps = await readSteps();
  if (steps.length) {
    view.steps = new Steps(
      steps,
      about.fields.map((field) => field.name),
    );
    await page.show("rows");
  }
  performance.mark("page-ready");
  document.body.dataset.ready = "";
  setTimeout(page.prepare, REST);
  if (about.live) new Follower(view, rows as RowStore, steps, page.tell).follow(about.live);
}

async function readSteps(): Promise<StepRows> {
  const file = takeFile("steps");
  return file ? { length: file.length, values: await file.read(file.names) } : NO_STEPS;
}

start().catch((error: unknown) => {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  fill(
    document.getElementById("page")!,
    element("h1", {}, "This page could not be read"),
    element("pre", { role: "alert" }, text),
  );
  document.body.dataset.ready = "failed";
});
