/** The traversal of one latent, and the path between two anchors. */

import { meansOf } from "../engine/bytes.js";
import {
  formatNumber,
  interpolate,
  latentName,
  priorSample,
} from "../engine/numbers.js";
import { button, div, html } from "./controls.js";
import { pictureStrip } from "./picture_strip.js";
import { words } from "./words.js";

/** @typedef {import("../engine/network.js").Network} Network */

const SPAN = 3; // a traversal goes from z - SPAN to z + SPAN

/**
 * Traversal of one latent around z.
 * @param {(change: number) => void} onMove called to change this latent
 */
export function traversalStrip(onMove) {
  const changeAt = (/** @type {number} */ share) => (2 * share - 1) * SPAN;
  const strip = pictureStrip(
    [`−${SPAN}`, "z", `+${SPAN}`],
    (share) => {
      const change = changeAt(share);
      const size = formatNumber(Math.abs(change));
      return change ? `z ${change < 0 ? "−" : "+"} ${size}` : "z";
    },
    (share) => onMove(changeAt(share)),
  );
  const title = html("h4");
  return {
    root: html("section", {}, title, strip.root),
    /** @param {number} j */
    setLatent(j) {
      const name = latentName(j);
      const label = words`Traversal of ${name}, from ${SPAN} below z to ${SPAN} above`;
      title.textContent = label;
      strip.setLabel(label);
    },
    /** @param {Network} network @param {Float32Array} z @param {number} j */
    draw(network, z, j) {
      const [a, b] = [z.slice(), z.slice()];
      a[j] -= SPAN;
      b[j] += SPAN;
      strip.draw(network, a, b);
    },
  };
}

/**
 * Path between two anchors A and B, with a slider that moves z along it.
 * @param {(point: Float32Array) => void} onMove
 * @param {(which: 0 | 1) => void} onSet called when the user wants an anchor at z
 */
export function anchorStrip(onMove, onSet) {
  const title = words`From anchor A to anchor B`;
  const [min, max, step] = [0, 1, 0.01];
  const label = { "aria-label": words`Place between A and B` };
  const slider = html("input", { type: "range", min, max, step, value: 0, ...label });
  const goTo = (/** @type {number} */ share) => {
    const [a, b] = anchors;
    onMove(interpolate(a, b, share));
  };
  slider.oninput = () => goTo(slider.valueAsNumber);
  const strip = pictureStrip(
    ["A", "", "B"],
    (share) => ["A", "B"][share] ?? words`${Math.round(100 * share)} % from A to B`,
    (share) => {
      slider.valueAsNumber = share;
      goTo(share);
    },
  );
  strip.setLabel(title);
  const hint = (/** @type {string} */ name) => {
    return { title: words`Let ${name} be the point where z is now` };
  };
  const buttons = div(
    "bar",
    button(words`Set A to this z`, () => onSet(0), hint("A")),
    button(words`Set B to this z`, () => onSet(1), hint("B")),
  );
  const caption = div("caption");
  /** @type {Float32Array[]} */
  let anchors = [];
  let areUserChoices = false;

  return {
    root: html(
      "section",
      {},
      html("h4", {}, title),
      strip.root,
      slider,
      buttons,
      caption,
    ),
    /** Forget the choices of the user. @param {string} text what A and B are now */
    reset(text) {
      areUserChoices = false;
      caption.textContent = text;
    },
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

/**
 * Return the means of the first two test images, or two draws from the prior.
 * @param {{ mu?: DataView }} codes
 * @param {number} n latents
 */
export function firstAnchors({ mu }, n) {
  const means = mu && meansOf(mu);
  return [0, 1].map((i) => means?.slice(i * n, (i + 1) * n) ?? priorSample(n));
}
