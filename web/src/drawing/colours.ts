/** Colours for how good a row is. The best ones differ most from the ground, in both themes. */

import { colour, theme } from "../look/theme.ts";

export const LEVELS = 16;

const STOPS = {
  light: ["#9cb0c7", "#77b0bb", "#409aa0", "#1c6c8c", "#1d437c", "#2a1a5e"],
  dark: ["#5b6b8e", "#3d76a2", "#2a999b", "#43b47b", "#a2d64a", "#fde725"],
};

type Triple = [number, number, number];

const parsed = (hex: string): Triple =>
  [1, 3, 5].map((place) => Number.parseInt(hex.slice(place, place + 2), 16)) as Triple;

const PARSED = { light: STOPS.light.map(parsed), dark: STOPS.dark.map(parsed) };

function mixed(share: number): Triple {
  const stops = PARSED[theme()];
  const at = Math.min(1, Math.max(0, share)) * (stops.length - 1);
  const place = Math.min(stops.length - 2, Math.floor(at));
  return stops[place]!.map((low, part) =>
    Math.round(low + (stops[place + 1]![part]! - low) * (at - place)),
  ) as Triple;
}

/** The colour of a share between 0 and 1, where 1 is the best. */
export const shade = (share: number): string => `rgb(${mixed(share).join(" ")})`;

/** The colour of text on a shade: black or white, whichever is read better. */
export function inkOn(share: number): string {
  const [red, green, blue] = mixed(share).map((part) => {
    const value = part / 255;
    return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as Triple;
  const light = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  return (light + 0.05) / 0.05 > 1.05 / (light + 0.05) ? "#000" : "#fff";
}

/** Colours of a few things that are told apart, in both themes. */
export const KINDS = ["--kind-1", "--kind-2", "--kind-3", "--kind-4", "--kind-5", "--kind-6"];

/** The level of a share, from 0 to `LEVELS` - 1; -1 for what has no share. */
export const levelOf = (share: number): number =>
  Number.isNaN(share) ? -1 : Math.min(LEVELS - 1, Math.floor(share * LEVELS));

/** The level of what still runs. */
export const RUNNING = -2;

/** The colour of a level; that of failures for -1. */
export const colourOfLevel = (level: number): string =>
  level === RUNNING ? colour("--running") : level < 0 ? colour("--failed") : shade(level / (LEVELS - 1));
