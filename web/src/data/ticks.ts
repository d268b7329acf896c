/** Round numbers along an axis. */

const STEPS = [1, 2, 2.5, 5, 10];

/** Round numbers from low to high, about `wanted` of them. */
export function linearTicks(low: number, high: number, wanted = 5): number[] {
  if (!(high > low)) return Number.isFinite(low) ? [low] : [];
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = STEPS.find((each) => each * power >= rough * 0.999)! * power;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, place) =>
    Number(((first + place) * step).toPrecision(12)),
  );
}

/** Powers of ten from low to high; within few powers also 2 and 5 times these, or linear ticks. */
export function logTicks(low: number, high: number, wanted = 6): number[] {
  const powers = Math.log10(high / low);
  if (powers < 0.7) return linearTicks(low, high);
  const factors = powers < 2 ? [1, 2, 5] : [1];
  const step = Math.max(1, Math.ceil(powers / wanted));
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    if (power % step) continue;
    for (const factor of factors) {
      const value = Number(`${factor}e${power}`);
      if (value >= low * 0.9999 && value <= high * 1.0001) ticks.push(value);
    }
  }
  return ticks;
}
