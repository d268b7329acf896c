/** The filter box: `width=64 accuracy>0.9 adam` as a test for rows. */

import { type Column, Gap, labelOf } from "./column.ts";
import type { Table } from "./table.ts";

export type Test = (row: number) => boolean;

interface Condition {
  name: string;
  operator: string;
  value: string;
}

export interface Words {
  test: Test | null;
  /** Why a word could not be read. */
  problem: string;
}

const OPERATORS = /^([^\s=<>!~"]+)(!=|<=|>=|=|<|>|~)(.*)$/s;

/** Words that are separated by spaces; a part in double quotes may contain spaces. */
export function split(text: string): string[] {
  return [...text.matchAll(/(?:[^\s"]|"(?:[^"\\]|\\.)*"?)+/g)].map((match) => match[0]);
}

const unquoted = (text: string): string =>
  text.replace(/"((?:[^"\\]|\\.)*)"?/g, (_, inner: string) => inner.replace(/\\(.)/g, "$1"));

/** A word as a condition on a column, or null if it is a text to look for. */
export function conditionOf(word: string): Condition | null {
  const match = OPERATORS.exec(word);
  if (!match) return null;
  return { name: match[1]!, operator: match[2]!, value: unquoted(match[3]!) };
}

/** The test that all words of a text make. */
export function wordsOf(table: Table, text: string): Words {
  const tests: Test[] = [];
  for (const word of split(text)) {
    const condition = conditionOf(word);
    if (!condition) {
      tests.push(contains(table, unquoted(word)));
      continue;
    }
    const column = columnNamed(table, condition.name);
    if (typeof column === "string") return { test: null, problem: column };
    if (condition.value !== "") tests.push(compare(column, condition));
  }
  if (!tests.length) return { test: null, problem: "" };
  return { test: (row) => tests.every((test) => test(row)), problem: "" };
}

/** A column by its name or the last parts of it, or what is wrong with the name. */
function columnNamed(table: Table, name: string): Column | string {
  if (table.has(name)) return table.column(name);
  const known = table.names;
  const ends = known.filter((each) => each.endsWith(`.${name}`));
  if (ends.length === 1) return table.column(ends[0]!);
  if (ends.length) return `${name} may mean ${ends.join(" or ")}`;
  const similar = known.filter((each) => each.toLowerCase().startsWith(name.toLowerCase().slice(0, 3)));
  return (
    `there is no column ${name}` + (similar.length ? `; similar: ${similar.slice(0, 3).join(", ")}` : "")
  );
}

const GAP_WORDS: Record<string, number[]> = {
  none: [Gap.none, Gap.empty],
  null: [Gap.none, Gap.empty],
  "–": [Gap.absent],
  "-": [Gap.absent],
};

function compare(column: Column, { operator, value }: Condition): Test {
  const gaps = GAP_WORDS[value.toLowerCase()];
  if (gaps && (operator === "=" || operator === "!=")) {
    const wanted = operator === "=";
    return (row) => gaps.includes(column.gaps[row]!) === wanted;
  }
  if (column.kind === "number") return compareNumber(column.numbers, operator, value);
  const test = compareLabel(operator, value);
  const good = column.labels.map(test);
  const ofGaps = operator === "!=";
  return (row) => (column.codes[row]! < 0 ? ofGaps : good[column.codes[row]!]!);
}

function compareNumber(numbers: Float64Array, operator: string, text: string): Test {
  if (text.toLowerCase() === "nan") {
    return (row) => Number.isNaN(numbers[row]) === (operator !== "!=");
  }
  const [low, high] = text.includes("..") ? text.split("..").map(Number) : [NaN, NaN];
  if (operator === "=" && !Number.isNaN(low)) {
    return (row) => numbers[row]! >= low! && numbers[row]! <= (Number.isNaN(high) ? Infinity : high!);
  }
  const value = Number(text.replace(/^\+?inf$/i, "Infinity").replace(/^-inf$/i, "-Infinity"));
  const near = Math.abs(value) * 1e-12;
  switch (operator) {
    case "<":
      return (row) => numbers[row]! < value;
    case "<=":
      return (row) => numbers[row]! <= value;
    case ">":
      return (row) => numbers[row]! > value;
    case ">=":
      return (row) => numbers[row]! >= value;
    case "!=":
      return (row) => !(numbers[row] === value || Math.abs(numbers[row]! - value) <= near);
    default:
      return (row) => numbers[row] === value || Math.abs(numbers[row]! - value) <= near;
  }
}

function compareLabel(operator: string, value: string): (label: string) => boolean {
  const small = value.toLowerCase();
  const same = (label: string): boolean => label === value || label.toLowerCase() === small;
  switch (operator) {
    case "~":
      return (label) => label.toLowerCase().includes(small);
    case "!=":
      return (label) => !same(label);
    case "<":
      return (label) => label < value;
    case "<=":
      return (label) => label <= value;
    case ">":
      return (label) => label > value;
    case ">=":
      return (label) => label >= value;
    default:
      return same;
  }
}

/** Tells whether some text of a row contains this text. */
function contains(table: Table, text: string): Test {
  const small = text.toLowerCase();
  const columns = table.names.map((name) => table.column(name));
  const tests = columns.map((column): Test => {
    if (column.kind === "number") return (row) => !column.gaps[row] && labelOf(column.numbers[row]) === text;
    const good = column.labels.map((label) => label.toLowerCase().includes(small));
    return (row) => column.codes[row]! >= 0 && good[column.codes[row]!]!;
  });
  return (row) => tests.some((test) => test(row));
}
