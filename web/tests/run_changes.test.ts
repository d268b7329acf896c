import assert from "node:assert/strict";
import { test } from "node:test";
import { aboutOf } from "../src/data/about.ts";
import { differingLines } from "../src/data/line_diff.ts";
import { changesBetween, textOfCode } from "../src/data/run_changes.ts";

test("lines that differ are shown with those around them", () => {
  const before = ["a", "b", "c", "d", "e", "f", "g", "h"];
  const after = ["a", "b", "c", "d", "E", "f", "g", "h"];
  assert.deepEqual(differingLines(before.join("\n"), after.join("\n")), [
    "…",
    " b",
    " c",
    " d",
    "-e",
    "+E",
    " f",
    " g",
    " h",
  ]);
});

test("equal texts have no lines that differ; a new text has only added ones", () => {
  assert.deepEqual(differingLines("a\nb", "a\nb"), []);
  assert.deepEqual(differingLines("", "a\nb"), ["+a", "+b"]);
  assert.deepEqual(differingLines("a\nb", ""), ["-a", "-b"]);
});

test("any two texts: the lines make up both of them", () => {
  let seed = 7;
  const random = (below: number): number => (seed = (seed * 48271) % 2147483647) % below;
  let compared = 0;
  for (let round = 0; round < 300; round++) {
    const text = (): string[] => Array.from({ length: 1 + random(4) }, () => "abc"[random(3)]!);
    const [before, after] = [text(), text()];
    const lines = differingLines(before.join("\n"), after.join("\n"));
    const side = (sign: string): string[] =>
      lines.filter((line) => line[0] === " " || line[0] === sign).map((line) => line.slice(1));
    if (!lines.length) assert.deepEqual(before, after);
    else if (!lines.includes("…")) {
      assert.deepEqual(side("-"), before);
      assert.deepEqual(side("+"), after);
      compared++;
    }
  }
  assert.ok(compared > 200);
});

test("very long texts are told apart without a table of all their lines", () => {
  const lines = (sign: string): string => Array.from({ length: 5000 }, (_, n) => `${sign}${n}`).join("\n");
  assert.equal(differingLines(`${lines("a")}\nend`, `${lines("b")}\nend`).length, 10_001);
});

const about = aboutOf({
  runs: [
    { id: "1", code: "c1", python: "3.11", versions: { numpy: "1", scipy: "1" }, space: "lr: 1, 2" },
    { id: "2", code: "c2", python: "3.11", versions: { numpy: "2", scipy: "1" }, space: "lr: 1, 2, 3" },
    {
      id: "3",
      code: "c1",
      python: "3.12",
      versions: { numpy: "1" },
      space: "lr: 1, 2",
      git: { commit: "x" },
    },
    { id: "4", code: "unknown" },
  ],
  parts: { c1: { "m.f": 0, "m.g": 1, "m.big": "d1" }, c2: { "m.f": 2, "m.g": 1, "m.h": 3, "m.big": "d2" } },
  texts: ["def f():\n    return 1", "def g(): ...", "def f():\n    return 2", "import os"],
});

test("any two runs are compared: code, space, packages and Python", () => {
  const [one, two, three] = about.runs;
  const changes = changesBetween(one!, two!, about.code);
  assert.deepEqual(
    changes.map(({ what, summary }) => [what, summary]),
    [
      ["m.big", "changed; its text is not in this page"],
      ["m.f", "changed"],
      ["m.h", "added"],
      ["space", ""],
      ["numpy", "1 → 2"],
    ],
  );
  assert.deepEqual(changes[1]!.lines, [" def f():", "-    return 1", "+    return 2"]);
  assert.deepEqual(
    changesBetween(one!, three!, about.code).map(({ what, summary }) => [what, summary]),
    [
      ["Python", "3.11 → 3.12"],
      ["scipy", "1 → –"],
      ["git commit", "– → x"],
    ],
  );
  assert.deepEqual(changesBetween(one!, one!, about.code), []);
});

test("code that the page does not have is told by its fingerprint", () => {
  const [one, , , four] = about.runs;
  assert.deepEqual(changesBetween(one!, four!, about.code)[0]!.summary, "c1 → unknown");
  assert.equal(textOfCode("unknown", about.code), "");
  assert.equal(textOfCode("c2", about.code), "# m.f\ndef f():\n    return 2\n\n# m.g\ndef g(): ...");
});
