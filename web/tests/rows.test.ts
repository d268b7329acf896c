import assert from "node:assert/strict";
import { test } from "node:test";
import { RowStore } from "../src/data/rows.ts";
import { failureGroups } from "../src/data/failure_groups.ts";
import { Table } from "../src/data/table.ts";
import { View } from "../src/data/view.ts";
import { WordFilter } from "../src/data/words.ts";
import { about } from "./samples.ts";

const facts = about({
  fields: [{ name: "model" }, { name: "model.depth" }, { name: "width" }],
  results: ["acc"],
  goal: { column: "acc", direction: "maximize" },
  columns: { stale: null, represents: "represents", none: { "model.depth": "none:model.depth" } },
});
const store = (values: Record<string, unknown[]>): RowStore =>
  RowStore.ofValues(new Map(Object.entries(values)));
const sample = () =>
  store({
    model: ["Tree", "Line", "Tree", "Tree"],
    "model.depth": [3, null, null, 5],
    "none:model.depth": [false, false, true, false],
    width: [16, 16, 32, 64],
    acc: [0.5, 0.7, null, 0.9],
    key: ["aa", "bb", "cc", "dd"],
    status: ["done", "done", "failed", "done"],
    error: [null, null, "ValueError: <b>", null],
    represents: [1, 1, 1, 7],
  });

test("a table has fields, results and facts, and no columns that only mark", async () => {
  const table = await Table.of(sample(), facts);
  assert.deepEqual(
    table.fields.map(({ name }) => name),
    ["model", "model.depth", "width"],
  );
  assert.deepEqual(table.facts, ["key", "status", "error"]);
  assert.equal(table.total([0, 3]), 8);
});

test("filters select rows: brushes, statuses, errors and words together", async () => {
  const view = new View(await Table.of(sample(), facts));
  const selected = () => [...view.rows];
  view.brush("width", [[0, 0.5]]);
  assert.deepEqual(selected(), [0, 1, 2]);
  view.toggleStatus("failed");
  assert.deepEqual(selected(), [2]);
  view.toggleStatus("failed");
  view.say("model=tree acc>0.4");
  assert.deepEqual(selected(), [0]);
  view.clear();
  view.showError("ValueError: <b>");
  assert.deepEqual(selected(), [2]);
  view.clear();
  assert.equal(view.isFiltered, false);
});

test("a brush below the axis selects rows that do not have the field", async () => {
  const view = new View(await Table.of(sample(), facts));
  const { slots } = view.axis("model.depth");
  assert.deepEqual(
    slots.map(({ label }) => label),
    ["None", "does not have this field"],
  );
  view.brush("model.depth", [[slots[1]!.at, slots[1]!.at]]);
  assert.deepEqual([...view.rows], [1]);
});

test("the best rows come first, in either direction, and only those with a result", async () => {
  const view = new View(await Table.of(sample(), facts));
  assert.deepEqual(view.best(9), [3, 1, 0]);
  view.lookAt("acc", "minimize");
  assert.deepEqual(view.best(9), [0, 1, 3]);
  assert.deepEqual(view.best(2), [0, 1]);
});

test("where no result is a number, rows that did not fail are alike", async () => {
  const texts = store({ width: [1, 2], note: ["a", "b"], key: ["k", "l"], status: ["done", "failed"] });
  const view = new View(await Table.of(texts, about({ fields: [{ name: "width" }], results: ["note"] })));
  assert.equal(view.measure, "");
  assert.deepEqual([view.quality(0), view.quality(1)], [0.5, NaN]);
});

test("words name columns by their last part, and say what they do not know", async () => {
  const table = await Table.of(sample(), facts);
  const filter = new WordFilter(table);
  const rows = (text: string) => [0, 1, 2, 3].filter((row) => filter.read(text).mask?.[row] ?? true);
  assert.deepEqual(rows("depth=5"), [3]);
  assert.deepEqual(rows("depth=None"), [2]);
  assert.deepEqual(rows("depth=-"), [1]);
  assert.deepEqual(rows("width=16..32"), [0, 1, 2]);
  assert.deepEqual(rows("valueerror"), [2]);
  assert.deepEqual(rows("status!=failed"), [0, 1, 3]);
  assert.deepEqual(rows("dd"), [3]);
  assert.match(filter.read("widht=3").problem, /no column widht; similar: width/);
});

test("a text finds the same rows, whatever was typed before it", async () => {
  const table = await Table.of(sample(), facts);
  const filter = new WordFilter(table);
  const found = (text: string, by: WordFilter) => [...(by.read(text).mask ?? "all")].join("");
  const typed = [
    "",
    "v",
    "va",
    "val",
    "value",
    "valu",
    "d",
    "dd",
    "ddx",
    "dd",
    "DD",
    "0.5",
    "0.50",
    "tree dd",
  ];
  const answers = typed.map((text) => found(text, filter));
  assert.deepEqual(
    answers,
    typed.map((text) => found(text, new WordFilter(table))),
  );
  assert.equal(found("value", filter), "0010");
  assert.equal(found("DD", filter), "0001");
  assert.equal(found("0.50", filter), found("0.5", filter));
  assert.ok(found("0.5", filter).includes("1"));
  assert.equal(found("value dd", filter), "0000");
});

test("failures are grouped by error", async () => {
  const groups = failureGroups(await Table.of(sample(), facts));
  assert.deepEqual(
    groups.map(({ error, status, rows }) => [error, status, rows]),
    [["ValueError: <b>", "failed", [2]]],
  );
});

test("newer rows replace those with their key, and may have other columns", async () => {
  const newer = store({ key: ["cc", "ee"], acc: [0.1, 0.2], extra: [1, 2] });
  const merged = sample().with(newer);
  assert.equal(merged.length, 5);
  const values = await merged.read(["key", "acc", "extra", "width"]);
  assert.deepEqual(values.get("key"), ["aa", "bb", "dd", "cc", "ee"]);
  assert.deepEqual(values.get("acc"), [0.5, 0.7, 0.9, 0.1, 0.2]);
  assert.deepEqual(values.get("extra"), [null, null, null, 1, 2]);
  assert.deepEqual(values.get("width"), [16, 16, 64, null, null]);
});

test("an empty table can be followed by rows", async () => {
  const view = new View(await Table.of(RowStore.empty, facts));
  assert.equal(view.measure, "");
  view.replace(await Table.of(RowStore.empty.with(sample()), facts), null);
  assert.deepEqual([view.measure, view.rows.length], ["acc", 4]);
});

test("a row of other code is told by its column", async () => {
  const marked = about({ results: ["acc"], columns: { stale: "stale" } });
  const rows = store({ acc: [1, 2], key: ["a", "b"], stale: [true, false] });
  const table = await Table.of(rows, marked);
  assert.deepEqual([table.isStale(0), table.isStale(1)], [true, false]);
});
