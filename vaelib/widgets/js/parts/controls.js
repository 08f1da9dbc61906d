/**
 * Small pieces of a page: nodes, labelled controls, and what the front end gives a widget.
 *
 * @typedef {object} Model The part of a widget's model that all front ends have.
 * @property {(name: string) => any} get
 * @property {(name: string, value: any) => void} set
 * @property {() => void} save_changes
 * @property {(event: string, listener: (content: any) => void) => void} on
 * @property {(event: string, listener: (content: any) => void) => void} off
 * @property {(content: any) => void} send
 * @property {boolean} [alone] that of a published page: there is no Python
 */

/** JupyterLab takes keys for its cells, also from a slider, unless an element says that they are its own. */
export const OWN_KEYS = "data-lm-suppress-shortcuts";

/**
 * An element with properties (names with a dash are attributes) and children.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} properties
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function node(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties))
    if (name.includes("-") || name === "role") made.setAttribute(name, value);
    else /** @type {any} */ (made)[name] = value;
  if (["input", "select", "button"].includes(tag)) made.setAttribute(OWN_KEYS, "true");
  made.append(...children);
  return made;
}

/**
 * An SVG element with attributes and children.
 * @template {keyof SVGElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | number>} attributes
 * @param {(Node | string)[]} children
 * @returns {SVGElementTagNameMap[K]}
 */
export function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes))
    made.setAttribute(name, String(value));
  made.append(...children);
  return made;
}

/**
 * @param {string} text
 * @param {() => void} act
 * @param {Record<string, any>} properties
 */
export function button(text, act, properties = {}) {
  return node("button", { type: "button", onclick: act, ...properties }, text);
}

/**
 * A menu with its label; `set` chooses without acting.
 * @param {string} label
 * @param {[string, string][]} options value and text of each
 * @param {(value: string) => void} act
 */
export function menu(label, options, act) {
  const select = node("select", { onchange: () => act(select.value) });
  select.append(...options.map(([value, text]) => node("option", { value }, text)));
  return {
    root: node("label", { className: "field" }, node("span", {}, label), select),
    select,
  };
}

/** One number is drawn as the reader counts: latent 0 is z₁. @param {number} j */
export function latent(j) {
  return (
    "z" +
    [...String(j + 1)]
      .map((digit) => String.fromCharCode(0x2080 + Number(digit)))
      .join("")
  );
}

/**
 * Calls `draw` once before the next frame, however often it is asked to.
 * @param {() => void} draw
 */
export function nextFrame(draw) {
  let asked = false;
  return () => {
    if (!asked) requestAnimationFrame(() => ((asked = false), draw()));
    asked = true;
  };
}

/** Listens to a model for as long as a view lives. @param {Model} model */
export function listener(model) {
  /** @type {[string, (content: any) => void][]} */
  const heard = [];
  return {
    /** @param {string} event @param {(content: any) => void} act */
    on(event, act) {
      model.on(event, act);
      heard.push([event, act]);
    },
    stop: () => heard.forEach(([event, act]) => model.off(event, act)),
  };
}
