/**
 * One update of Algorithm 1 in three steps, after each of which its numbers can be
 * read: forward, backward, and the step of Adam. A mini-batch is one image. The updates
 * are those of trainer.js, with the same random numbers in the first epoch.
 *
 * @typedef {import("./trainer.js").Settings} Settings
 * @typedef {import("./trainer.js").Images} Images
 * @typedef {import("./layers.js").Units} Units
 *
 * @typedef {object} Forward What the model computes for an image; terms in nats.
 * @property {number} row of the image in the data
 * @property {Float32Array} x
 * @property {number} active hidden units of the encoder that are above 0
 * @property {Float32Array} mu (J), as the next three
 * @property {Float32Array} sigma
 * @property {Float32Array} eps
 * @property {Float32Array} z
 * @property {Float32Array} decoded
 * @property {number} recon
 * @property {number[]} klPerLatent
 * @property {number} kl
 * @property {number} beta
 *
 * @typedef {object} Backward Derivatives of the objective.
 * @property {Float32Array} picture by the decoder's output before the sigmoid, (D)
 * @property {Float32Array} z (J), as the next two
 * @property {Float32Array} mu
 * @property {Float32Array} logvar
 * @property {number} unit of the encoder's first layer, the one with the largest
 *   derivative
 * @property {number} delta this derivative
 * @property {Float32Array} weights by the weights of the unit, (D)
 *
 * @typedef {object} Step
 * @property {Float32Array} change of the weights of the unit, (D)
 * @property {number} after the objective, for the same image and noise
 */

import { epochDraws } from "./draws.js";
import { sigmoid } from "./losses.js";
import { betaAt, learningRate } from "./schedules.js";
import { startRun, stepsPerEpoch, takeImages } from "./trainer.js";

export class SlowUpdate {
  /**
   * @param {Settings} settings with a batch_size of 1 and one hidden layer
   * @param {Images} data
   * @param {boolean} useWasm
   */
  constructor(settings, data, useWasm = true) {
    this.settings = settings;
    this.data = data;
    this.state = startRun(settings, data, useWasm);
    this.steps = stepsPerEpoch(settings, data);
    this.x = new Float32Array(data.pixels);
    /** @type {Float32Array} */
    this.eps = new Float32Array();
    this.draws = this.allDraws();
  }

  /** Yield the draws of one epoch after the other. */
  *allDraws() {
    const { settings, data, state } = this;
    for (;;) yield* epochDraws(state.generator, settings, this.steps, data.pixels);
  }

  /** Take the next image, and compute both terms. @returns {Forward} */
  forward() {
    const { settings, data, state, x } = this;
    const { rows, threshold, eps } = /** @type {import("./draws.js").Draws} */ (
      this.draws.next().value
    );
    takeImages(x, data.train, rows, threshold, data.pixels);
    this.eps = eps;
    const { recon, kl, klPerLatent } = state.vae.forward(x, eps, 1);
    const { mu, logvar, z, out, hidden } = state.vae.network;
    return {
      ...{ row: rows[0], x: x.slice(), eps, recon, kl, klPerLatent },
      active: numbersOf(hidden[0]).filter((h) => h > 0).length,
      mu: numbersOf(mu),
      sigma: numbersOf(logvar).map((value) => Math.exp(value / 2)),
      z: numbersOf(z),
      decoded: numbersOf(out).map(sigmoid),
      beta: betaAt(settings, state.step, this.steps, data.pixels),
    };
  }

  /** Compute the derivatives. @param {number} beta @returns {Backward} */
  backward(beta) {
    const { vae } = this.state;
    vae.backward(new Array(vae.latents).fill(beta));
    const { mu, logvar, z, out, hidden, encoder } = vae.network;
    const deltas = derivativesOf(hidden[0]);
    const unit = deltas.reduce(
      (best, delta, i) => (Math.abs(delta) > Math.abs(deltas[best]) ? i : best),
      0,
    );
    return {
      picture: derivativesOf(out),
      z: derivativesOf(z),
      mu: derivativesOf(mu),
      logvar: derivativesOf(logvar),
      unit,
      delta: deltas[unit],
      weights: this.rowOf(encoder[0].weight.gradient, unit),
    };
  }

  /**
   * Change all weights.
   * @param {number} unit whose change is returned
   * @param {number} beta
   * @returns {Step}
   */
  step(unit, beta) {
    const { settings, state, steps } = this;
    const { vae, adam } = state;
    const { data } = vae.network.encoder[0].weight;
    const before = this.rowOf(data, unit);
    adam.step(learningRate(settings, state.step, steps));
    state.step++;
    const { recon, kl } = vae.forward(this.x, this.eps, 1);
    return {
      change: this.rowOf(data, unit).map((weight, i) => weight - before[i]),
      after: recon + beta * kl,
    };
  }

  /** Make whole updates. @param {number} count */
  train(count) {
    const { settings, state, steps } = this;
    for (let i = 0; i < count; i++) {
      this.backward(this.forward().beta);
      state.adam.step(learningRate(settings, state.step, steps));
      state.step++;
    }
  }

  /** Return the weights of one unit. @param {Float32Array} data @param {number} unit */
  rowOf(data, unit) {
    const { pixels } = this.data;
    return data.slice(unit * pixels, (unit + 1) * pixels);
  }
}

/** Return the value of each unit, for one image. @param {Units} units */
function numbersOf({ count, values }) {
  return Float32Array.from(
    { length: count },
    (_, i) => values.data[i * values.rowStep],
  );
}

/** Return the derivative by each unit, for one image. @param {Units} units */
function derivativesOf({ count, gradient }) {
  return numbersOf(/** @type {Units} */ ({ count, values: gradient }));
}
