/** Elements of the page. Text from users becomes text nodes and attributes, never markup. */

export type Child = Node | string | number | null | undefined | false;

type Handlers = { [Name in keyof HTMLElementEventMap]?: (event: HTMLElementEventMap[Name]) => void };

export interface Properties {
  class?: string;
  on?: Handlers;
  [attribute: string]: string | number | boolean | undefined | Handlers;
}

// Control characters, and those that turn the direction of text around.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g;

/** Text in which characters that cannot be seen are spelled out. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** An element with attributes, handlers and children. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: Properties = {},
  ...children: Child[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "on" || value === undefined || value === false) continue;
    made.setAttribute(key, value === true ? "" : visible(String(value)));
  }
  for (const [event, handler] of Object.entries(properties.on ?? {})) {
    made.addEventListener(event, handler as EventListener);
  }
  append(made, children);
  return made;
}

function append(parent: Element, children: Child[]): void {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(child instanceof Node ? child : visible(String(child)));
  }
}

const FOCUSABLE = "button, input, select, summary, a[href], [tabindex]";

/**
 * Put other children into an element. What has the focus keeps it, as the element in the same
 * place; parts that were opened stay open.
 */
export function fill(parent: Element, ...children: Child[]): void {
  const focused = placeOfFocus(parent);
  const opened = [...parent.querySelectorAll("details")].map((details) => details.open);
  parent.replaceChildren();
  append(parent, children);
  if (opened.some(Boolean)) {
    parent.querySelectorAll("details").forEach((details, place) => (details.open = opened[place] ?? false));
  }
  if (focused < 0) return;
  const places = [...parent.querySelectorAll<HTMLElement>(FOCUSABLE)];
  places[Math.min(focused, places.length - 1)]?.focus({ preventScroll: true });
}

function placeOfFocus(parent: Element): number {
  const active = document.activeElement;
  if (!active || active === parent || !parent.contains(active)) return -1;
  return [...parent.querySelectorAll(FOCUSABLE)].indexOf(active);
}

const signatures = new WeakMap<Element, string>();

/** Put other children into an element, unless they were made for the same facts before. */
export function fillOnce(parent: Element, facts: unknown, make: () => Child[]): void {
  const signature = JSON.stringify(facts);
  if (signatures.get(parent) === signature) return;
  signatures.set(parent, signature);
  fill(parent, ...make());
}

/** A panel with a heading; it has its name as id. */
export function panel(name: string, title: string, ...children: Child[]): HTMLElement {
  const heading = element("h2", { id: `${name}-title` }, title);
  return element(
    "section",
    { id: name, class: "panel", "aria-labelledby": `${name}-title` },
    heading,
    ...children,
  );
}

/** A part that scrolls, also with the keyboard. */
export function scrollRegion(label: string, properties: Properties = {}): HTMLDivElement {
  return element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label, ...properties });
}

/** A button that opens a part of the page over the others; Escape, or a click elsewhere, closes it. */
export function popup(title: string, ...children: Child[]): HTMLDetailsElement {
  const summary = element("summary", {}, title);
  const opened = element("details", { class: "chooser" }, summary, ...children);
  opened.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !opened.open) return;
    event.preventDefault();
    opened.open = false;
    summary.focus();
  });
  document.addEventListener("pointerdown", (event) => {
    if (event.target instanceof Node && !opened.contains(event.target)) opened.open = false;
  });
  return opened;
}

export interface Choice {
  value: string;
  label: string;
}

/** A list to choose from, with a label before it. */
export function choice(
  label: string,
  choices: readonly Choice[],
  chosen: string,
  change: (value: string) => void,
): HTMLLabelElement {
  const list = element("select", { "aria-label": label, on: { change: () => change(list.value) } });
  for (const { value, label: text } of choices) {
    const option = element("option", {}, text);
    option.value = value;
    option.selected = value === chosen;
    list.append(option);
  }
  return element("label", { class: "choice" }, element("span", {}, label), list);
}

/** A button that copies text. */
export function copyButton(what: string, text: () => string): HTMLButtonElement {
  const button = element("button", { type: "button", class: "small" }, `Copy ${what}`);
  button.addEventListener("click", () => {
    void copy(text()).then((copied) => {
      button.textContent = copied ? "Copied" : "Not copied";
      setTimeout(() => (button.textContent = `Copy ${what}`), 1500);
    });
  });
  return button;
}

async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** For pages that may not use the clipboard, such as files in some browsers. */
function copyBySelection(text: string): boolean {
  const area = element("textarea", { class: "unseen", "aria-hidden": "true" });
  area.value = text;
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}
