/** A row of pictures decoded along a line in latent space. */

import { node } from "./controls.js";
import { picture, sheet } from "./picture.js";

/** @typedef {import("../engine/network.js").Network} Network */

const STEPS = 11;

/**
 * @param {string} label
 * @param {string[]} ends what stands below the first, the middle and the last picture
 */
export function strip(label, ends) {
  const canvas = picture(label, "strip");
  const root = node(
    "div",
    {},
    canvas,
    node("div", { className: "ends" }, ...ends.map((end) => node("span", {}, end))),
  );
  return {
    root,
    canvas,
    /**
     * Decodes from `a` to `b`, both ends included.
     * @param {Network} network
     * @param {Float32Array} a
     * @param {Float32Array} b
     */
    draw(network, a, b) {
      const pictures = Array.from({ length: STEPS }, (_, i) =>
        network.decode(between(a, b, i / (STEPS - 1))),
      );
      sheet(canvas, pictures, STEPS, network.shape);
    },
  };
}

/**
 * (1 - t) a + t b
 * @param {Float32Array} a
 * @param {Float32Array} b
 * @param {number} t
 */
export function between(a, b, t) {
  return a.map((start, j) => (1 - t) * start + t * b[j]);
}
