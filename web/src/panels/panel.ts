/** What all panels have in common. */

import type { Change } from "../data/view.ts";

export interface Panel {
  readonly element: HTMLElement;
  /** It shows the keys of rows, so it is drawn again when these are read. */
  readonly showsKeys?: boolean;
  /** Draw what has changed; the first time, everything. */
  draw(change: Change): void;
  /** Do ahead, when the browser has time, what makes the first filter slow. */
  prepare?(): void;
}
