/**
 * A model in training as LatentExplorer shows it: its traits, as `pack`, `pack_codes`
 * and `pack_test_images` of vaelib.widgets return them.
 */

import { MEAN_SCALE, viewOf } from "./bytes.js";
import { LEAST_SIGMA } from "./losses.js";
import { clamp } from "./numbers.js";
import { roundToEven } from "./session.js";

/** @typedef {import("./session.js").Session} Session */

// As in explorer.py.
const [PACKED_IMAGES, PACKED_POINTS, PACKED_BYTES] = [100, 1000, 2 ** 22];
const ACTIVE = 0.01; // variance of a posterior mean, as in vaelib.evaluation

/**
 * Return the traits that follow the weights. The weights have 32 bits.
 * @param {Session} session
 */
export function explorerState(session) {
  const { pixels, shape } = session.data;
  const { hidden_dim, latent_dim, activation, loss } = session.settings;
  const cut = loss === "logistic" ? { output: loss, min_sigma: LEAST_SIGMA } : {};
  const network = {
    ...cut,
    shape,
    activation,
    encoder: [pixels, ...hidden_dim],
    decoder: [latent_dim, ...[...hidden_dim].reverse(), pixels],
    bits: 32,
    weights: viewOf(packedWeights(session)),
  };
  return { network, codes: packedCodes(session) };
}

/**
 * Return the first test images, and the classes of the points.
 * @param {Session} session
 */
export function explorerImages({ data }) {
  const { test, pixels, labels, classes } = data;
  const most = Math.max(1, Math.floor(PACKED_BYTES / pixels));
  const images = test.slice(0, Math.min(PACKED_IMAGES, most) * pixels);
  return { images: viewOf(images), labels: labels.slice(0, PACKED_POINTS), classes };
}

/**
 * Return the bias and the weights (inputs, outputs) of each layer. The output layer
 * of "gaussian" is cut to the means: the page draws no variances.
 * @param {Session} session
 */
function packedWeights({ state, data }) {
  const parameters = Object.values(state.vae.parameters);
  const parts = [];
  for (let i = 0; i < parameters.length; i += 2) {
    const [weight, bias] = parameters.slice(i, i + 2);
    const inputs = weight.shape[1];
    const isLast = i + 2 === parameters.length;
    const isCut = isLast && state.vae.settings.loss === "gaussian";
    const outputs = isCut ? data.pixels : weight.shape[0];
    const turned = new Float32Array(inputs * outputs);
    for (let o = 0; o < outputs; o++)
      for (let k = 0; k < inputs; k++)
        turned[k * outputs + o] = weight.data[o * inputs + k];
    parts.push(bias.data.subarray(0, outputs), turned);
  }
  const packed = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let position = 0;
  for (const part of parts) {
    packed.set(part, position);
    position += part.length;
  }
  return packed;
}

/**
 * Return the posterior means of the first test images, and the mean KL and activity of
 * each latent.
 * @param {Session} session
 */
function packedCodes(session) {
  const { mu, kl } = session.encode(PACKED_POINTS);
  const latents = kl.length;
  const n = mu.length / latents;
  const active = kl.map((_, j) => {
    const values = Array.from({ length: n }, (_, i) => mu[i * latents + j]);
    const mean = values.reduce((a, b) => a + b) / n;
    return values.reduce((sum, m) => sum + (m - mean) ** 2, 0) / (n - 1) > ACTIVE;
  });
  const most = Math.max(2, Math.floor(PACKED_BYTES / (2 * latents)));
  const fixed = Int16Array.from(mu.subarray(0, most * latents), (value) =>
    clamp(roundToEven(value * MEAN_SCALE), -(2 ** 15), 2 ** 15 - 1),
  );
  return { mu: viewOf(fixed), kl, active };
}
