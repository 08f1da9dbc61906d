/** SlowMotion in a notebook, whose module has to contain the engine. */

import { SlowUpdate } from "./engine/slow_update.js";
import { slowMotion } from "./slow_motion.js";

/** @typedef {import("./parts/events.js").Model} Model */

/** @param {{ model: Model, el: HTMLElement }} view */
function slowMotionHere(view) {
  return slowMotion({ ...view, SlowUpdate });
}

export default { render: slowMotionHere };
