/**
 * A VAE that can be trained: the networks of vaelib.model and the gradient of the
 * objective, equation (10).
 *
 * @typedef {object} VaeSettings Those of TrainConfig in vaelib.config, by their names.
 * @property {number[]} hidden_dim
 * @property {number} latent_dim J
 * @property {"relu" | "tanh"} activation
 * @property {"bce" | "bce_logits" | "mse" | "gaussian" | "logistic"} loss
 * @property {number} sigma
 * @property {number} min_sigma
 * @property {"sum" | "mean"} reduction
 * @property {"sum" | "mean"} gradient
 *
 * @typedef {object} Terms The terms of (10) in nats, summed over the images.
 * @property {number} recon
 * @property {number} kl
 * @property {number[]} klPerLatent (J)
 */

import { Layer, Units } from "./layers.js";
import {
  hasVariance,
  klOfLatent,
  LEAST_SIGMA,
  RECONSTRUCTION,
  sigmoid,
} from "./losses.js";
import { clippedMean } from "./numbers.js";
import { buildInArena } from "./products.js";

/**
 * @typedef {import("./layers.js").Tensor} Tensor
 * @typedef {import("./products.js").Arena} Arena
 */

export class TrainableVae {
  /**
   * @param {VaeSettings} settings
   * @param {number} pixels D
   * @param {number} most images in a mini-batch
   * @param {boolean} useWasm
   */
  constructor(settings, pixels, most, useWasm = true) {
    this.settings = settings;
    this.pixels = pixels;
    this.most = most;
    const build = (/** @type {Arena} */ arena) =>
      networkOf(arena, settings, pixels, most);
    this.network = buildInArena(build, useWasm);
    this.arena = this.network.arena;
    this.latents = settings.latent_dim;
    this.parameters = parametersOf(this.network);
    this.images = 0; // of the last forward pass
    /** @type {Float32Array} */
    this.eps = new Float32Array();
  }

  /**
   * Return both terms for images (n, D) and noise (n, J), one draw of z for each image.
   * @param {Float32Array} x
   * @param {Float32Array} eps standard normal; `backward` reads it again
   * @param {number} n
   * @returns {Terms}
   */
  forward(x, eps, n) {
    const { settings, pixels } = this;
    const { mu, logvar, z, out, decoder } = this.network;
    [this.images, this.eps] = [n, eps];
    this.runEncoder(x, n);
    eachLatent(mu, n, (at, noise) => {
      const sigma = Math.exp(logvar.values.data[at] / 2);
      z.values.data[at] = mu.values.data[at] + sigma * eps[noise]; // (4)
    });
    for (const layer of decoder) layer.forward(n);

    const e = out.images.data; // in training, there is no other use for this memory
    this.arena.decay(e, out.values.data);
    const recon = RECONSTRUCTION[settings.loss](
      {
        a: out.values.data,
        e,
        x: this.network.x.values.data,
        gradient: out.gradient.data,
        stride: out.values.rowStep,
        ...{ pixels, images: n, factor: this.factor },
      },
      settings,
    );
    const klPerLatent = this.klPerLatent(n);
    return { recon, kl: klPerLatent.reduce((a, b) => a + b), klPerLatent };
  }

  /** Weights and biases of the encoder. */
  get encoderParameters() {
    return this.network.encoder.flatMap(({ weight, bias }) => [weight, bias]);
  }

  /** What vaelib.training multiplies the objective, a sum over images, with. */
  get factor() {
    const { reduction, gradient } = this.settings;
    const scale = reduction === "mean" ? 1 / this.pixels : 1;
    return gradient === "sum" ? scale : scale / this.images;
  }

  /**
   * Compute the gradient of the objective for the last forward pass.
   * @param {ArrayLike<number>} slopes weight of the KL of each latent: beta in (10)
   */
  backward(slopes) {
    const { x, mu, logvar, z, hidden, encoder, decoder } = this.network;
    const { images: n, factor } = this;
    for (const units of [...hidden, z]) {
      units.rows(n);
      units.gradient.data.fill(0);
    }
    for (const layer of [...decoder].reverse()) layer.backward(n, false);
    // Through z by (4), and of the KL divergence by Appendix B.
    eachLatent(mu, n, (at, noise, j) => {
      const weight = slopes[j] * factor;
      const dz = z.gradient.data[at];
      const sigma = Math.exp(logvar.values.data[at] / 2);
      mu.gradient.data[at] = dz + weight * mu.values.data[at];
      logvar.gradient.data[at] =
        0.5 * (dz * sigma * this.eps[noise] + weight * (sigma ** 2 - 1));
    });
    for (const layer of [...encoder].reverse()) layer.backward(n, layer.from === x);
  }

  /**
   * Compute mu and logvar, (9), of `n` images.
   * @param {Float32Array} x
   * @param {number} n
   */
  runEncoder(x, n) {
    this.network.x.read(x, n);
    for (const layer of this.network.encoder) layer.forward(n);
  }

  /**
   * Return the KL of each latent, summed over the `n` encoded images.
   * @param {number} n
   */
  klPerLatent(n) {
    const { mu, logvar } = this.network;
    const row = (/** @type {Units} */ { values }, /** @type {number} */ j) =>
      values.data.subarray(j * values.rowStep, j * values.rowStep + n);
    return Array.from({ length: mu.count }, (_, j) =>
      klOfLatent(row(mu, j), row(logvar, j)),
    );
  }

  /**
   * Return mean and standard deviation of q(z|x), (n, J) each, for images (n, D).
   * @param {Float32Array} x
   * @param {number} n
   */
  encode(x, n) {
    const { latents, network } = this;
    const [mu, sigma] = [new Float32Array(n * latents), new Float32Array(n * latents)];
    this.inBatches(n, (first, count) => {
      this.runEncoder(x.subarray(first * this.pixels), count);
      mu.set(network.mu.rows(count), first * latents);
      const some = network.logvar.rows(count).map((value) => Math.exp(value / 2));
      sigma.set(some, first * latents);
    });
    return { mu, sigma };
  }

  /**
   * Return the mean images of p(x|z), (n, D) in [0, 1], for z (n, J).
   * @param {Float32Array} z
   * @param {number} n
   */
  decode(z, n) {
    const { latents, network } = this;
    const { decoder, out } = network;
    const images = new Float32Array(n * this.pixels);
    this.inBatches(n, (first, count) => {
      network.z.read(z.subarray(first * latents), count);
      for (const layer of decoder) layer.forward(count);
      const rows = out.rows(count); // of means, and of log variances
      for (let i = 0; i < count; i++)
        for (let d = 0; d < this.pixels; d++)
          images[(first + i) * this.pixels + d] = this.meanOf(rows, i * out.count + d);
    });
    return images;
  }

  /**
   * Return the mean of a pixel, whose linear outputs begin at `at`.
   * @param {Float32Array} rows
   * @param {number} at
   */
  meanOf(rows, at) {
    const mean = sigmoid(rows[at]);
    const isCut = this.settings.loss === "logistic";
    return isCut ? clippedMean(mean, rows[at + this.pixels], LEAST_SIGMA) : mean;
  }

  /**
   * Call `f` with the first and the number of each mini-batch of `n`.
   * @param {number} n
   * @param {(first: number, count: number) => void} f
   */
  inBatches(n, f) {
    for (let i = 0; i < n; i += this.most) f(i, Math.min(this.most, n - i));
  }
}

/**
 * Return the layers of VAE in vaelib.model, and the units between them.
 * @param {Arena} arena
 * @param {VaeSettings} settings
 * @param {number} pixels
 * @param {number} most
 */
function networkOf(arena, { hidden_dim, latent_dim, activation, loss }, pixels, most) {
  const unitsOf = (/** @type {number} */ count) => new Units(arena, count, most);
  const up = [pixels, ...hidden_dim].map(unitsOf);
  const down = [...hidden_dim, latent_dim].map(unitsOf).reverse();
  const [mu, logvar] = [latent_dim, latent_dim].map(unitsOf);
  const out = unitsOf(hasVariance(loss) ? 2 * pixels : pixels);
  const [[x, ...upper], [z, ...lower]] = [up, down];
  const [top, bottom] = [up, down].map((units) => units[units.length - 1]);

  const encoder = [
    ...upper.map((to, i) => new Layer(arena, up[i], to, activation)),
    new Layer(arena, top, mu),
    new Layer(arena, top, logvar),
  ];
  const decoder = [
    ...lower.map((to, i) => new Layer(arena, down[i], to, activation)),
    new Layer(arena, bottom, out),
  ];
  return {
    arena,
    x,
    mu,
    logvar,
    z,
    out,
    hidden: [...upper, ...lower],
    encoder,
    decoder,
  };
}

/**
 * Return the parameters by torch's names, in torch's order.
 * @param {ReturnType<typeof networkOf>} network
 */
function parametersOf({ hidden, encoder, decoder }) {
  const depth = hidden.length / 2;
  const numbered = (/** @type {string} */ name) =>
    Array.from({ length: depth }, (_, i) => `${name}.${2 * i}`);
  const names = [
    ...[...numbered("encoder"), "fc_mu", "fc_logvar"],
    ...[...numbered("decoder"), "fc_out"],
  ];
  const layers = [...encoder, ...decoder].entries();
  /** @type {Record<string, Tensor>} */
  const parameters = {};
  for (const [i, { weight, bias }] of layers) {
    parameters[`${names[i]}.weight`] = weight;
    parameters[`${names[i]}.bias`] = bias;
  }
  return parameters;
}

/**
 * Call `f` with the index of a latent's value, that of its noise, and that of the
 * latent, for `n` images.
 * @param {Units} units
 * @param {number} n
 * @param {(at: number, noise: number, j: number) => void} f
 */
function eachLatent({ count, values }, n, f) {
  for (let j = 0; j < count; j++)
    for (let i = 0; i < n; i++) f(j * values.rowStep + i, i * count + j, j);
}
