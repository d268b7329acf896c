import assert from "node:assert/strict";
import { test } from "node:test";
import { ascending, cellText, columnOf, distinct, Gap, wholeText } from "../src/data/column.ts";
import { markAbsent } from "../src/data/owners.ts";
import { field, result } from "./samples.ts";

const texts = (column: ReturnType<typeof field>): string[] =>
  Array.from({ length: column.length }, (_, row) => cellText(column, row));

test("numbers and integers of 64 bits are numbers", () => {
  const column = field([1, 2n, null, 0.1]);
  assert.equal(column.kind, "number");
  assert.deepEqual(texts(column), ["1", "2", "None", "0.1"]);
});

test("an integer that a float cannot hold keeps its digits", () => {
  const column = field([2n ** 60n + 1n, 5n]);
  assert.equal(wholeText(column, 0), "1152921504606846977");
});

test("a missing field is None, a missing result is empty", () => {
  assert.equal(cellText(field([null, 1]), 0), "None");
  assert.equal(cellText(result([null, 1]), 0), "");
});

test("a column without any value has labels, and only gaps", () => {
  const column = result([null, undefined]);
  assert.deepEqual([column.kind, [...column.gaps]], ["label", [Gap.empty, Gap.empty]]);
});

test("JSON text shows its value, and null in it is None", () => {
  const column = columnOf(['"auto"', "1", "null", "{broken"], { name: "x", role: "field", json: true });
  assert.deepEqual(texts(column), ["auto", "1", "None", "{broken"]);
});

test("truth values and lists are shown as values", () => {
  assert.deepEqual(texts(field([true, false])), ["True", "False"]);
  assert.deepEqual(texts(field([[1, 2n], [3]])), ["[1,2]", "[3]"]);
});

test("rows are ordered by number, then nan, then gaps; equal ones keep their order", () => {
  assert.deepEqual([...ascending(field([3, null, NaN, 1, 3, -Infinity]))], [5, 3, 0, 4, 2, 1]);
  assert.deepEqual([...ascending(field(["b10", "b9", null, "a"]))], [3, 1, 0, 2]);
});

test("distinct counts a gap as a value", () => {
  assert.equal(distinct(field([1, 1, null])), 2);
  assert.equal(distinct(field(["a", "a"])), 1);
});

test("a field without a value is None where the table says so, and else absent", () => {
  const depth = field([null, 3, null], "model.depth");
  markAbsent(depth, field([true, false, false], "none:model.depth"));
  assert.deepEqual([...depth.gaps], [Gap.none, Gap.no, Gap.absent]);
  assert.equal(wholeText(depth, 2), "does not have this field");
});

test("without that column, a field without a value is absent", () => {
  const depth = field([null, 3]);
  markAbsent(depth, null);
  assert.deepEqual([...depth.gaps], [Gap.absent, Gap.no]);
});

test("texts in JSON have no quotes, unless they look like other values", () => {
  const given = ['"auto"', '"1"', "1", "true", '"true"', "null", "[1, 2]", '"none"', '"a b"'];
  const column = columnOf(given, { name: "gamma", role: "field", json: true });
  assert.deepEqual(texts(column), ["auto", '"1"', "1", "True", '"true"', "None", "[1,2]", '"none"', "a b"]);
});
