/** The filter box: `width=64 accuracy>0.9 adam` as a mask of rows. */

import { type Column, Gap } from "./column.ts";
import type { Table } from "./table.ts";
import { TextSearch } from "./text_search.ts";

type Test = (row: number) => boolean;

interface Condition {
  name: string;
  operator: string;
  value: string;
}

/** What the words of the filter box select. */
export interface Words {
  /** 1 for each row that fulfils all words; null if there is no word. */
  mask: Uint8Array | null;
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

const MOST_MASKS = 24;

/** Reads the filter box. What a word selects is computed once, while it stays in the box. */
export class WordFilter {
  private readonly masks = new Map<string, Uint8Array>();
  private readonly search: TextSearch;
  private columns = "";

  constructor(private readonly table: Table) {
    this.search = new TextSearch(table);
  }

  read(text: string): Words {
    const words: [word: string, compute: () => Uint8Array][] = [];
    for (const word of split(text)) {
      const condition = conditionOf(word);
      if (!condition) {
        words.push([word, () => this.search.mask(unquoted(word))]);
        continue;
      }
      const column = columnNamed(this.table, condition.name);
      if (typeof column === "string") return { mask: null, problem: column };
      if (condition.value !== "") words.push([word, () => maskOf(compare(column, condition), column.length)]);
    }
    const masks = words.map(([word, compute]) => this.mask(word, compute));
    return { mask: masks.length ? masks.reduce(both) : null, problem: "" };
  }

  /** Read the texts of all columns, which the first text that is looked for needs. */
  prepare(): void {
    this.search.mask("\0"); // no row has it
  }

  private mask(word: string, compute: () => Uint8Array): Uint8Array {
    this.forgetOld();
    const mask = this.masks.get(word) ?? compute();
    this.masks.delete(word); // the newest ones come last
    this.masks.set(word, mask);
    return mask;
  }

  /** Forget all masks when columns were read since, and otherwise the oldest ones. */
  private forgetOld(): void {
    const columns = this.table.names.join("\n") + this.table.hasKeys;
    if (columns !== this.columns) this.masks.clear();
    this.columns = columns;
    for (const word of this.masks.keys()) {
      if (this.masks.size < MOST_MASKS) return;
      this.masks.delete(word);
    }
  }
}

function maskOf(test: Test, length: number): Uint8Array {
  const mask = new Uint8Array(length);
  for (let row = 0; row < length; row++) if (test(row)) mask[row] = 1;
  return mask;
}

/** The rows that both masks have. */
function both(mask: Uint8Array, other: Uint8Array): Uint8Array {
  return mask.map((each, row) => each & other[row]!);
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
