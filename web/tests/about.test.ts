import assert from "node:assert/strict";
import { test } from "node:test";
import { aboutOf } from "../src/data/about.ts";

test("an empty object has all facts, empty", () => {
  const about = aboutOf({});
  assert.equal(about.title, "Results");
  assert.equal(about.goal, null);
  assert.deepEqual([about.fields, about.results, about.runs, about.logs], [[], [], [], {}]);
  assert.equal(about.live, null);
});

test("what is no object is an empty one", () => {
  for (const value of [null, 3, "x", [], undefined]) assert.equal(aboutOf(value).title, "Results");
});

test("a field without owners exists everywhere, and is not log", () => {
  const [field] = aboutOf({ fields: [{ name: "lr" }] }).fields;
  assert.deepEqual(field, { name: "lr", kind: "", varies: true, log: false, owners: [] });
});

test("the direction of a goal is maximize unless it says minimize", () => {
  assert.equal(aboutOf({ goal: { column: "loss", direction: "minimize" } }).goal?.direction, "minimize");
  assert.equal(aboutOf({ goal: { column: "loss", direction: "<b>" } }).goal?.direction, "maximize");
  assert.equal(aboutOf({ goal: { direction: "minimize" } }).goal, null);
});

test("the current code is among the codes that count as current", () => {
  assert.deepEqual(aboutOf({ current_code: "a", current_codes: ["b"] }).codes, ["b", "a"]);
  assert.deepEqual(aboutOf({ current_code: null }).codes, []);
});
