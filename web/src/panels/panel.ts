/** What all panels have in common. */

import type { Change } from "../data/view.ts";

export interface Panel {
  readonly element: HTMLElement;
  /** Draw what has changed; the first time, everything. */
  draw(change: Change): void;
}
