/** Learning curves: what settings recorded while they ran, failed and stopped ones included. */

import { cellText, Gap, wholeText } from "../data/column.ts";
import { counted } from "../data/numbers.ts";
import type { Curve, Steps } from "../data/steps.ts";
import type { Change, View } from "../data/view.ts";
import { onWidth, Surface } from "../drawing/canvas.ts";
import { KINDS, levelOf, RUNNING } from "../drawing/colours.ts";
import { type Drawn, drawCurves, type DrawnGroup, drawGroups } from "../drawing/curves.ts";
import { choice, element, fill, fillOnce, panel } from "../look/element.ts";
import { colour } from "../look/theme.ts";
import type { Panel } from "./panel.ts";
import { repeatNumbers, unrepeated } from "./repeats.ts";

const HEIGHT = 300;

type DrawnRow = Drawn & { row: number | undefined };

interface Group extends DrawnGroup {
  curves: Curve[];
  qualities: number[];
  /** One of its rows. */
  row: number;
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, each) => sum + each, 0) / values.length;

function legendItem(ink: string, text: string): HTMLElement {
  const swatch = element("span", { class: "swatch" });
  swatch.style.background = ink;
  return element("li", {}, swatch, text);
}

/** The values of a row in the fields in which some rows differ, repeats left out. */
function differences(view: View, row: number, rows: readonly number[]): string {
  const fields = unrepeated(view).filter((field) =>
    rows.some((other) => wholeText(field, other) !== wholeText(field, rows[0]!)),
  );
  const present = fields.filter((field) => field.gaps[row] !== Gap.absent);
  return present.map((field) => `${field.name}=${cellText(field, row)}`).join(", ") || "all";
}

export class Curves implements Panel {
  readonly element: HTMLElement;
  private readonly surface = new Surface("");
  private readonly stage = element("div", {}, this.surface.canvas);
  private readonly choices = element("div", { class: "row" });
  private readonly text = element("p", { class: "quiet" });
  private readonly legend = element("ul", { class: "legend" });
  private averaged = false;
  private across = "";
  private up = "";

  constructor(private readonly view: View) {
    this.element = panel("curves", "Learning curves", this.choices, this.stage, this.legend, this.text);
    onWidth(this.stage, () => this.draw("selection"));
  }

  draw(change: Change): void {
    const { steps } = this.view;
    this.element.hidden = !steps || !steps.measures.length;
    if (!steps || this.element.hidden) return;
    if (change !== "selection") this.drawChoices(steps, change);
    this.surface.clear(this.stage.clientWidth, HEIGHT);
    const drawn = this.drawn(steps);
    const shown = drawn.filter((each) => !each.quiet);
    if (this.averaged) return this.drawAveraged(shown);
    fill(this.legend);
    drawCurves(this.surface, drawn, this.up);
    const failed = shown.filter((each) => each.level === -1).length;
    const running = shown.filter((each) => each.level === RUNNING).length;
    const notes = [
      failed && `${failed} of them without a result`,
      running && `${running} of them still running`,
    ];
    const note = notes
      .map((each) => each && `, ${each}`)
      .filter(Boolean)
      .join("");
    fill(
      this.text,
      `${counted(shown.length, "setting")} with steps${note}.${shown.length > 400 ? " The outer area covers all of them, the inner area the middle half. The lines are the best 40." : ""}`,
    );
    this.surface.describe(`${this.up} over ${this.across} for ${counted(shown.length, "setting")}`);
  }

  private drawChoices(steps: Steps, change: Change): void {
    const { measures, counters } = steps;
    if (!measures.includes(this.up) || (change === "measure" && measures.includes(this.view.measure))) {
      this.up = measures.includes(this.view.measure) ? this.view.measure : measures[0]!;
    }
    if (!counters.includes(this.across)) this.across = counters[0] ?? "step";
    const asChoices = (names: string[]) => names.map((name) => ({ value: name, label: name }));
    const box = element("input", { type: "checkbox" });
    box.checked = this.averaged;
    box.addEventListener("change", () => {
      this.averaged = box.checked;
      this.draw("selection");
    });
    const { repeats } = this.view.about;
    fillOnce(this.choices, [measures, counters, this.up, this.across, repeats], () => [
      choice("Show", asChoices(measures), this.up, (name) => {
        this.up = name;
        this.draw("selection");
      }),
      choice("over", asChoices(counters), this.across, (name) => {
        this.across = name;
        this.draw("selection");
      }),
      repeats.length > 0 &&
        element("label", { class: "choice" }, box, `average over ${repeats.join(" and ")}`),
    ]);
  }

  /** The repeats of each setting as one curve: those of the best settings, with a legend. */
  private drawAveraged(shown: DrawnRow[]): void {
    const all = this.groups(shown);
    const best = all.slice(0, KINDS.length);
    drawGroups(this.surface, best, this.up);
    const words =
      best.length < all.length
        ? `the best ${best.length} of ${counted(all.length, "setting")}`
        : counted(all.length, "setting");
    fill(
      this.text,
      `A line is the median over ${this.view.about.repeats.join(" and ")}, and its area goes from the lowest to the highest value, for ${words}.`,
    );
    this.surface.describe(`${this.up} over ${this.across}, averaged over repetitions, for ${words}`);
    fill(
      this.legend,
      ...best.map((group) =>
        legendItem(
          group.ink,
          differences(
            this.view,
            group.row,
            best.map(({ row }) => row),
          ),
        ),
      ),
    );
  }

  /** Curves by setting, the best settings first. */
  private groups(shown: DrawnRow[]): Group[] {
    const numbers = repeatNumbers(this.view);
    const groups = new Map<number, Group>();
    for (const { curve, row } of shown) {
      if (row === undefined) continue;
      const group = groups.get(numbers[row]!) ?? { curves: [], qualities: [], row, ink: "" };
      group.curves.push(curve);
      group.qualities.push(this.view.quality(row) || 0);
      groups.set(numbers[row]!, group);
    }
    const all = [...groups.values()].sort((a, b) => mean(b.qualities) - mean(a.qualities));
    all.forEach((group, place) => (group.ink = colour(KINDS[place % KINDS.length]!)));
    return all;
  }

  private drawn(steps: Steps): DrawnRow[] {
    const { view } = this;
    const rows = view.table.rowsByKey;
    const running = new Set(view.about.running.map(({ key }) => key));
    const drawn: DrawnRow[] = [];
    for (const key of steps.keys) {
      const curve = steps.curve(key, this.across, this.up);
      if (!curve) continue;
      const row = rows.get(key);
      const quiet = row === undefined ? view.isFiltered : !view.mask[row];
      drawn.push({
        curve,
        row,
        quiet,
        level: running.has(key) ? RUNNING : row === undefined ? 8 : levelOf(view.quality(row)),
      });
    }
    return drawn;
  }
}
