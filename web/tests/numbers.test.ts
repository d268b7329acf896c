import assert from "node:assert/strict";
import { test } from "node:test";
import { bytes, duration, exact, percent, short, tickText } from "../src/data/numbers.ts";

test("short numbers are written as Python writes them", () => {
  const samples: [number, string][] = [
    [0, "0"],
    [12, "12"],
    [0.1 + 0.2, "0.3"],
    [0.935801, "0.9358"],
    [1e-5, "1e-05"],
    [1.23456e-7, "1.2346e-07"],
    [123456.78, "123456.8"],
    [1e20, "1e+20"],
    [-2.5, "-2.5"],
    [NaN, "nan"],
    [Infinity, "inf"],
    [-Infinity, "-inf"],
    [100, "100"],
    [0.00012, "0.00012"],
    [9999.96, "10000"],
    [12345.96, "12346"],
  ];
  for (const [value, text] of samples) assert.equal(short(value), text);
});

test("exact numbers have all digits", () => {
  assert.equal(exact(0.1 + 0.2), "0.30000000000000004");
  assert.equal(exact(1.5e-9), "1.5e-09");
});

test("large numbers beside an axis are short", () => {
  assert.deepEqual([1e8, 1234567, 999999, -2e6, 0.5].map(tickText), [
    "1e+08",
    "1.235e+06",
    "999999",
    "-2e+06",
    "0.5",
  ]);
});

test("units", () => {
  assert.deepEqual([0.0123, 3.14159, 75, 3700].map(duration), ["12.3 ms", "3.14 s", "1:15", "1:01:40"]);
  assert.deepEqual([12, 2048, 5e6].map(bytes), ["12 B", "2 KB", "4.77 MB"]);
  assert.deepEqual([0, 0.004, 0.5, 1].map(percent), ["0 %", "< 1 %", "50 %", "100 %"]);
});
