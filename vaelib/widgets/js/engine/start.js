/**
 * How a run starts: the weights that `start` of vaelib.state draws.
 *
 * @typedef {object} StartSettings Fields of TrainConfig.
 * @property {number[]} hidden_dim
 * @property {number} latent_dim
 * @property {"bce" | "bce_logits" | "mse" | "gaussian" | "logistic"} loss
 * @property {"uniform" | "normal"} init
 * @property {"random" | "data"} output_bias
 *
 * @typedef {{ shape: number[], data: Float32Array }} Parameter Row after row.
 * @typedef {Record<string, Parameter>} Parameters By torch's names, in torch's order.
 */

import { hasVariance } from "./losses.js";
import { clamp, product } from "./numbers.js";

/** @typedef {import("./random.js").Generator} Generator */

const INIT_SD = 0.1; // N(0, 0.01), section 5

/**
 * Return the names and shapes of the parameters of the model that `build` of
 * vaelib.state returns, in their order.
 * @param {StartSettings} settings
 * @param {number} pixels
 * @returns {[string, number[]][]}
 */
export function parameterShapes({ hidden_dim, latent_dim, loss }, pixels) {
  const up = [pixels, ...hidden_dim];
  const down = [latent_dim, ...[...hidden_dim].reverse()];
  const features = up[up.length - 1];
  const outputs = hasVariance(loss) ? 2 * pixels : pixels;
  return [
    ...hiddenShapes("encoder", up),
    ...linearShapes("fc_mu", features, latent_dim),
    ...linearShapes("fc_logvar", features, latent_dim),
    ...hiddenShapes("decoder", down),
    ...linearShapes("fc_out", down[down.length - 1], outputs),
  ];
}

/**
 * Return the parameters of the hidden layers between consecutive sizes. Layers have
 * even numbers, since each is followed by its activation.
 * @param {string} name
 * @param {number[]} sizes
 */
function hiddenShapes(name, sizes) {
  return sizes
    .slice(1)
    .flatMap((size, i) => linearShapes(`${name}.${2 * i}`, sizes[i], size));
}

/**
 * Return the parameters of one linear layer.
 * @param {string} name
 * @param {number} inputs
 * @param {number} outputs
 * @returns {[string, number[]][]}
 */
function linearShapes(name, inputs, outputs) {
  return [
    [`${name}.weight`, [outputs, inputs]],
    [`${name}.bias`, [outputs]],
  ];
}

/**
 * Return new parameters, all 0.
 * @param {StartSettings} settings
 * @param {number} pixels
 * @returns {Parameters}
 */
export function newParameters(settings, pixels) {
  const shapes = parameterShapes(settings, pixels);
  return Object.fromEntries(
    shapes.map(([name, shape]) => {
      return [name, { shape, data: new Float32Array(product(shape)) }];
    }),
  );
}

/**
 * Fill the parameters in place, as `start` of vaelib.state does for the same settings.
 * @param {Parameters} parameters
 * @param {Generator} generator
 * @param {StartSettings} settings
 * @param {Float32Array} mean mean training image, in [0, 1]; used if `output_bias` is
 *   "data"
 */
export function initialise(parameters, generator, settings, mean) {
  let inputs = 0; // of the layer; its bias follows its weight
  for (const { shape, data } of Object.values(parameters)) {
    if (shape.length === 2) inputs = shape[1];
    const bound = 1 / Math.sqrt(inputs); // PyTorch's default, of weight and bias
    if (settings.init === "normal") generator.normal(data, INIT_SD);
    else generator.uniform(data, -bound, bound);
  }
  if (settings.output_bias === "data") startAtMean(parameters["fc_out.bias"], mean);
}

/**
 * Set the last bias of the decoder, in place, to start at the mean image.
 * @param {Parameter} bias
 * @param {Float32Array} mean
 */
function startAtMean({ data }, mean) {
  mean.forEach((value, i) => {
    const p = Math.fround(clamp(value, 1e-3, 1 - 1e-3)); // torch has 32 bits here
    data[i] = Math.log(p / (1 - p));
  });
}

/**
 * Return the mean of all images, in [0, 1].
 * @param {Uint8Array} images
 * @param {number} pixels of one image
 */
export function meanImage(images, pixels) {
  const sums = new Float64Array(pixels);
  for (let start = 0; start < images.length; start += pixels)
    for (let i = 0; i < pixels; i++) sums[i] += images[start + i];
  return Float32Array.from(sums, (sum) => sum / (images.length / pixels) / 255);
}
