/** Learning curves: what settings recorded while they ran, failed and stopped ones included. */

import { counted } from "../data/numbers.ts";
import type { Steps } from "../data/steps.ts";
import type { Change, View } from "../data/view.ts";
import { onWidth, Surface } from "../drawing/canvas.ts";
import { levelOf } from "../drawing/colours.ts";
import { type Drawn, drawCurves } from "../drawing/curves.ts";
import { choice, element, fill, panel } from "../look/element.ts";
import type { Panel } from "./panel.ts";

const HEIGHT = 300;

export class Curves implements Panel {
  readonly element: HTMLElement;
  private readonly surface = new Surface("");
  private readonly stage = element("div", {}, this.surface.canvas);
  private readonly choices = element("div", { class: "row" });
  private readonly text = element("p", { class: "quiet" });
  private across = "";
  private up = "";

  constructor(private readonly view: View) {
    this.element = panel("curves", "Learning curves", this.choices, this.stage, this.text);
    onWidth(this.stage, () => this.draw("selection"));
  }

  draw(change: Change): void {
    const { steps } = this.view;
    this.element.hidden = !steps || !steps.measures.length;
    if (!steps || this.element.hidden) return;
    if (change !== "selection") this.drawChoices(steps, change);
    this.surface.clear(this.stage.clientWidth, HEIGHT);
    const drawn = this.drawn(steps);
    drawCurves(this.surface, drawn, this.up);
    const shown = drawn.filter((each) => !each.quiet);
    const failed = shown.filter((each) => each.level < 0).length;
    const note = failed ? `, ${failed} of which without a result` : "";
    fill(this.text, `${counted(shown.length, "setting")} with steps${note}.${shown.length > 400 ? " The areas are all of them and the middle half, the lines the best 40." : ""}`);
    this.surface.describe(`${this.up} over ${this.across} for ${counted(shown.length, "setting")}`);
  }

  private drawChoices(steps: Steps, change: Change): void {
    const { measures, counters } = steps;
    if (!measures.includes(this.up) || (change === "measure" && measures.includes(this.view.measure))) {
      this.up = measures.includes(this.view.measure) ? this.view.measure : measures[0]!;
    }
    if (!counters.includes(this.across)) this.across = counters[0] ?? "step";
    const asChoices = (names: string[]) => names.map((name) => ({ value: name, label: name }));
    fill(
      this.choices,
      choice("Show", asChoices(measures), this.up, (name) => {
        this.up = name;
        this.draw("selection");
      }),
      choice("over", asChoices(counters), this.across, (name) => {
        this.across = name;
        this.draw("selection");
      }),
    );
  }

  private drawn(steps: Steps): Drawn[] {
    const { view } = this;
    const rows = view.table.rowsByKey;
    const drawn: Drawn[] = [];
    for (const key of steps.keys) {
      const curve = steps.curve(key, this.across, this.up);
      if (!curve) continue;
      const row = rows.get(key);
      const quiet = row === undefined ? view.isFiltered : !view.mask[row];
      drawn.push({ curve, quiet, level: row === undefined ? 8 : levelOf(view.quality(row)) });
    }
    return drawn;
  }
}
