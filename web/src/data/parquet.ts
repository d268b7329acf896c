/** A parquet file in memory, read column by column. */

import type { Rows } from "./rows.ts";
import { decompress } from "fzstd";
import { parquetMetadata, parquetRead, parquetReadObjects, type FileMetaData } from "hyparquet";

const compressors = {
  ZSTD: (input: Uint8Array, size: number): Uint8Array => decompress(input, new Uint8Array(size)),
};

/** Times as milliseconds since 1970, which need no object each. */
const parsers = {
  timestampFromMilliseconds: (value: bigint) => Number(value),
  timestampFromMicroseconds: (value: bigint) => Number(value) / 1e3,
  timestampFromNanoseconds: (value: bigint) => Number(value) / 1e6,
};

export class ParquetFile implements Rows {
  readonly names: string[];
  readonly length: number;
  private readonly metadata: FileMetaData;
  private readonly nested: Set<string>;

  constructor(readonly buffer: ArrayBuffer) {
    this.metadata = parquetMetadata(buffer);
    this.length = Number(this.metadata.num_rows);
    this.nested = new Set();
    this.names = this.namesOfSchema();
  }

  /** The names of the columns; a nested one stands before its parts in the schema. */
  private namesOfSchema(): string[] {
    const names: string[] = [];
    const elements = this.metadata.schema;
    const skip = (place: number): number => {
      let next = place + 1;
      for (let child = 0; child < (elements[place]?.num_children ?? 0); child++) next = skip(next);
      return next;
    };
    for (let place = 1; place < elements.length; place = skip(place)) {
      const element = elements[place]!;
      names.push(element.name);
      if (element.num_children) this.nested.add(element.name);
    }
    return names;
  }

  /** The values of some columns, by name. */
  async read(names: string[]): Promise<Map<string, unknown[]>> {
    const found = new Map(names.map((name) => [name, new Array<unknown>(this.length).fill(null)]));
    const flat = names.filter((name) => !this.nested.has(name));
    if (flat.length && this.length) await this.readFlat(flat, found);
    for (const name of names) {
      if (this.nested.has(name)) found.set(name, await this.readNested(name));
    }
    return found;
  }

  private get options() {
    const buffer = this.buffer;
    const file = {
      byteLength: buffer.byteLength,
      slice: (start: number, end?: number) => buffer.slice(start, end),
    };
    return { file, metadata: this.metadata, compressors, parsers };
  }

  private async readFlat(columns: string[], found: Map<string, unknown[]>): Promise<void> {
    await parquetRead({
      ...this.options,
      columns,
      onChunk: ({ columnName, columnData, rowStart }) => {
        const values = found.get(columnName);
        if (!values) return;
        for (let place = 0; place < columnData.length; place++) {
          values[rowStart + place] = columnData[place];
        }
      },
    });
  }

  private async readNested(name: string): Promise<unknown[]> {
    const rows = await parquetReadObjects({ ...this.options, columns: [name] });
    return rows.map((row) => row[name] ?? null);
  }
}

/** The bytes that base64 text stands for. */
export function bytesOfBase64(text: string): ArrayBuffer {
  const binary = atob(text.trim());
  const bytes = new Uint8Array(binary.length);
  for (let place = 0; place < binary.length; place++) bytes[place] = binary.charCodeAt(place);
  return bytes.buffer;
}
