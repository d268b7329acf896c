import assert from "node:assert/strict";
import { test } from "node:test";
import { axisOf, binsOf, bottom, SLOT, textAt, valueAt } from "../src/data/axis.ts";
import { linearTicks, logTicks } from "../src/data/ticks.ts";
import { field, result } from "./samples.ts";

const near = (a: ArrayLike<number>, b: number[]): void =>
  b.forEach((each, place) => assert.ok(Math.abs(a[place]! - each) < 1e-6, `${a[place]} is not ${each}`));

test("a linear axis runs from the smallest to the largest number", () => {
  const axis = axisOf(field([0, 5, 10]));
  assert.equal(axis.scale, "linear");
  near(axis.positions, [0, 0.5, 1]);
  assert.equal(valueAt(axis, 0.3), 3);
});

test("points in equal ratios make a log axis by itself", () => {
  const axis = axisOf(field([16, 32, 64, 128]));
  assert.equal(axis.scale, "log");
  near(axis.positions, [0, 1 / 3, 2 / 3, 1]);
  assert.deepEqual(
    axis.ticks.map((tick) => tick.label),
    ["16", "32", "64", "128"],
  );
});

test("many numbers over orders of magnitude make a log axis, evenly spread ones do not", () => {
  const spread = Array.from({ length: 200 }, (_, place) => 10 ** (-5 + (4 * place) / 199));
  assert.equal(axisOf(field(spread)).scale, "log");
  assert.equal(axisOf(field(Array.from({ length: 200 }, (_, place) => place + 1))).scale, "linear");
});

test("a declared log is kept, but not where a number is zero", () => {
  assert.equal(axisOf(field([1, 2]), true).scale, "log");
  assert.equal(axisOf(field([0, 1, 2]), true).scale, "linear");
});

test("what is not a finite number has a place below the axis", () => {
  const axis = axisOf(result([1, NaN, null, Infinity, 3]));
  assert.deepEqual(
    axis.slots.map((slot) => slot.label),
    ["nan", "inf", "no result"],
  );
  near(axis.positions, [0, -SLOT, -3 * SLOT, -2 * SLOT, 1]);
  assert.ok(Math.abs(bottom(axis) + 3 * SLOT) < 1e-6);
  assert.equal(textAt(axis, -3 * SLOT), "no result");
});

test("a column of one number stands in the middle", () => {
  const axis = axisOf(field([7, 7]));
  near(axis.positions, [0.5, 0.5]);
  assert.deepEqual(axis.ticks, [{ at: 0.5, label: "7" }]);
});

test("a column without a number has only places", () => {
  const axis = axisOf(result([NaN, NaN]));
  assert.deepEqual([axis.ticks, axis.slots.length], [[], 1]);
});

test("labels stand in order, with numbers in them as numbers", () => {
  const axis = axisOf(field(["b10", "b9", "a", null]));
  assert.deepEqual(
    axis.ticks.map((tick) => tick.label),
    ["a", "b9", "b10"],
  );
  near(axis.positions, [1, 0.5, 0, -SLOT]);
});

test("every row is in a bin, also those below the axis", () => {
  const labels = binsOf(axisOf(field(["a", "b", null, "a"])), 32);
  assert.deepEqual([...labels.codes], [0, 1, 2, 0]);
  const numbers = Array.from({ length: 100 }, (_, place) => place * 1.5);
  const bins = binsOf(axisOf(result([...numbers, null])), 10);
  assert.equal(bins.middles.length, 11);
  assert.equal(Math.max(...bins.codes), 10);
  for (let bin = 0; bin < 10; bin++) assert.equal(bins.codes.filter((code) => code === bin).length, 10);
});

test("few points have a bin each", () => {
  assert.deepEqual([...binsOf(axisOf(field([16, 64, 16, 32])), 32).codes], [0, 2, 0, 1]);
});

test("ticks are round numbers within the range", () => {
  assert.deepEqual(linearTicks(0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]);
  assert.deepEqual(linearTicks(0.7253, 0.8054), [0.74, 0.76, 0.78, 0.8]);
  assert.deepEqual(linearTicks(-3, 4000), [0, 1000, 2000, 3000, 4000]);
  assert.deepEqual(logTicks(1e-5, 1e-1), [1e-5, 1e-4, 1e-3, 1e-2, 1e-1]);
  assert.deepEqual(logTicks(16, 512), [20, 50, 100, 200, 500]);
  assert.deepEqual(linearTicks(2, 2), [2]);
});
