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

/** Put other children into an element. */
export function fill(parent: Element, ...children: Child[]): void {
  parent.replaceChildren();
  append(parent, children);
}

/** A panel with a heading; it has its name as id. */
export function panel(name: string, title: string, ...children: Child[]): HTMLElement {
  const heading = element("h2", { id: `${name}-title` }, title);
  return element("section", { id: name, class: "panel", "aria-labelledby": `${name}-title` }, heading, ...children);
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
  const list = element("select", { on: { change: () => change(list.value) } });
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
