/** Pictures that a decoder makes of points along a line in latent space. */

import { interpolate } from "./numbers.js";

/** @typedef {import("./network.js").Network} Network */

/**
 * Decode `count` points from a to b, both ends included.
 * @param {Network} network
 * @param {Float32Array} a
 * @param {Float32Array} b
 * @param {number} count
 */
export function decodeLine(network, a, b, count) {
  return Array.from({ length: count }, (_, i) =>
    network.decode(interpolate(a, b, i / (count - 1))),
  );
}

/**
 * Decode z with latent j moved from -reach to +reach in `count` equal steps.
 * @param {Network} network
 * @param {Float32Array} z
 * @param {number} j
 * @param {number} reach
 * @param {number} count
 */
export function decodeTraversal(network, z, j, reach, count) {
  return Array.from({ length: count }, (_, i) => {
    const moved = z.slice();
    moved[j] = reach * ((2 * i) / (count - 1) - 1);
    return network.decode(moved);
  });
}
