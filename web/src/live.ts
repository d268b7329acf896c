/** Follows the runs of an experiment: the server sends new rows, steps and facts as they come. */

import { aboutOf, type About, type Live } from "./data/about.ts";
import { bytesOfBase64, ParquetFile } from "./data/parquet.ts";
import { RowStore } from "./data/rows.ts";
import { type StepRows, Steps, withNewer } from "./data/steps.ts";
import { Table } from "./data/table.ts";
import type { View } from "./data/view.ts";

const PAUSE = 150; // milliseconds in which events are collected
const LONGEST = 3000;

export type State = "connected" | "not connected";

export class Follower {
  private about: About | null = null;
  private rows: Promise<RowStore>;
  private steps: Promise<StepRows>;
  private timer = 0;
  private pause = PAUSE;

  constructor(
    private readonly view: View,
    rows: RowStore,
    steps: StepRows,
    private readonly told: (state: State) => void,
  ) {
    this.rows = Promise.resolve(rows);
    this.steps = Promise.resolve(steps);
  }

  follow({ token, version }: Live): void {
    const since = version ? `&since=${encodeURIComponent(version)}` : "";
    const events = new EventSource(`events?token=${encodeURIComponent(token)}${since}`);
    const on = (name: string, act: (data: string) => void): void =>
      events.addEventListener(name, (event) => {
        act((event as MessageEvent<string>).data);
        this.later();
      });
    events.addEventListener("open", () => this.told("connected"));
    events.addEventListener("error", () => this.told("not connected"));
    on("about", (data) => {
      // The server says how to follow it in the document alone, and sends the code when it has changed.
      const before = this.about ?? this.view.about;
      const about = aboutOf(JSON.parse(data));
      const code = Object.keys(about.code.parts).length ? about.code : before.code;
      this.about = { ...about, code, live: before.live };
    });
    on("rows", (data) => this.addRows(data));
    on("table", (data) => (this.rows = RowStore.of(new ParquetFile(bytesOfBase64(data)))));
    on("steps", (data) => this.addSteps(data));
    events.addEventListener("reset", () => location.reload());
  }

  private addRows(base64: string): void {
    const newer = RowStore.of(new ParquetFile(bytesOfBase64(base64)));
    this.rows = Promise.all([this.rows, newer]).then(([before, after]) => before.with(after));
  }

  private addSteps(base64: string): void {
    const file = new ParquetFile(bytesOfBase64(base64));
    const newer = file.read(file.names).then((values) => ({ length: file.length, values }));
    this.steps = Promise.all([this.steps, newer]).then(([before, after]) => withNewer(before, after));
  }

  private later(): void {
    if (this.timer) return;
    this.timer = window.setTimeout(() => void this.show(), this.pause);
  }

  /** Show what has come; the larger the table, the longer the pause before the next time. */
  private async show(): Promise<void> {
    const start = performance.now();
    const [rows, steps] = await Promise.all([this.rows, this.steps]);
    const before = this.view.table;
    const about = this.about ?? before.about;
    const table = await Table.of(rows, about);
    await table.load(before.loaded);
    const fields = about.fields.map((field) => field.name);
    this.view.replace(table, steps.length ? new Steps(steps, fields) : null);
    this.timer = 0;
    this.pause = Math.min(LONGEST, Math.max(PAUSE, 3 * (performance.now() - start)));
  }
}
