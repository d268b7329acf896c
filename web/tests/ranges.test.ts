import assert from "node:assert/strict";
import { test } from "node:test";
import { axisOf } from "../src/data/axis.ts";
import { moved } from "../src/data/ranges.ts";
import { field, result } from "./samples.ts";

test("a range of numbers keeps its values when the axis grows", () => {
  const [[low, high]] = moved([[0.5, 1]], axisOf(result([0, 10])), axisOf(result([0, 20]))) as [
    [number, number],
  ];
  assert.deepEqual([low, high], [0.25, 0.5]);
});

test("a range on a log axis does too", () => {
  const before = axisOf(field([1, 10, 100]), true);
  const after = axisOf(field([1, 10, 100, 10000]), true);
  assert.ok(Math.abs(moved([[0, 0.5]], before, after)[0]![1] - 0.25) < 1e-9);
});

test("labels are found again by what they are called", () => {
  const before = axisOf(field(["b", "c"]));
  const after = axisOf(field(["a", "b", "c", null]));
  assert.deepEqual(moved([[0, 0]], before, after), [[0.5, 0.5]]);
  assert.deepEqual(moved([[0, 1]], before, after), [
    [0.5, 0.5],
    [1, 1],
  ]);
});

test("places below the axis are found again, or are gone", () => {
  const before = axisOf(result([1, 2, null]));
  const after = axisOf(result([1, NaN, 2, null]));
  const at = before.slots[0]!.at;
  assert.deepEqual(moved([[at, at]], before, after), [[after.slots[1]!.at, after.slots[1]!.at]]);
  assert.deepEqual(moved([[at, at]], before, axisOf(result([1, 2]))), []);
});
