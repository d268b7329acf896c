import assert from "node:assert/strict";
import { test } from "node:test";
import { groupNumbers, repeatGroups } from "../src/data/repeats.ts";
import { field, result } from "./samples.ts";

test("rows have a number in common if they have all fields in common, gaps included", () => {
  const fields = [field(["a", "a", "b", "b", "a"]), field([1, 1, 1, null, 2])];
  assert.deepEqual([...groupNumbers(fields, 5)], [0, 0, 1, 2, 3]);
  assert.deepEqual([...groupNumbers([], 2)], [0, 0]);
});

test("a mean leaves out rows without a number, and counts them", () => {
  const groups = Uint32Array.of(0, 0, 0, 1);
  const [first, second] = repeatGroups(groups, Uint32Array.of(0, 1, 2, 3), result([1, 3, null, NaN]));
  assert.deepEqual(
    [first!.rows, first!.measured, first!.mean, first!.low, first!.high],
    [[0, 1, 2], 2, 2, 1, 3],
  );
  assert.ok(Math.abs(first!.deviation - Math.SQRT2) < 1e-12);
  assert.equal(second!.measured, 0);
});

test("rows that are not selected belong to no group", () => {
  assert.deepEqual(
    repeatGroups(Uint32Array.of(0, 0), Uint32Array.of(1), result([1, 5])).map((group) => group.mean),
    [5],
  );
});
