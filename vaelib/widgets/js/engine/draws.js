/**
 * The random numbers of a run in their order: that of `updates` of vaelib.training,
 * which is the order of PyTorch's DataLoader.
 *
 * @typedef {object} DrawSettings Fields of TrainConfig.
 * @property {number} latent_dim
 * @property {number} batch_size
 * @property {"none" | "fixed" | "dynamic"} binarize
 *
 * @typedef {object} Draws What is drawn for one mini-batch of B images.
 * @property {Uint32Array} rows indices of its images, (B)
 * @property {Uint8Array} threshold if binarization is dynamic, (B, D), else empty: a
 *   pixel is white if it is greater
 * @property {Float32Array} eps noise of the latents, (B, J)
 */

import { Generator } from "./random.js";

const BINARIZE_SEED = 13126114; // fixed binarization is the same for every run

/**
 * Return draws from N(0, I), (count, latents).
 * @param {Generator} generator
 * @param {number} count
 * @param {number} latents
 */
export function standardNormal(generator, count, latents) {
  return generator.normal(new Float32Array(count * latents));
}

/**
 * Yield what an epoch draws for each mini-batch of its `n` training images. Nothing
 * else is drawn until all are made, but by an encoder that goes first.
 * @param {Generator} generator
 * @param {DrawSettings} settings
 * @param {number} n
 * @param {number} pixels of one image
 * @returns {Iterable<Draws>}
 */
export function* epochDraws(generator, settings, n, pixels) {
  const { batch_size } = settings;
  generator.int64(); // seed of the DataLoader's workers, which is not used
  const order = new Generator(generator.int64()).permutation(n);
  for (let start = 0; start < n; start += batch_size) {
    const rows = order.subarray(start, start + batch_size);
    yield drawsOf(generator, settings, rows, pixels);
  }
}

/**
 * Return what an encoder that goes first draws for a mini-batch of `count` images.
 * @param {Generator} generator
 * @param {DrawSettings} settings
 * @param {number} n number of training images
 * @param {number} count
 * @param {number} pixels of one image
 */
export function catchUpDraws(generator, settings, n, count, pixels) {
  const rows = new Uint32Array(count).map(() => generator.below(n));
  return drawsOf(generator, settings, rows, pixels);
}

/**
 * Return what is drawn for a mini-batch of these images.
 * @param {Generator} generator
 * @param {DrawSettings} settings
 * @param {Uint32Array} rows
 * @param {number} pixels
 * @returns {Draws}
 */
function drawsOf(generator, { latent_dim, binarize }, rows, pixels) {
  const drawn = binarize === "dynamic" ? rows.length * pixels : 0;
  const threshold = generator.bytes(new Uint8Array(drawn));
  return { rows, threshold, eps: standardNormal(generator, rows.length, latent_dim) };
}

/**
 * Yield the noise of each mini-batch, (B, J), of a test. After an epoch, `int64` is
 * called before it, and (64, J) numbers are drawn for samples after it.
 * @param {Generator} generator
 * @param {DrawSettings} settings
 * @param {number} n number of test images
 */
export function* testDraws(generator, { batch_size, latent_dim }, n) {
  for (let start = 0; start < n; start += batch_size)
    yield standardNormal(generator, Math.min(batch_size, n - start), latent_dim);
}

/**
 * Return images as training and test use them. If binarization is "fixed" or "dynamic",
 * the pixels of the test images are drawn once; if "fixed", the training images' too.
 * @param {Uint8Array} train
 * @param {Uint8Array} test
 * @param {DrawSettings["binarize"]} how
 */
export function binarized(train, test, how) {
  const generator = new Generator(BINARIZE_SEED);
  const white = how === "none" ? test : drawBinary(test, generator);
  return { train: how === "fixed" ? drawBinary(train, generator) : train, test: white };
}

/**
 * Return black or white pixels, where P(white) is exactly the grey value / 255.
 * @param {Uint8Array} images
 * @param {Generator} generator
 */
function drawBinary(images, generator) {
  const threshold = generator.bytes(new Uint8Array(images.length));
  return images.map((grey, i) => (grey > threshold[i] ? 255 : 0));
}
