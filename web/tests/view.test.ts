import assert from "node:assert/strict";
import { test } from "node:test";
import { axisOf, binsOf } from "../src/data/axis.ts";
import { cellValue, heatOf, together } from "../src/data/heat.ts";
import { markAbsent } from "../src/data/owners.ts";
import { spreadOf, Steps, withNewer } from "../src/data/steps.ts";
import { trendOf } from "../src/data/trend.ts";
import { rowsOf } from "../src/data/view.ts";
import { conditionOf, split } from "../src/data/words.ts";
import { bandsOf } from "../src/drawing/bands.ts";
import { nearestRow } from "../src/panels/slice_pointer.ts";
import { field, result } from "./samples.ts";

test("words are separated by spaces outside of quotes", () => {
  assert.deepEqual(split('a=1  "b c" d="e f"g'), ["a=1", '"b c"', 'd="e f"g']);
  assert.deepEqual(split(""), []);
});

test("a word with an operator is a condition, others are texts", () => {
  assert.deepEqual(conditionOf("width>=64"), { name: "width", operator: ">=", value: "64" });
  assert.deepEqual(conditionOf('error~"no such"'), { name: "error", operator: "~", value: "no such" });
  assert.equal(conditionOf("adam"), null);
  assert.equal(conditionOf('"a=b"'), null);
});

test("quotes and backslashes in a quoted text are escaped with a backslash", () => {
  assert.equal(conditionOf(split('name="say \\"hi\\" \\\\ there"')[0]!)?.value, 'say "hi" \\ there');
});

test("rows of a mask", () => {
  assert.deepEqual([...rowsOf(Uint8Array.of(0, 1, 0, 1))], [1, 3]);
});

test("bands have every row of the mask once, with their weights", () => {
  const left = binsOf(axisOf(field(["a", "a", "b", null])), 24);
  const right = binsOf(axisOf(result([1, 2, null, 2])), 24);
  const weights = Float64Array.of(1, 1, 10, 1);
  const qualities = Float32Array.of(0, 1, NaN, 1);
  const bands = bandsOf(left, right, new Uint8Array(4).fill(1), { qualities, weights });
  assert.equal(
    bands.reduce((sum, band) => sum + band.rows, 0),
    13,
  );
  assert.equal(bands.length, 4);
  assert.ok(Number.isNaN(bands[0]!.quality), "bands without a result come first");
  const some = bandsOf(left, right, Uint8Array.of(1, 0, 0, 0), { qualities, weights });
  assert.deepEqual(
    some.map((band) => band.rows),
    [1],
  );
});

test("a heat map has every row in one cell, rows without a result included", () => {
  const x = axisOf(field(["a", "b", "a", null]));
  const y = axisOf(field([1, 1, 2, 2]));
  const heat = heatOf(
    x,
    y,
    new Uint8Array(4).fill(1),
    Float64Array.of(3, NaN, 5, 7),
    new Float64Array(4).fill(1),
  );
  assert.deepEqual(
    heat.across.map((step) => step.label),
    ["a", "b", "None"],
  );
  assert.deepEqual(
    heat.down.map((step) => step.label),
    ["1", "2"],
  );
  assert.deepEqual(
    heat.cells.map((cell) => cell.rows),
    [1, 1, 0, 1, 0, 1],
  );
  assert.equal(cellValue(heat.cells[0]!, "mean", true), 3);
  assert.ok(Number.isNaN(cellValue(heat.cells[1]!, "mean", true)));
  assert.equal(cellValue(heat.cells[1]!, "rows", true), 1);
});

test("fields that no setting has both of are told", () => {
  const depth = field([3, null, 5, null], "depth");
  const width = field([null, 1, null, 2], "width");
  markAbsent(depth, null);
  markAbsent(width, null);
  assert.equal(together(depth, width), 0);
  assert.equal(together(depth, depth), 2);
  assert.equal(together(field([1, 2, 3, 4]), width), 2);
});

test("many numbers of a heat map are in ranges that select exactly their rows", () => {
  const numbers = Array.from({ length: 100 }, (_, place) => place + 0.5);
  const axis = axisOf(field(numbers));
  const all = new Float64Array(100).fill(1);
  const heat = heatOf(axis, axis, new Uint8Array(100).fill(1), all, all);
  heat.across.forEach(({ range }, place) => {
    const rows = axis.positions.filter((at) => at >= range[0] - 1e-6 && at <= range[1] + 1e-6).length;
    assert.equal(rows, heat.cells[place * heat.across.length + place]!.rows);
  });
});

test("the trend is the mean of each bin, without rows that have no result", () => {
  const points = trendOf(
    axisOf(field([1, 1, 2, 2])),
    axisOf(result([0, 10, 10, null])),
    new Uint8Array(4).fill(1),
    new Float64Array(4).fill(1),
  );
  assert.deepEqual(
    points.map(({ at, mean, rows }) => [at, mean, rows]),
    [
      [0, 0.5, 2],
      [1, 1, 1],
    ],
  );
});

test("newer steps of a setting replace those before", () => {
  const part = (keys: string[], loss: (number | null)[]) => ({
    length: keys.length,
    values: new Map<string, unknown[]>([
      ["key", keys],
      ["step", keys.map((_, place) => place)],
      ["loss", loss],
    ]),
  });
  const steps = new Steps(withNewer(part(["a", "a", "b"], [3, 2, 9]), part(["a"], [5])), []);
  assert.deepEqual([...steps.curve("a", "step", "loss")!.ys], [5]);
  assert.deepEqual([...steps.curve("b", "step", "loss")!.ys], [9]);
  assert.deepEqual([steps.measures, steps.counters], [["loss"], ["step"]]);
  assert.equal(steps.curve("c", "step", "loss"), null);
});

test("the spread of curves has their quartiles at each x", () => {
  const curve = (ys: number[]) => ({
    key: "",
    xs: Float64Array.from(ys, (_, place) => place),
    ys: Float64Array.from(ys),
  });
  const spread = spreadOf([curve([1, 5]), curve([2]), curve([3, 7])]);
  assert.deepEqual(
    [spread.xs, spread.low, spread.median, spread.high],
    [
      [0, 1],
      [1, 5],
      [2, 7],
      [3, 7],
    ],
  );
});

test("a click opens the nearest selected row, if it is near", () => {
  const xs = [0, 10, 11];
  const at = (x: number) =>
    nearestRow(
      (row) => xs[row]!,
      () => 0,
      Uint8Array.of(1, 1, 0),
      x,
      0,
    );
  assert.deepEqual([at(12), at(4), at(30)], [1, 0, null]);
});
