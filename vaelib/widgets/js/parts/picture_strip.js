/** Row of images decoded along a line in latent space; a click on one goes there. */

import { decodeLine } from "../engine/pictures.js";
import { button, div, html } from "./controls.js";
import { paintSheet, pictureCanvas } from "./picture.js";
import { roving } from "./roving.js";

/** @typedef {import("../engine/network.js").Network} Network */

const STRIP_IMAGES = 11;

/**
 * A place on the line is a share between 0 and 1.
 * @param {string[]} ends texts below the first, the middle and the last image
 * @param {(share: number) => string} nameOf what is at a place
 * @param {(share: number) => void} onGo called when the user clicks on an image
 */
export function pictureStrip(ends, nameOf, onGo) {
  const canvas = pictureCanvas("", "strip");
  const tiles = Array.from({ length: STRIP_IMAGES }, (_, i) => {
    const share = i / (STRIP_IMAGES - 1);
    const title = `Go to ${nameOf(share)}`;
    return button("", () => onGo(share), { title, "aria-label": title, tabIndex: -1 });
  });
  const above = div("tiles", ...tiles);
  roving(above, "button", ["ArrowLeft", "ArrowRight"]).update();
  const texts = ends.map((end) => html("span", {}, end));
  const root = html("div", {}, div("tiled", canvas, above), div("ends", ...texts));
  return {
    root,
    /** Say what the strip shows. @param {string} label */
    setLabel(label) {
      canvas.setAttribute("aria-label", label);
    },
    /**
     * Decode from `a` to `b`, both ends included.
     * @param {Network} network
     * @param {Float32Array} a
     * @param {Float32Array} b
     */
    draw(network, a, b) {
      const images = decodeLine(network, a, b, STRIP_IMAGES);
      paintSheet(canvas, images, STRIP_IMAGES, network.shape);
    },
  };
}
