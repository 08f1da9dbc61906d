/** The point z of an explorer in the address of its page: ?z=0.5,-1. */

import { replacingAddress } from "./address.js";
import { readPoint, withPoint } from "./catalogue.js";
import { pageModel } from "./state.js";

/** @typedef {import("./parts/events.js").Model} Model */

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
  const follow = replacingAddress(() => withPoint(location.href, model.get("z")));
  model.on("change:z", () => isUserZ && follow());
  return model;
}
