/** What differs between two runs: their code, space, packages and the like. */

import type { CodeFacts, RunFacts } from "./about.ts";
import { labelOf } from "./column.ts";
import { differingLines } from "./line_diff.ts";

export interface RunChange {
  /** What differs, such as `Python` or the name of a function. */
  what: string;
  /** Whether it is a part of the code. */
  isCode: boolean;
  /** What it was and is, in one line. */
  summary: string;
  /** The lines that differ. */
  lines: string[];
}

/** What differs in the second run; empty if nothing does. */
export function changesBetween(before: RunFacts, after: RunFacts, code: CodeFacts): RunChange[] {
  return [
    ...changesOfCode(before.code, after.code, code),
    ...changesOfSpace(before.space, after.space),
    ...changesOfFacts(factsOf(before), factsOf(after)),
  ];
}

function factsOf(run: RunFacts): Map<string, string> {
  const facts = new Map([
    ["Python", run.python],
    ["engine", run.engine],
    ["workers", run.workers ? String(run.workers) : ""],
  ]);
  for (const [name, value] of Object.entries(run.git ?? {})) facts.set(`git ${name}`, labelOf(value));
  for (const [name, version] of Object.entries(run.versions)) facts.set(name, labelOf(version));
  return facts;
}

function changesOfFacts(before: Map<string, string>, after: Map<string, string>): RunChange[] {
  const names = [...new Set([...before.keys(), ...after.keys()])];
  return names
    .map((name) => ({ name, old: before.get(name) || "–", now: after.get(name) || "–" }))
    .filter(({ old, now }) => old !== now)
    .map(({ name, old, now }) => ({ what: name, isCode: false, summary: `${old} → ${now}`, lines: [] }));
}

function changesOfSpace(before: string, after: string): RunChange[] {
  if (before === after) return [];
  return [{ what: "space", isCode: false, summary: "", lines: differingLines(before, after) }];
}

/** Changes of code that were computed before, since the board asks for them again and again. */
const computed = new WeakMap<CodeFacts, Map<string, RunChange[]>>();

function changesOfCode(before: string, after: string, code: CodeFacts): RunChange[] {
  if (before === after) return [];
  const known = computed.get(code) ?? new Map<string, RunChange[]>();
  computed.set(code, known);
  const pair = `${before} ${after}`;
  const changes = known.get(pair) ?? changesOfParts(before, after, code);
  known.set(pair, changes);
  return changes;
}

function changesOfParts(before: string, after: string, { parts, texts }: CodeFacts): RunChange[] {
  const old = parts[before];
  const now = parts[after];
  if (!old || !now)
    return [{ what: "code", isCode: true, summary: `${before || "–"} → ${after || "–"}`, lines: [] }];
  const names = [...new Set([...Object.keys(old), ...Object.keys(now)])].sort();
  const textOf = (part: number | string | undefined): string =>
    typeof part === "number" ? (texts[part] ?? "") : "";
  return names
    .filter((name) => old[name] !== now[name])
    .map((name) => {
      const how = !(name in old) ? "added" : !(name in now) ? "removed" : "changed";
      const isKnown = [old[name], now[name]].every((part) => typeof part !== "string");
      const lines = isKnown ? differingLines(textOf(old[name]), textOf(now[name])) : [];
      return {
        what: name,
        isCode: true,
        summary: isKnown ? how : `${how}; its text is not in this page`,
        lines,
      };
    });
}

/** The code of a run as one text; empty if it is not in the page. */
export function textOfCode(code: string, { parts, texts }: CodeFacts): string {
  const known = Object.entries(parts[code] ?? {}).flatMap(([name, part]) =>
    typeof part === "number" ? [[name, texts[part] ?? ""] as const] : [],
  );
  return known
    .filter(([, text]) => !/^(import|from) /.test(text))
    .map(([name, text]) => `# ${name}\n${text}`)
    .join("\n\n");
}
