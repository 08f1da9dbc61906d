/** Small picture beside a point of the plane. */

import { html } from "./controls.js";
import { paint, pictureCanvas, resizeCanvas } from "./picture.js";
import { REACH } from "./points.js";

/**
 * @typedef {object} Picture
 * @property {Float32Array | Uint8Array} pixels
 * @property {number[]} shape
 * @property {string} caption
 */

export function pointTip() {
  const canvas = pictureCanvas("Image at this point");
  const text = html("output");
  const root = html("div", { className: "tip", hidden: true }, canvas, text);
  return {
    root,
    hide: () => void (root.hidden = true),
    /** @param {number} x @param {number} y @param {Picture} picture */
    show(x, y, { pixels, shape, caption }) {
      resizeCanvas(canvas, shape[2], shape[1]);
      paint(canvas, pixels, shape);
      if (text.textContent !== caption) text.textContent = caption;
      // On the side of the point where there is more room
      const [left, top] = [50 + (50 * x) / REACH, 50 - (50 * y) / REACH];
      const [across, down] = [left, top].map((share) =>
        share > 50 ? "calc(-100% - 12px)" : "12px",
      );
      const transform = `translate(${across}, ${down})`;
      Object.assign(root.style, { left: `${left}%`, top: `${top}%`, transform });
      root.hidden = false;
    },
  };
}
