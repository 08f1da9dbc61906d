/** What a published page knows instead of a kernel: files of state beside its script, and a model that holds one of them. */

import { node } from "./parts/controls.js";

/** @typedef {import("./parts/controls.js").Model} Model */

const script = /** @type {HTMLScriptElement | null} */ (document.currentScript); // only while it runs for the first time
const HERE = script?.src ?? document.baseURI;

/** @type {Map<string, any>} */
const arrived = new Map();
/** @type {Map<string, Promise<any>>} */
const asked = new Map();

// A page that is opened from a disk may load scripts and no other files: each state is the argument of a call.
Object.assign(globalThis, {
  /** @param {string} name @param {any} state */
  vaelibState: (name, state) => arrived.set(name, revive(state)),
});

/**
 * The state in NAME.js, loaded once; what failed may be asked for again.
 * @param {string} name
 * @returns {Promise<any>}
 */
export function load(name) {
  const before = asked.get(name);
  if (before) return before;
  const coming = new Promise((resolve, reject) => {
    const file = node("script", { src: new URL(`${name}.js`, HERE).href });
    const ended = () => {
      file.remove();
      if (arrived.has(name)) resolve(arrived.get(name));
      else reject(new Error(`${name}.js could not be loaded`));
    };
    Object.assign(file, { onload: ended, onerror: ended });
    document.head.append(file);
  });
  asked.set(name, coming);
  coming.catch(() => asked.delete(name));
  return coming;
}

/** Bytes, which came as {base64}, as DataViews. @param {any} value @returns {any} */
function revive(value) {
  if (Array.isArray(value)) return value.map(revive);
  if (value === null || typeof value !== "object") return value;
  if (typeof value.base64 === "string") {
    const text = atob(value.base64);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return new DataView(bytes.buffer);
  }
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, revive(inner)]),
  );
}

/**
 * A widget's model without Python: what is set is heard here.
 * @param {Record<string, any>} state
 * @returns {Model}
 */
export function pageModel(state) {
  const values = { ...state };
  const heard = new EventTarget();
  return {
    alone: true,
    get: (name) => values[name],
    set(name, value) {
      values[name] = value;
      heard.dispatchEvent(new Event(`change:${name}`));
    },
    save_changes() {},
    on: (event, listener) => heard.addEventListener(event, listener),
    off: (event, listener) => heard.removeEventListener(event, listener),
    send() {},
  };
}
