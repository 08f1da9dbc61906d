/** Points of the plane: posterior means of test images, in the colours of classes. */

import { colourOf } from "./class_legend.js";
import { html } from "./controls.js";

export const REACH = 4; // the plane shows the interval [-4, 4] of both latents
const CANVAS_SIZE = 720; // pixels of the canvas
const DOT = 4.5; // radius in these pixels
// How far from a point a pointer may be, in units of the plane
export const NEAR = 0.2; // to see the image, or for a finger
export const HIT = 0.1; // for a click of the mouse

/**
 * @typedef {object} Cloud
 * @property {Float32Array} mu means (N, J)
 * @property {number} latents J
 * @property {number[]} labels
 * @property {number} classes how many there are
 * @property {number} chosen the class that is shown alone; -1: all are shown
 */

export function pointCloud() {
  const size = { width: CANVAS_SIZE, height: CANVAS_SIZE };
  const root = html("canvas", { "aria-hidden": "true", ...size });
  /** @type {{ i: number, x: number, y: number }[]} */
  let shown = [];

  return {
    root,
    /** @param {Cloud} cloud @param {number} right @param {number} up */
    draw({ mu, latents, labels, classes, chosen }, right, up) {
      const context = root.getContext("2d");
      if (!context) return;
      context.clearRect(0, 0, CANVAS_SIZE, CANVAS_SIZE);
      const scale = CANVAS_SIZE / (2 * REACH);
      shown = [];
      for (let i = 0; i * latents < mu.length; i++) {
        if (chosen >= 0 && labels[i] !== chosen) continue;
        const [x, y] = [mu[i * latents + right], mu[i * latents + up]];
        shown.push({ i, x, y });
        context.fillStyle = colourOf(labels[i], classes);
        context.beginPath();
        context.arc((x + REACH) * scale, (REACH - y) * scale, DOT, 0, 2 * Math.PI);
        context.fill();
      }
    },
    /**
     * Return the nearest point that is less than `reach` away, if there is one.
     * @param {number} x
     * @param {number} y
     * @param {number} reach
     */
    nearest(x, y, reach) {
      let [found, least] = [shown[-1], reach];
      for (const point of shown) {
        const distance = Math.hypot(point.x - x, point.y - y);
        if (distance < least) [found, least] = [point, distance];
      }
      return found;
    },
  };
}
