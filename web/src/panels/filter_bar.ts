/** The bar that stays in sight: the result that is looked at, the filter box, and what is selected. */

import { textAt } from "../data/axis.ts";
import { count, counted } from "../data/numbers.ts";
import type { Range, View } from "../data/view.ts";
import { choice, element, fill, fillOnce, popup } from "../look/element.ts";
import type { Panel } from "./panel.ts";

export class FilterBar implements Panel {
  readonly element: HTMLElement;
  private readonly choices = element("div", { class: "row" });
  private readonly box: HTMLInputElement;
  private readonly shown = element("span", { "aria-live": "polite" });
  private readonly chosen = element("div", { class: "chosen" });
  private readonly problem = element("p", { class: "problem", role: "status" });
  private frame = 0;

  constructor(private readonly view: View) {
    this.box = element("input", {
      type: "search",
      id: "filter",
      "aria-label": "Filter rows",
      placeholder: "Filter rows: width=64 accuracy>0.9 adam",
      autocomplete: "off",
      spellcheck: "false",
      on: { input: () => this.typed() },
    });
    this.element = element(
      "div",
      { class: "bar" },
      this.choices,
      this.box,
      help(),
      this.shown,
      this.problem,
      this.chosen,
    );
  }

  /** Filter once in each frame, however many keys were pressed before it. */
  private typed(): void {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      if (this.box.value !== this.view.words) this.view.say(this.box.value);
    });
  }

  draw(change: string): void {
    const { view } = this;
    if (change !== "selection") this.drawChoices();
    if (this.box.value !== view.words && document.activeElement !== this.box) this.box.value = view.words;
    if (!view.words && !view.isFiltered) this.box.value = "";
    const all = counted(view.table.total(), "row");
    fill(this.shown, view.isFiltered ? `${count(view.table.total(view.rows))} of ${all}` : all);
    fill(this.problem, view.problem);
    fill(this.chosen, ...this.chips());
  }

  private drawChoices(): void {
    const { view } = this;
    const measures = view.table.measures.map(({ name }) => ({ value: name, label: name }));
    if (!measures.length) return;
    const directions = [
      { value: "maximize", label: "higher is better" },
      { value: "minimize", label: "lower is better" },
    ];
    fillOnce(this.choices, [measures, view.measure, view.direction], () => [
      choice("Result", measures, view.measure, (name) => view.lookAt(name)),
      choice("where", directions, view.direction, (direction) =>
        view.lookAt(view.measure, direction === "minimize" ? "minimize" : "maximize"),
      ),
    ]);
  }

  private chips(): HTMLElement[] {
    const { view } = this;
    const chips: HTMLElement[] = [];
    for (const [name, ranges] of view.brushes) {
      chips.push(chip(`${name}: ${textOfRanges(view, name, ranges)}`, () => view.brush(name, [])));
    }
    for (const status of view.statuses)
      chips.push(chip(`status: ${status}`, () => view.toggleStatus(status)));
    if (view.error !== null)
      chips.push(chip(`error: ${view.error.split("\n")[0]}`, () => view.showError(null)));
    if (view.isFiltered) {
      const clear = () => {
        view.clear();
        this.box.focus();
      };
      chips.push(
        element(
          "button",
          { type: "button", class: "small", id: "clear", on: { click: clear } },
          "Show all rows",
        ),
      );
    }
    return chips;
  }
}

const EXAMPLES: [string, string][] = [
  ["width=64", "the field or result has this value"],
  ["accuracy>0.9", "also <, <=, >=, !="],
  ["lr=1e-4..1e-2", "within a range, both ends included"],
  ["optimizer~ada", "contains this text"],
  ["depth=None", "the value is None"],
  ["depth=-", "the setting does not have this field"],
  ["status=failed", "any other column works, too"],
  ['"two words"', "some text of the row contains this"],
];

/** What the filter box takes. */
function help(): HTMLElement {
  const list = element("dl", { class: "values" });
  for (const [words, meaning] of EXAMPLES) {
    list.append(element("dt", { class: "mono" }, words), element("dd", {}, meaning));
  }
  const text = element(
    "p",
    {},
    "A row must fulfil all conditions. The last part of a name is enough: rate finds optimizer.rate.",
  );
  return popup("How to filter", element("div", { class: "checks help" }, list, text));
}

function chip(text: string, remove: () => void): HTMLElement {
  const label = `Remove the filter ${text}`;
  return element(
    "button",
    { type: "button", class: "chip", "aria-label": label, on: { click: remove } },
    `${text} ×`,
  );
}

/** The selected parts of an axis in words. */
export function textOfRanges(view: View, name: string, ranges: readonly Range[]): string {
  if (!view.table.has(name)) return "";
  const axis = view.axis(name);
  const texts = ranges.map(([low, high]) => {
    const within = [...axis.ticks, ...axis.slots].filter(({ at }) => at >= low - 1e-6 && at <= high + 1e-6);
    if (axis.isPoints || high < 0) return within.map(({ label }) => label).join(", ");
    const numbers = [textAt(axis, Math.max(0, low)), textAt(axis, Math.min(1, high))];
    const slots = within.filter(({ at }) => at < 0).map(({ label }) => label);
    return [numbers[0] === numbers[1] ? numbers[0] : numbers.join(" to "), ...slots].join(", ");
  });
  return texts.join(", ");
}
