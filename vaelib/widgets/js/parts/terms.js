/** Chart of the terms of the objective, with a caption below it. */

import { recentRange } from "../engine/numbers.js";
import { div } from "./controls.js";
import { lineChart } from "./curve.js";
import { termWords, words } from "./words.js";

/** @typedef {import("./curve.js").Line} Line */
/** @typedef {ArrayLike<number>} Numbers */

/** @param {typeof recentRange} [rangeOf] the values that are shown */
export function termsChart(rangeOf = recentRange) {
  const title = words`The terms of the objective`;
  const { root, draw } = lineChart(title, words`nats per image`, 250, rangeOf);
  const caption = div("caption");
  root.append(caption);
  return { root, draw, caption };
}

/**
 * Return the lines of the objective and its two terms.
 * @param {{ x: Numbers, total: Numbers, recon: Numbers, kl: Numbers }} curve
 * @param {string} term name of the reconstruction term
 * @returns {Line[]}
 */
export function termLines({ x, total, recon, kl }, term) {
  return [
    { name: words`recon + β KL`, colour: "blue", x, y: total },
    { name: words`recon: ${termWords(term)}`, colour: "orange", x, y: recon },
    { name: "KL", colour: "green", x, y: kl },
  ];
}

/**
 * Return the terms on the test images, one point per epoch.
 * @param {Numbers} x
 * @param {Numbers} recon
 * @param {Numbers} kl
 * @returns {Line[]}
 */
export function testPoints(x, recon, kl) {
  return [
    { name: words`test recon`, colour: "orange", x, y: recon, dots: true },
    { name: words`test KL`, colour: "green", x, y: kl, dots: true },
  ];
}
