/** The numbers of one image in the picture of the model, model.svg. */

import { descending, product, twoDecimals } from "../engine/numbers.js";
import { paint } from "./picture.js";

const ROOM = 2; // latents whose numbers fit a box
const LEAST_LOG = -100; // as torch's binary_cross_entropy

/**
 * @typedef {object} Numbers
 * @property {Float32Array | null} x the image, or null if there is none
 * @property {Float32Array} decoded
 * @property {number[]} shape
 * @property {import("../engine/network.js").Posterior | null} posterior
 * @property {ArrayLike<number>} z
 */

/**
 * Show them in the pictures of the book that are on the page, of the latents with the
 * largest KL.
 * @param {Numbers} numbers
 * @param {number[]} [kl] of each latent; while a model is replaced, of another number
 */
export function showInBook(numbers, kl) {
  const isOfModel = kl?.length === numbers.z.length;
  const latents = isOfModel ? descending(kl) : Array.from(numbers.z, (_, j) => j);
  for (const picture of document.querySelectorAll("figure.model-picture svg"))
    showNumbers(picture, numbers, latents);
}

/**
 * Show an image, what the model makes of it, and the terms of (10).
 * @param {Element} picture the SVG
 * @param {Numbers} numbers
 * @param {number[]} latents those that are shown; the first two fit
 */
function showNumbers(picture, { x, decoded, shape, posterior, z }, latents) {
  const some = (/** @type {ArrayLike<number> | undefined} */ values) => {
    if (!values) return "";
    const shown = latents.slice(0, ROOM).map((j) => twoDecimals(values[j]));
    return [...shown, ...(values.length > ROOM ? ["…"] : [])].join(", ");
  };
  const kl = posterior && klOf(posterior);
  const recon = x && crossEntropy(x, decoded);
  const text = (/** @type {number | null} */ nats) =>
    nats === null ? "" : twoDecimals(nats);
  const noise = posterior?.mu.map((mu, j) => (z[j] - mu) / posterior.sigma[j]);
  /** @type {Record<string, string>} */
  const texts = {
    ...{ mu: some(posterior?.mu), sigma: some(posterior?.sigma) },
    ...{ eps: some(noise), z: some(z), kl: text(kl), recon: text(recon) },
    total: kl === null || recon === null ? "" : text(kl + recon),
  };
  const black = new Float32Array(product(shape));
  showValues(picture, texts, { x: x ?? black, decoded }, shape);
}

/**
 * Fill places of the picture, and leave the others empty.
 * @param {Element} picture the SVG
 * @param {Record<string, string>} texts
 * @param {Record<string, Float32Array>} images
 * @param {number[]} shape of an image
 */
export function showValues(picture, texts, images, shape) {
  for (const place of picture.querySelectorAll("[data-value]"))
    place.textContent = texts[place.getAttribute("data-value") ?? ""] ?? "";
  for (const place of picture.querySelectorAll("[data-picture]")) {
    const pixels = images[place.getAttribute("data-picture") ?? ""];
    if (pixels) place.setAttribute("href", dataAddress(pixels, shape));
    else place.removeAttribute("href"); // an empty address would load the page
  }
  picture.classList.add("numbers");
}

/**
 * Return an image as an address.
 * @param {Float32Array} pixels
 * @param {number[]} shape
 */
function dataAddress(pixels, shape) {
  const [, height, width] = shape;
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  paint(canvas, pixels, shape);
  return canvas.toDataURL();
}

/**
 * Return the KL divergence from the prior, Appendix B, in nats.
 * @param {import("../engine/network.js").Posterior} posterior
 */
function klOf({ mu, sigma }) {
  return mu.reduce((sum, mean, j) => {
    const variance = sigma[j] ** 2;
    return sum - 0.5 * (1 + Math.log(variance) - mean ** 2 - variance);
  }, 0);
}

/**
 * Return the cross-entropy of an image, in nats.
 * @param {Float32Array} x
 * @param {Float32Array} decoded
 */
function crossEntropy(x, decoded) {
  const log = (/** @type {number} */ p) => Math.max(LEAST_LOG, Math.log(p));
  return x.reduce(
    (sum, value, i) =>
      sum - value * log(decoded[i]) - (1 - value) * log(1 - decoded[i]),
    0,
  );
}
