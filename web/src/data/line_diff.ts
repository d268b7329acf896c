/** The lines in which two texts differ. */

const AROUND = 3; // lines that are the same, before and after those that differ
const MOST_CELLS = 4_000_000; // of the table of common lines

/** The lines of two texts, each with what it is: in both, removed or added. */
function compared(before: readonly string[], after: readonly string[]): string[] {
  let start = 0;
  while (start < before.length && start < after.length && before[start] === after[start]) start++;
  let end = 0;
  const most = Math.min(before.length, after.length) - start;
  while (end < most && before.at(-1 - end) === after.at(-1 - end)) end++;
  const same = (lines: readonly string[]): string[] => lines.map((line) => ` ${line}`);
  return [
    ...same(before.slice(0, start)),
    ...middle(before.slice(start, before.length - end), after.slice(start, after.length - end)),
    ...same(before.slice(before.length - end)),
  ];
}

/** Lines that differ at both ends: the longest lines in common are kept, if there are not too many. */
function middle(before: readonly string[], after: readonly string[]): string[] {
  const width = after.length + 1;
  const lines: string[] = [];
  let old = 0;
  let now = 0;
  if ((before.length + 1) * width <= MOST_CELLS) {
    const common = new Uint32Array((before.length + 1) * width); // from here to the ends
    for (let row = before.length - 1; row >= 0; row--) {
      for (let column = after.length - 1; column >= 0; column--) {
        common[row * width + column] =
          before[row] === after[column]
            ? common[(row + 1) * width + column + 1]! + 1
            : Math.max(common[(row + 1) * width + column]!, common[row * width + column + 1]!);
      }
    }
    while (old < before.length && now < after.length) {
      if (before[old] === after[now]) {
        lines.push(` ${before[old++]}`);
        now++;
      } else if (common[(old + 1) * width + now]! >= common[old * width + now + 1]!)
        lines.push(`-${before[old++]}`);
      else lines.push(`+${after[now++]}`);
    }
  }
  while (old < before.length) lines.push(`-${before[old++]}`);
  while (now < after.length) lines.push(`+${after[now++]}`);
  return lines;
}

const linesOf = (text: string): string[] => (text ? text.split("\n") : []);

/**
 * The lines that differ, with some lines around them. A line begins with a space, `-` or `+`; `…`
 * stands for lines that are left out.
 */
export function differingLines(before: string, after: string): string[] {
  const lines = compared(linesOf(before), linesOf(after));
  const isNear = new Uint8Array(lines.length);
  lines.forEach((line, place) => {
    if (line.startsWith(" ")) return;
    isNear.fill(1, Math.max(0, place - AROUND), place + AROUND + 1);
  });
  const shown: string[] = [];
  lines.forEach((line, place) => {
    if (isNear[place]) shown.push(line);
    else if (place === 0 || isNear[place - 1]) shown.push("…");
  });
  return shown.every((line) => line === "…") ? [] : shown;
}
