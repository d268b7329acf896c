/** Where a table reads its columns from. */

import type { ParquetFile } from "./parquet.ts";

export interface Rows {
  readonly names: string[];
  readonly length: number;
  /** The values of some columns, by name. */
  read(names: string[]): Promise<Map<string, unknown[]>>;
}

/** Rows in memory, which newer rows can replace. */
export class RowStore implements Rows {
  private constructor(
    readonly names: string[],
    readonly length: number,
    private readonly values: Map<string, unknown[]>,
  ) {}

  static readonly empty = new RowStore([], 0, new Map());

  static async of(file: ParquetFile): Promise<RowStore> {
    return new RowStore(file.names, file.length, await file.read(file.names));
  }

  static ofValues(values: Map<string, unknown[]>): RowStore {
    const [first = []] = values.values();
    return new RowStore([...values.keys()], first.length, values);
  }

  async read(names: string[]): Promise<Map<string, unknown[]>> {
    return new Map(names.map((name) => [name, this.values.get(name)!]));
  }

  /** These rows, and newer ones in place of those with the same keys. */
  with(newer: RowStore): RowStore {
    const keys = new Set(newer.values.get("key") ?? []);
    const old = this.values.get("key") ?? [];
    const kept: number[] = [];
    for (let row = 0; row < this.length; row++) if (!keys.has(old[row])) kept.push(row);
    const names = [...new Set([...this.names, ...newer.names])];
    const values = new Map<string, unknown[]>();
    for (const name of names) {
      const before = this.values.get(name);
      const after = newer.values.get(name) ?? new Array<unknown>(newer.length).fill(null);
      values.set(name, [...kept.map((row) => (before ? before[row] : null)), ...after]);
    }
    return new RowStore(names, kept.length + newer.length, values);
  }
}
