/** Draws panels: those in sight at once, the others when the browser has time. */

import type { Change } from "./data/view.ts";
import type { Panel } from "./panels/panel.ts";

const RANK: Record<Change, number> = { keys: 0, selection: 1, measure: 2, rows: 3 };
const NEAR = 200; // pixels below the window that count as in sight
const REST = 150; // milliseconds without another selection, after which panels out of sight are drawn

export class Painter {
  private readonly due = new Map<Panel, Change>();
  private timer = 0;
  private waiting: (() => void)[] = [];

  constructor(private readonly panels: readonly Panel[]) {
    addEventListener("scroll", () => this.drawInSight(), { passive: true });
  }

  /** Draw what has changed; resolves when all panels are drawn. */
  draw(change: Change): Promise<void> {
    for (const panel of this.panels) {
      if (change === "keys" && !panel.showsKeys) continue;
      const before = this.due.get(panel);
      if (!before || RANK[before] < RANK[change]) this.due.set(panel, change);
    }
    this.drawInSight();
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      this.later(change === "selection" ? REST : 0);
    });
  }

  private drawInSight(): void {
    if (!this.due.size) return;
    // Where the panels are is asked before the first one is drawn, so that the page is laid out once.
    const near = this.panels.filter((panel) => this.due.has(panel) && isNear(panel.element));
    for (const panel of near) this.paint(panel);
  }

  private later(rest = 0): void {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      const [next] = this.due.keys();
      if (next) this.paint(next);
      if (this.due.size) return this.later();
      for (const resolve of this.waiting.splice(0)) resolve();
    }, rest);
  }

  private paint(panel: Panel): void {
    const change = this.due.get(panel)!;
    this.due.delete(panel);
    panel.draw(change);
  }
}

/** A panel that is hidden has no place yet, so it waits for its turn. */
function isNear(shown: HTMLElement): boolean {
  if (shown.hidden) return false;
  const { top, bottom } = shown.getBoundingClientRect();
  return bottom >= 0 && top <= innerHeight + NEAR;
}
