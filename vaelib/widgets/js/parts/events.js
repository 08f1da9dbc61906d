/**
 * When things happen: once per frame, after a rest, or when the model changes.
 *
 * @typedef {object} Model The part of a widget model that all front ends provide.
 * @property {(name: string) => any} get
 * @property {(name: string, value: any) => void} set
 * @property {() => void} save_changes
 * @property {(event: string, listener: (content: any) => void) => void} on
 * @property {(event: string, listener: (content: any) => void) => void} off
 * @property {(content: any) => void} send
 * @property {boolean} [standalone] true on a published page, where there is no Python
 * @property {boolean} [trains] true if the page trains in the place of Python
 */

/**
 * Return a function that calls `draw` once before the next frame, however often it is
 * called until then.
 * @param {() => void} draw
 */
export function oncePerFrame(draw) {
  let isScheduled = false;
  return () => {
    if (!isScheduled) requestAnimationFrame(() => ((isScheduled = false), draw()));
    isScheduled = true;
  };
}

/**
 * Return a function that calls `action` when it has not been called for `delay`
 * milliseconds.
 * @param {number} delay
 * @param {() => void} action
 */
export function debounce(delay, action) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = window.setTimeout(action, delay);
  };
}

/** Subscribe to events of a model until `stop` is called. @param {Model} model */
export function subscriptions(model) {
  /** @type {[string, (content: any) => void][]} */
  const active = [];
  return {
    /** @param {string} event @param {(content: any) => void} listener */
    on(event, listener) {
      model.on(event, listener);
      active.push([event, listener]);
    },
    stop: () => active.forEach(([event, listener]) => model.off(event, listener)),
  };
}
