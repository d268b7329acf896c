/** The rows of an experiment: fields, results, and facts such as key, status and error. */

import type { About } from "./about.ts";
import { type Column, columnOf, distinct, Gap, type LabelColumn, type Role, ascending } from "./column.ts";
import { markAbsent } from "./owners.ts";
import type { Rows } from "./rows.ts";

/** The facts that all panels need; others are read when a row is opened. */
const FIRST_FACTS = ["status", "error", "code"];
/** From so many rows on, keys are read after the first panels were drawn. */
const MANY = 20_000;
/** Columns that mean nothing outside the folder of results. */
const HIDDEN = ["log_start", "log_end"];

/** The columns that only mark rows. */
const marksOf = (about: About): string[] =>
  [about.staleColumn, about.weightColumn, ...Object.values(about.noneColumns)].filter(Boolean);

export class Table {
  readonly length: number;
  readonly fields: Column[] = [];
  readonly results: Column[] = [];
  /** How many rows of the whole table each row stands for. */
  weights = new Float64Array(0);
  private readonly columns = new Map<string, Column>();
  private readonly orders = new Map<string, Uint32Array>();
  private splitFields: { varying: Column[]; constant: Column[] } | null = null;

  private constructor(
    readonly file: Rows,
    readonly about: About,
  ) {
    this.length = file.length;
  }

  /** The table in a file, with its fields and results read. */
  static async of(file: Rows, about: About): Promise<Table> {
    const table = new Table(file, about);
    const fields = about.fields.map((field) => field.name);
    await table.load([...fields, ...about.results, ...FIRST_FACTS, ...marksOf(about)]);
    if (table.length < MANY) await table.load(["key"]);
    else
      table.columns.set(
        "key",
        columnOf(new Array<null>(table.length).fill(null), { name: "key", role: "fact" }),
      );
    for (const name of fields) table.columns.has(name) && table.fields.push(table.column(name));
    for (const name of about.results) table.columns.has(name) && table.results.push(table.column(name));
    for (const field of table.fields) {
      markAbsent(field, table.columns.get(about.noneColumns[field.name] ?? "") ?? null);
    }
    table.weights = table.weightsOfRows();
    return table;
  }

  /** The names of facts that this table has beside fields and results. */
  get facts(): string[] {
    const hidden = new Set([...HIDDEN, ...marksOf(this.about)]);
    return this.file.names.filter((name) => this.role(name) === "fact" && !hidden.has(name));
  }

  /** The names of fields, results and facts that were read. */
  get names(): string[] {
    const own = [...this.fields, ...this.results].map(({ name }) => name);
    return [...own, ...this.facts.filter((name) => this.columns.has(name))];
  }

  private weightsOfRows(): Float64Array<ArrayBuffer> {
    const column = this.columns.get(this.about.weightColumn);
    if (column?.kind === "number") return Float64Array.from(column.numbers);
    return new Float64Array(this.length).fill(1);
  }

  /** How many rows of the whole table these rows stand for; all of them, unless rows are named. */
  total(rows?: ArrayLike<number>): number {
    let total = 0;
    if (!rows) {
      for (const weight of this.weights) total += weight;
      return Math.round(total);
    }
    for (let place = 0; place < rows.length; place++) total += this.weights[rows[place]!]!;
    return Math.round(total);
  }

  private role(name: string): Role {
    if (this.about.fields.some((field) => field.name === name)) return "field";
    return this.about.results.includes(name) ? "result" : "fact";
  }

  /** The keys of the rows were read. */
  get hasKeys(): boolean {
    const key = this.columns.get("key");
    return key?.kind === "label" && (key.labels.length > 0 || !this.length);
  }

  /** Read columns, unless they are read already. */
  async load(names: string[]): Promise<void> {
    const present = new Set(this.file.names);
    const isRead = (name: string): boolean => this.columns.has(name) && (name !== "key" || this.hasKeys);
    const missing = names.filter((name) => present.has(name) && !isRead(name));
    if (!missing.length) return;
    const values = await this.file.read(missing);
    for (const name of missing) {
      const json = this.about.json.includes(name);
      this.columns.set(name, columnOf(values.get(name)!, { name, role: this.role(name), json }));
    }
  }

  /** The names of the columns that were read. */
  get loaded(): string[] {
    return [...this.columns.keys()];
  }

  has(name: string): boolean {
    return this.columns.has(name);
  }

  /** A column that was read. */
  column(name: string): Column {
    const column = this.columns.get(name);
    if (!column) throw new Error(`the column ${name} was not read`);
    return column;
  }

  /** The text of a fact in a row, or nothing. */
  fact(name: string, row: number): string {
    const column = this.columns.get(name);
    if (!column || column.gaps[row]) return "";
    return column.kind === "label" ? column.labels[column.codes[row]!]! : String(column.numbers[row]);
  }

  /** The first row of each key. */
  get rowsByKey(): Map<string, number> {
    const rows = new Map<string, number>();
    const key = this.columns.get("key");
    if (key?.kind !== "label") return rows;
    for (let row = this.length - 1; row >= 0; row--) rows.set(key.labels[key.codes[row]!] ?? "", row);
    return rows;
  }

  /** The statuses of all rows. */
  get statuses(): LabelColumn {
    const column = this.columns.get("status");
    if (column?.kind === "label") return column;
    const gaps = new Uint8Array(this.length);
    const codes = new Int32Array(this.length);
    return {
      name: "status",
      role: "fact",
      kind: "label",
      length: this.length,
      gaps,
      codes,
      labels: ["done"],
    };
  }

  /** The rows in ascending order of a column. */
  order(name: string): Uint32Array {
    let order = this.orders.get(name);
    if (!order) this.orders.set(name, (order = ascending(this.column(name))));
    return order;
  }

  /** Fields with more than one value; all fields of a single row. */
  get varying(): Column[] {
    return this.split().varying;
  }

  /** Fields with one value in all rows. */
  get constant(): Column[] {
    return this.split().constant;
  }

  private split(): { varying: Column[]; constant: Column[] } {
    if (!this.splitFields) {
      const varies = (field: Column): boolean => this.length < 2 || distinct(field, 2) > 1;
      const varying = this.fields.filter(varies);
      this.splitFields = { varying, constant: this.fields.filter((field) => !varying.includes(field)) };
    }
    return this.splitFields;
  }

  /** Results that are numbers in some rows. */
  get measures(): Column[] {
    return this.results.filter((result) => result.kind === "number");
  }

  /** The row has neither ended well nor been stopped. */
  hasFailed(row: number): boolean {
    const status = this.fact("status", row);
    return status !== "" && status !== "done" && status !== "stopped";
  }

  /** The row was made by other code than the current one. */
  isStale(row: number): boolean {
    const { codes, stale, staleColumn } = this.about;
    if (this.columns.has(staleColumn)) return this.fact(staleColumn, row) === "True";
    return stale > 0 && codes.length > 0 && !codes.includes(this.fact("code", row));
  }

  /** The row has a value of the column, which is a finite number. */
  isMeasured(column: Column, row: number): boolean {
    return column.kind === "number" && column.gaps[row] === Gap.no && Number.isFinite(column.numbers[row]);
  }
}
