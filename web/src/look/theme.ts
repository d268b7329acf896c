/** Light and dark. */

export type Theme = "light" | "dark";

const KEPT = "superparams-theme";
const system = (): Theme => (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");

/** The theme that was chosen in this browser, if it keeps that for files. */
function kept(): Theme | null {
  try {
    const value = localStorage.getItem(KEPT);
    return value === "light" || value === "dark" ? value : null;
  } catch {
    return null;
  }
}

export const theme = (): Theme => (document.documentElement.dataset.theme === "dark" ? "dark" : "light");

export function startTheme(): void {
  document.documentElement.dataset.theme = kept() ?? system();
}

export function switchTheme(): void {
  const next = theme() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem(KEPT, next);
  } catch {
    // The browser keeps nothing for this page.
  }
}

/** Call a function whenever the theme changes. */
export function onTheme(changed: () => void): void {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    if (!kept()) startTheme();
  });
  new MutationObserver(changed).observe(document.documentElement, { attributeFilter: ["data-theme"] });
}

const colours = new Map<string, string>();

/** The value of a colour of the style sheet, such as `--ink`. */
export function colour(name: string): string {
  const key = `${theme()} ${name}`;
  let value = colours.get(key);
  if (value === undefined) {
    value = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    colours.set(key, value);
  }
  return value;
}
