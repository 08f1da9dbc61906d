/** Building blocks of a page: elements and labelled controls. */

/**
 * Attribute of elements that use the keyboard. Without it, JupyterLab treats a key
 * that is pressed on a slider as a command for the cell.
 */
export const OWN_KEYS = "data-lm-suppress-shortcuts";

/**
 * Create an HTML element. Properties whose name contains a dash become attributes.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} properties
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function html(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties))
    if (name.includes("-") || name === "role") element.setAttribute(name, value);
    else /** @type {any} */ (element)[name] = value;
  if (["input", "select", "button"].includes(tag))
    element.setAttribute(OWN_KEYS, "true");
  if (properties.type === "number") element.addEventListener("keydown", takeNumber);
  element.append(...children);
  return element;
}

/**
 * Let Enter finish a number: JupyterLab keeps that key from the browser.
 * @param {Event} event
 */
function takeNumber(event) {
  const { key, currentTarget: box } = /** @type {KeyboardEvent} */ (event);
  if (key !== "Enter" || !(box instanceof HTMLElement)) return;
  box.blur(); // "change", if the number is another one
  box.focus();
}

/**
 * Create a div of a class.
 * @param {string} className
 * @param {(Node | string)[]} children
 */
export function div(className, ...children) {
  return html("div", { className }, ...children);
}

/**
 * Create an SVG element.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number>} attributes
 * @param {(Node | string)[]} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

/**
 * Set several attributes of an SVG element.
 * @param {SVGElement} element
 * @param {Record<string, string | number>} attributes
 */
export function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes))
    element.setAttribute(name, String(value));
}

/**
 * Create a button.
 * @param {string} text
 * @param {() => void} onClick
 * @param {Record<string, any>} properties
 */
export function button(text, onClick, properties = {}) {
  return html("button", { type: "button", onclick: onClick, ...properties }, text);
}

/**
 * Create a label in front of a control.
 * @param {string} label
 * @param {HTMLElement} control
 */
export function field(label, control) {
  return html("label", { className: "field" }, html("span", {}, label), control);
}

/**
 * Create a menu with its label. Setting `select.value` does not call `onChange`.
 * @param {string} label
 * @param {string[]} values
 * @param {(value: string) => void} onChange
 * @param {(value: string) => string} nameOf how a value is shown
 */
export function menu(label, values, onChange, nameOf = (value) => value) {
  const select = html("select", { onchange: () => onChange(select.value) });
  select.append(...values.map((value) => html("option", { value }, nameOf(value))));
  return { root: field(label, select), select };
}

/**
 * Create a checkbox with its label.
 * @param {string} label
 * @param {boolean} checked
 * @param {() => void} onChange
 */
export function checkbox(label, checked, onChange) {
  const input = html("input", { type: "checkbox", checked, onchange: onChange });
  return { root: html("label", { className: "tick" }, input, label), input };
}

/** Create a line of text that can show an error. */
export function statusLine() {
  const root = html("output", { className: "status" });
  return {
    root,
    /** @param {string} text @param {boolean} [isError] */
    show(text, isError = false) {
      if (root.textContent !== text) root.textContent = text; // else it is read aloud
      root.classList.toggle("error", isError);
    },
  };
}
