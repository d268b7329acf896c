/** Reads the data in the document, and builds the page from it. */

import { aboutOf } from "./data/about.ts";
import { bytesOfBase64, ParquetFile } from "./data/parquet.ts";
import { Steps } from "./data/steps.ts";
import { Table } from "./data/table.ts";
import { View } from "./data/view.ts";
import { element, fill } from "./look/element.ts";
import { buildPage } from "./page.ts";

/** The text of a data element; it is let go of, since it may be large. */
function takeText(id: string): string {
  const data = document.getElementById(id);
  const text = data?.textContent ?? "";
  if (id !== "about") data?.replaceChildren();
  return text;
}

async function start(): Promise<void> {
  const about = aboutOf(JSON.parse(takeText("about") || "{}"));
  document.title = `${about.title}: results`;
  const base64 = takeText("table").trim();
  if (!base64) {
    fill(document.getElementById("page")!, element("h1", {}, about.title), element("p", {}, "There are no rows yet."));
    document.body.dataset.ready = "";
    return;
  }
  const table = await Table.of(new ParquetFile(bytesOfBase64(base64)), about);
  performance.mark("page-table");
  const steps = takeText("steps").trim();
  const fields = [...about.fields.map((field) => field.name)];
  const curves = steps ? await Steps.of(new ParquetFile(bytesOfBase64(steps)), fields) : null;
  await buildPage(new View(table, curves));
  performance.mark("page-ready");
  document.body.dataset.ready = "";
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
