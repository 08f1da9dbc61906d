/** The plane of two latents with menus for its axes, checkboxes and a legend. */

import { bytesOf, imagesOf, meansOf } from "../engine/bytes.js";
import { classCount, latentName } from "../engine/numbers.js";
import { classLegend } from "./class_legend.js";
import { checkbox, div, html, menu } from "./controls.js";
import { latentPlane } from "./plane.js";
import { testImageName, words } from "./words.js";

/** @typedef {import("../engine/network.js").Network} Network */
/** @typedef {import("../engine/network.js").Posterior} Posterior */

/**
 * @typedef {object} PlaneState All that the plane shows.
 * @property {Network} network
 * @property {Float32Array} z
 * @property {Posterior | null} posterior
 * @property {any} test test images, their labels and classes; {} if there are none
 * @property {any} codes posterior means and KL of test images; {} if there are none
 */

const MENU_LATENTS = 20; // latents in a menu: those with the most KL
const WITHOUT_POINTS = words`Ring: z.`;
const WITH_POINTS = words`Ring: z. Orange: q(z|x), one σ. Click a dot: its test image.`;

/**
 * @param {(j: number, value: number) => void} onMove called for each latent that moves
 * @param {(i: number, mean: Float32Array) => void} onPick a test image is clicked
 * @param {() => PlaneState} state
 */
export function planePanel(onMove, onPick, state) {
  let [right, up] = [Infinity, Infinity];
  let isUserChoice = false; // of the axes
  let means = new Float32Array(); // of the points
  const move = (/** @type {number} */ x, /** @type {number} */ y) => {
    onMove(right, x);
    onMove(up, y);
  };
  const pick = (/** @type {number} */ i) => onPick(i, meanOf(i));
  const plane = latentPlane(move, pick, pictureOf);
  const menus = [
    menu(words`Right`, [], (j) => chooseAxes(Number(j), up)),
    menu(words`Up`, [], (j) => chooseAxes(right, Number(j))),
  ];
  const points = checkbox(words`Test images`, true, drawAll);
  const manifold = checkbox(words`Decoded pictures`, false, drawAll);
  const legend = classLegend(drawPoints);
  const key = div("caption");
  const controls = [...menus, points, manifold].map((control) => control.root);
  const root = html(
    "section",
    { className: "space" },
    html("h4", {}, words`Plane of two latents`),
    div("bar", ...controls),
    plane.root,
    legend.root,
    key,
  );

  /** @param {number} newRight @param {number} newUp */
  function chooseAxes(newRight, newUp) {
    [right, up] = [newRight, newUp];
    isUserChoice = true;
    drawAll();
  }

  /** Prepare for another model or other data. */
  function reset() {
    const { network, test } = state();
    isUserChoice = false;
    root.hidden = network.latents < 2;
    points.root.hidden = !test.images;
    legend.fill(test);
    key.textContent = test.images ? WITH_POINTS : WITHOUT_POINTS;
  }

  /**
   * Fill the menus, and choose the first two latents unless the user has chosen others.
   * @param {number[]} order latents, the one with the most KL first
   * @param {(j: number) => boolean} isReplaceable whether to show another latent
   */
  function offerAxes(order, isReplaceable) {
    if (order.length < 2) return;
    if (order.length === 2) [right, up] = [0, 1];
    else if (!isUserChoice && [right, up].some(isReplaceable)) [right, up] = order;

    const strongest = order.slice(0, MENU_LATENTS);
    for (const [axis, { root, select }] of menus.entries()) {
      const j = [right, up][axis];
      root.hidden = order.length === 2;
      const latents = strongest.includes(j) ? strongest : [...strongest, j];
      // An open menu must not change.
      if (document.activeElement !== select)
        select.replaceChildren(
          ...latents.map((j) => html("option", { value: String(j) }, latentName(j))),
        );
      select.value = String(j);
    }
  }

  /** Draw everything: the axes, the weights or the points have changed. */
  function drawAll() {
    const { network, codes } = state();
    if (network.latents < 2) return;
    means = meansOf(points.input.checked ? codes.mu : undefined);
    plane.showAxes(right, up);
    drawPoints();
    drawPosterior();
    drawPoint();
    drawManifold();
  }

  function drawPoints() {
    const { network, test } = state();
    const { labels = [] } = test;
    const { latents } = network;
    const classes = classCount(test);
    const { chosen } = legend;
    plane.drawPoints({ mu: means, latents, labels, classes, chosen }, right, up);
  }

  /** Return the posterior mean of a test image. @param {number} i */
  function meanOf(i) {
    const { latents } = state().network;
    return means.slice(i * latents, (i + 1) * latents);
  }

  /**
   * Return a test image. Those that the page does not contain are decoded from their
   * means.
   * @param {number} i
   */
  function pictureOf(i) {
    const { network, test } = state();
    const { shape, pixels: size } = network;
    const caption = testImageName(test, i);
    const bytes = bytesOf(test.images);
    if ((i + 1) * size <= bytes.length) {
      const [pixels] = imagesOf(bytes, i, 1, size);
      return { pixels, shape, caption };
    }
    const pixels = network.decode(meanOf(i));
    return { pixels, shape, caption: words`${caption}, decoded` };
  }

  function drawPosterior() {
    const { network, posterior } = state();
    if (network.latents > 1) plane.showPosterior(posterior, right, up);
  }

  function drawPoint() {
    const { z } = state();
    plane.showPoint(z[right], z[up]);
  }

  function drawManifold() {
    const { network, z } = state();
    plane.drawManifold(manifold.input.checked ? network : null, z, right, up);
  }

  /** Show where z is now. */
  function drawMove() {
    const { latents } = state().network;
    if (latents > 1) drawPoint();
    if (latents > 2) drawManifold(); // with 2 latents, it does not depend on z
  }

  return { root, reset, offerAxes, drawAll, drawPosterior, drawMove };
}
