/** Which rows contain a text. Texts are prepared once, and a longer text looks only where the shorter one was. */

import { type Column, type LabelColumn, labelOf } from "./column.ts";
import type { Table } from "./table.ts";

/** The labels of a column in small letters, and those in which a text was found last. */
interface Searched {
  readonly small: readonly string[];
  text: string;
  /** 1 for each label that contains the text. */
  found: Uint8Array;
  matches: number;
}

export class TextSearch {
  private readonly searched = new WeakMap<Column, Searched>();

  constructor(private readonly table: Table) {}

  /** 1 for each row in which some column contains the text, or is the number that the text says. */
  mask(text: string): Uint8Array {
    const small = text.toLowerCase();
    const mask = new Uint8Array(this.table.length);
    for (const name of this.table.names) {
      const column = this.table.column(name);
      if (column.kind === "label") this.markLabels(mask, column, small);
      else markNumbers(mask, column.numbers, column.gaps, text);
    }
    return mask;
  }

  private markLabels(mask: Uint8Array, column: LabelColumn, small: string): void {
    const { found, matches } = this.look(column, small);
    if (!matches) return;
    const { codes } = column;
    for (let row = 0; row < mask.length; row++) {
      const code = codes[row]!;
      if (code >= 0 && found[code]) mask[row] = 1;
    }
  }

  /** Look for a text in the labels of a column. */
  private look(column: LabelColumn, text: string): Searched {
    let searched = this.searched.get(column);
    if (!searched) {
      const small = column.labels.map((label) => label.toLowerCase());
      searched = { small, text: "", found: new Uint8Array(small.length).fill(1), matches: small.length };
      this.searched.set(column, searched);
    }
    if (text === searched.text) return searched;
    const isLonger = text.includes(searched.text);
    const { small, found } = searched;
    searched.matches = 0;
    for (let place = 0; place < small.length; place++) {
      if (isLonger && !found[place]) continue;
      found[place] = small[place]!.includes(text) ? 1 : 0;
      searched.matches += found[place]!;
    }
    searched.text = text;
    return searched;
  }
}

/** Mark the rows with the number that a text says. */
function markNumbers(mask: Uint8Array, numbers: Float64Array, gaps: Uint8Array, text: string): void {
  const wanted = numberOf(text);
  if (wanted === null) return;
  const isNan = Number.isNaN(wanted);
  for (let row = 0; row < mask.length; row++) {
    const value = numbers[row]!;
    if ((isNan ? Number.isNaN(value) : value === wanted) && !gaps[row]) mask[row] = 1;
  }
}

/** The number that the table shows as this text, or that the text says in another way; else null. */
function numberOf(text: string): number | null {
  for (const special of [NaN, Infinity, -Infinity]) if (labelOf(special) === text) return special;
  const value = Number(text);
  return text.trim() === "" || Number.isNaN(value) ? null : value;
}
