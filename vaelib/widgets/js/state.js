/**
 * The state of widgets on a published page: it is loaded from files beside the script,
 * and given to a widget as a model without kernel.
 */

import { html } from "./parts/controls.js";
import { words } from "./parts/words.js";

/** @typedef {import("./parts/events.js").Model} Model */

// `currentScript` is null after the script has run once: read it now.
const script = /** @type {HTMLScriptElement | null} */ (document.currentScript);
const SCRIPT_ADDRESS = script?.src ?? document.baseURI;

/** @type {Map<string, any>} */
const loaded = new Map();
/** @type {Map<string, Promise<any>>} */
const requests = new Map();

// A page that is opened from a disk may load scripts, but no other files. Therefore
// each file of state is a script that calls this function.
Object.assign(globalThis, {
  /** @param {string} name @param {any} state */
  vaelibState: (name, state) => loaded.set(name, decodeBytes(state)),
});

/**
 * Load the state in NAME.js once. After an error it can be requested again.
 * @param {string} name
 * @returns {Promise<any>}
 */
export function load(name) {
  const earlier = requests.get(name);
  if (earlier) return earlier;
  const request = new Promise((resolve, reject) => {
    const src = new URL(`${name}.js`, SCRIPT_ADDRESS).href;
    const element = html("script", { src });
    const finish = () => {
      element.remove();
      if (loaded.has(name)) resolve(loaded.get(name));
      else reject(new Error(words`${name}.js could not be loaded`));
    };
    Object.assign(element, { onload: finish, onerror: finish });
    document.head.append(element);
  });
  requests.set(name, request);
  request.catch(() => requests.delete(name));
  return request;
}

/**
 * Return a copy of a value in which each {base64: text} is a DataView.
 * @param {any} value
 * @returns {any}
 */
function decodeBytes(value) {
  if (Array.isArray(value)) return value.map(decodeBytes);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.base64 === "string") {
    const text = atob(value.base64);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return new DataView(bytes.buffer);
  }
  const entries = Object.entries(value);
  return Object.fromEntries(entries.map(([name, inner]) => [name, decodeBytes(inner)]));
}

/**
 * Return a widget model without Python, whose events come from its own `set`.
 * @param {Record<string, any>} state
 * @returns {Model & { emit: (event: string, content: object) => void }}
 */
export function pageModel(state) {
  const values = { ...state };
  const events = new EventTarget();
  return {
    standalone: true,
    get: (name) => values[name],
    set(name, value) {
      values[name] = value;
      events.dispatchEvent(new Event(`change:${name}`));
    },
    save_changes() {},
    on: (event, listener) => events.addEventListener(event, listener),
    off: (event, listener) => events.removeEventListener(event, listener),
    send() {},
    emit(event, content) {
      events.dispatchEvent(Object.assign(new Event(event), content));
    },
  };
}
