/** Numbers as text. */

const DIGITS = 5;

/** A number in few characters: five significant digits, as Python writes them. */
export function short(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e15) return String(value);
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  const size = Math.abs(value);
  if (size < 1e-4 || size >= 1e15) return exponent(value.toExponential(DIGITS - 1));
  const digits = size >= 1e4 ? value.toFixed(1) : value.toPrecision(DIGITS);
  return digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
}

/** A number beside an axis, where long ones have no room. */
export function tickText(value: number): string {
  if (Math.abs(value) < 1e6 || !Number.isFinite(value)) return short(value);
  return exponent(value.toExponential(DIGITS - 2));
}

/** A number with all its digits. */
export function exact(value: number): string {
  if (!Number.isFinite(value)) return short(value);
  const text = String(value);
  return text.includes("e") ? exponent(text) : text;
}

/** `1.50000e-5` as `1.5e-05`. */
function exponent(text: string): string {
  const [digits, power] = text.split("e") as [string, string];
  const mantissa = digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits;
  const size = power.replace(/^[+-]/, "").padStart(2, "0");
  return `${mantissa}e${power.startsWith("-") ? "-" : "+"}${size}`;
}

/** A count with separators between thousands. */
export const count = (value: number): string => value.toLocaleString("en-US");

/** `1 row`, `2 rows`. */
export const counted = (value: number, noun: string): string =>
  `${count(value)} ${noun}${value === 1 ? "" : "s"}`;

/** A share of one as a percentage. */
export const percent = (share: number): string =>
  share > 0 && share < 0.01 ? "< 1 %" : `${Math.round(share * 100)} %`;

/** Seconds as people say them. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 1) return `${short(Number((seconds * 1000).toPrecision(3)))} ms`;
  if (seconds < 60) return `${short(Number(seconds.toPrecision(3)))} s`;
  const minutes = Math.floor(seconds / 60);
  const rest = String(Math.floor(seconds % 60)).padStart(2, "0");
  if (minutes < 60) return `${minutes}:${rest}`;
  return `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

/** Bytes as people say them. */
export function bytes(size: number): string {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${short(Number(size.toPrecision(3)))} ${units[unit]}`;
}
