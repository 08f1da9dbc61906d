/** Rows of images decoded along a line in latent space. */

import { interpolate, latentName } from "../engine/numbers.js";
import { decodeLine } from "../engine/pictures.js";
import { button, div, html } from "./controls.js";
import { paintSheet, pictureCanvas } from "./picture.js";

/** @typedef {import("../engine/network.js").Network} Network */

const STRIP_IMAGES = 11;
const SPAN = 3; // a traversal goes from z - SPAN to z + SPAN

/**
 * @param {string} label
 * @param {string[]} ends texts below the first, the middle and the last image
 */
function pictureStrip(label, ends) {
  const canvas = pictureCanvas(label, "strip");
  const texts = ends.map((end) => html("span", {}, end));
  const root = html("div", {}, canvas, div("ends", ...texts));
  return {
    root,
    canvas,
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

/** Traversal of one latent around z. */
export function traversalStrip() {
  const { root, canvas, draw } = pictureStrip("", [`−${SPAN}`, "z", `+${SPAN}`]);
  const title = html("h4");
  return {
    root: html("section", {}, title, root),
    /** @param {number} j */
    setLatent(j) {
      const name = latentName(j);
      title.textContent = `Traversal of ${name}, from ${SPAN} below z to ${SPAN} above`;
      canvas.setAttribute("aria-label", title.textContent);
    },
    /** @param {Network} network @param {Float32Array} z @param {number} j */
    draw(network, z, j) {
      const [a, b] = [z.slice(), z.slice()];
      a[j] -= SPAN;
      b[j] += SPAN;
      draw(network, a, b);
    },
  };
}

/**
 * Path between two anchors A and B, with a slider that moves z along it.
 * @param {(point: Float32Array) => void} onMove
 * @param {(which: 0 | 1) => void} onSet called when the user wants an anchor at z
 */
export function anchorStrip(onMove, onSet) {
  const title = "From anchor A to anchor B";
  const strip = pictureStrip(title, ["A", "", "B"]);
  const [min, max, step] = [0, 1, 0.01];
  const label = { "aria-label": "Place between A and B" };
  const slider = html("input", { type: "range", min, max, step, value: 0, ...label });
  slider.oninput = () => {
    const [a, b] = anchors;
    onMove(interpolate(a, b, slider.valueAsNumber));
  };
  const buttons = div(
    "bar",
    button("A is here", () => onSet(0)),
    button("B is here", () => onSet(1)),
  );
  /** @type {Float32Array[]} */
  let anchors = [];
  let areUserChoices = false;

  return {
    root: html("section", {}, html("h4", {}, title), strip.root, slider, buttons),
    /** Forget the choices of the user. */
    reset: () => void (areUserChoices = false),
    /**
     * Draw the path between `defaults`, or between the anchors that the user has set.
     * @param {Network} network
     * @param {Float32Array[]} defaults
     */
    draw(network, defaults) {
      if (!areUserChoices) anchors = defaults;
      strip.draw(network, anchors[0], anchors[1]);
    },
    /** @param {0 | 1} which @param {Float32Array} z @param {Network} network */
    setAnchor(which, z, network) {
      areUserChoices = true;
      anchors[which] = z.slice();
      slider.valueAsNumber = which;
      strip.draw(network, anchors[0], anchors[1]);
    },
  };
}
