/** The point z of an explorer in the address of its page: ?z=0.5,-1. */

import { readPoint, withPoint } from "./catalogue.js";
import { debounce } from "./parts/events.js";
import { pageModel } from "./state.js";

/** @typedef {import("./parts/events.js").Model} Model */

const POINT_DELAY = 200; // milliseconds: browsers refuse frequent changes
const TOUCHES = ["input", "click", "pointerdown", "keydown"];

/**
 * Return the model of an explorer that begins at the point in the address, if there is
 * one that fits. When the user moves it, the address follows.
 * @param {Record<string, any>} state
 * @param {HTMLElement} place of the explorer
 * @returns {Model}
 */
export function linkedExplorer(state, place) {
  const z = readPoint(location.search, state.network.decoder[0]);
  const model = pageModel({ ...state, ...(z.length ? { z, followed: {} } : {}) });
  let isUserZ = false;
  for (const event of TOUCHES)
    place.addEventListener(event, () => (isUserZ = true), true);
  const follow = debounce(POINT_DELAY, () => {
    try {
      history.replaceState(history.state, "", withPoint(location.href, model.get("z")));
    } catch {
      // Some browsers do not allow this for a page on a disk. Everything else works.
    }
  });
  model.on("change:z", () => isUserZ && follow());
  return model;
}
