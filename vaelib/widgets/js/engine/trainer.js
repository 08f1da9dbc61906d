/**
 * Algorithm 1 in the page: the loop of vaelib.training, with the same random numbers
 * and the same events.
 *
 * @typedef {import("./vae.js").VaeSettings
 *   & import("./start.js").StartSettings
 *   & import("./draws.js").DrawSettings
 *   & import("./schedules.js").BetaSettings
 *   & import("./schedules.js").RateSettings
 *   & import("./cures.js").CureSettings
 *   & { seed: number | string, adam_beta2: number }} Settings Fields of TrainConfig.
 *
 * @typedef {object} Images Grey values from 0 to 255, image after image.
 * @property {Uint8Array} train
 * @property {Uint8Array} test
 * @property {number} pixels of one image, D
 *
 * @typedef {object} State Everything that the next update depends on.
 * @property {TrainableVae} vae
 * @property {Adam} adam
 * @property {Generator} generator
 * @property {number} epoch number of finished epochs
 * @property {number} step number of updates
 *
 * @typedef {object} Update Result of one update, in nats per image.
 * @property {"update"} kind
 * @property {number} step number of updates so far
 * @property {number} epoch
 * @property {number} beta
 * @property {number} recon
 * @property {number} kl
 * @property {number} images in the mini-batch
 *
 * @typedef {object} EpochEnd Result of one epoch: means over the test images, and over
 *   the training images during the epoch, in nats per image.
 * @property {"epoch"} kind
 * @property {number} step
 * @property {number} epoch
 * @property {number} beta
 * @property {number} recon
 * @property {number} kl
 * @property {number} train_recon
 * @property {number} train_kl
 * @property {number} [total] of the test images, with free bits or a capacity
 * @property {number} [train_total]
 * @property {number} seconds
 * @property {number[]} kl_per_latent
 * @property {Float32Array} noise standard normal z for samples, (64, J)
 *
 * @typedef {{ kind: "test" }} Test A mini-batch of test images that is done.
 *
 * @typedef {{ recon: number, kl: number, kl_per_latent: number[] }} TestTerms
 */

import { Adam } from "./adam.js";
import { capacityAt, hasPenalty, penalty } from "./cures.js";
import { catchUpDraws, epochDraws, standardNormal, testDraws } from "./draws.js";
import { Generator } from "./random.js";
import { betaAt, learningRate } from "./schedules.js";
import { initialise, meanImage } from "./start.js";
import { TrainableVae } from "./vae.js";

const SHEET = 64; // images on a sheet of samples
const WHITE = 255;

/** Error for a loss that is not a finite number. */
export class Diverged extends Error {
  /** @param {number} step */
  constructor(step) {
    super(`the loss is not finite at step ${step}: give a smaller lr.`);
  }
}

/**
 * Return a new model, its optimizer and its stream of random numbers.
 * @param {Settings} settings
 * @param {Images} data
 * @param {boolean} useWasm
 * @returns {State}
 */
export function startRun(settings, { train, pixels }, useWasm = true) {
  const generator = new Generator(settings.seed);
  const vae = new TrainableVae(settings, pixels, settings.batch_size, useWasm);
  initialise(vae.parameters, generator, settings, meanImage(train, pixels));
  const tensors = Object.values(vae.parameters);
  const adam = new Adam(vae.arena, tensors, settings.adam_beta2);
  return { vae, adam, generator, epoch: 0, step: 0 };
}

/**
 * Return the number of mini-batches of an epoch; the last one may be smaller.
 * @param {Settings} settings
 * @param {Images} data
 */
export function stepsPerEpoch({ batch_size }, { train, pixels }) {
  return Math.ceil(train.length / pixels / batch_size);
}

/**
 * Train by Algorithm 1 with L = 1; yield after every update and every epoch.
 * `beta`, a function of the step, replaces the schedule of the settings. Throws
 * Diverged if the loss is not finite.
 * @param {State} state changed in place
 * @param {Images} data
 * @param {Settings} settings
 * @param {(step: number) => number} [beta]
 * @returns {Iterable<Update | EpochEnd>}
 */
export function* updates(state, data, settings, beta) {
  for (const event of turns(state, data, settings, beta))
    if (event.kind !== "test") yield event;
}

/**
 * Train as `updates` does; yield after every mini-batch of the test too, so that
 * nothing has to wait for the whole test.
 * @param {State} state changed in place
 * @param {Images} data
 * @param {Settings} settings
 * @param {(step: number) => number} [beta]
 * @returns {IteratorObject<Update | Test | EpochEnd, void>}
 */
export function* turns(state, data, settings, beta) {
  const { vae, adam, generator } = state;
  const { train, pixels } = data;
  const [n, steps] = [train.length / pixels, stepsPerEpoch(settings, data)];
  const betaOf =
    beta ?? ((/** @type {number} */ step) => betaAt(settings, step, steps, pixels));
  const weightOf = settings.capacity
    ? (/** @type {number} */ step) => capacityAt(settings, step, steps)
    : betaOf;
  const x = new Float32Array(settings.batch_size * pixels);

  while (state.epoch < settings.epochs) {
    const [began, sums] = [performance.now(), { recon: 0, kl: 0, total: 0 }];
    for (const { rows, threshold, eps } of epochDraws(generator, settings, n, pixels)) {
      takeImages(x, train, rows, threshold, pixels);
      const [betaNow, weight] = [betaOf(state.step), weightOf(state.step)];
      const rate = learningRate(settings, state.step, steps);
      if (settings.encoder_updates)
        catchUp(state, data, settings, weight, rate, x, eps);
      const { recon, kl, total, slopes } = minimised(vae, settings, weight, x, eps);
      vae.backward(slopes);
      adam.step(rate);
      state.step++;
      requireFinite(recon, kl, state.step);
      sums.recon += recon;
      sums.kl += kl;
      sums.total += total;
      yield {
        kind: "update",
        ...{ step: state.step, epoch: state.epoch, beta: betaNow },
        ...{ recon: recon / rows.length, kl: kl / rows.length, images: rows.length },
      };
    }
    generator.int64(); // seed of the DataLoader's workers, which is not used
    const end = yield* test(state, data, settings);
    const noise = standardNormal(generator, SHEET, settings.latent_dim);
    const { nats } = penalty(settings, end.kl_per_latent, weightOf(state.step - 1));
    const totals = { total: end.recon + nats, train_total: sums.total / n };
    yield {
      kind: "epoch",
      ...{ step: state.step, epoch: state.epoch++, beta: betaOf(state.step - 1) },
      ...{ ...end, train_recon: sums.recon / n, train_kl: sums.kl / n, noise },
      ...(hasPenalty(settings) ? totals : {}),
      seconds: (performance.now() - began) / 1000,
    };
  }
}

/**
 * Return both terms and what is minimised, summed over the images, and the weight of
 * the KL of each latent in its gradient.
 * @param {TrainableVae} vae
 * @param {Settings} settings
 * @param {number} weight beta, or with a capacity C
 * @param {Float32Array} x
 * @param {Float32Array} eps
 */
function minimised(vae, settings, weight, x, eps) {
  const n = eps.length / vae.latents;
  const { recon, kl, klPerLatent } = vae.forward(x, eps, n);
  const means = klPerLatent.map((nats) => nats / n);
  const { nats, slopes } = penalty(settings, means, weight);
  return { recon, kl, total: recon + n * nats, slopes };
}

/**
 * Update the encoder alone, as long as that lowers the loss at x and eps, as `catch_up`
 * of vaelib.collapse.
 * @param {State} state changed in place
 * @param {Images} data
 * @param {Settings} settings
 * @param {number} weight beta, or with a capacity C
 * @param {number} rate learning rate
 * @param {Float32Array} x
 * @param {Float32Array} eps
 */
function catchUp(state, { train, pixels }, settings, weight, rate, x, eps) {
  const { vae, adam, generator } = state;
  const [n, count] = [train.length / pixels, eps.length / vae.latents];
  const other = new Float32Array(count * pixels);
  // As a number of 32 bits, which torch compares.
  const loss = () =>
    Math.fround(minimised(vae, settings, weight, x, eps).total / count);
  let before = loss();
  for (let i = 0; i < settings.encoder_updates; i++) {
    const draws = catchUpDraws(generator, settings, n, count, pixels);
    takeImages(other, train, draws.rows, draws.threshold, pixels);
    vae.backward(minimised(vae, settings, weight, other, draws.eps).slopes);
    adam.step(rate, vae.encoderParameters);
    const after = loss();
    if (!(after < before)) return;
    before = after;
  }
}

/**
 * Return the means of the terms over all test images, one z drawn for each. Throws
 * Diverged if they are not finite.
 * @param {State} state
 * @param {Images} data
 * @param {Settings} settings
 */
export function testTerms(state, data, settings) {
  const batches = test(state, data, settings);
  for (;;) {
    const { done, value } = batches.next();
    if (done) return value;
  }
}

/**
 * Compute the terms as `testTerms` does; yield after each mini-batch.
 * @param {State} state
 * @param {Images} data
 * @param {Settings} settings
 * @returns {IteratorObject<Test, TestTerms>}
 */
function* test({ vae, generator, step }, { test, pixels }, settings) {
  const n = test.length / pixels;
  const x = new Float32Array(settings.batch_size * pixels);
  const kl_per_latent = new Array(settings.latent_dim).fill(0);
  let [first, recon] = [0, 0];
  for (const eps of testDraws(generator, settings, n)) {
    const count = eps.length / settings.latent_dim;
    const rows = Uint32Array.from({ length: count }, (_, i) => first + i);
    takeImages(x, test, rows, new Uint8Array(), pixels);
    const terms = vae.forward(x, eps, count);
    recon += terms.recon / n;
    terms.klPerLatent.forEach((value, j) => (kl_per_latent[j] += value / n));
    first += count;
    yield { kind: "test" };
  }
  const kl = kl_per_latent.reduce((a, b) => a + b);
  requireFinite(recon, kl, step);
  return { recon, kl, kl_per_latent };
}

/**
 * Throw Diverged if a term is not finite as a number of 32 bits, which torch has.
 * @param {number} recon
 * @param {number} kl
 * @param {number} step
 */
function requireFinite(recon, kl, step) {
  if (!Number.isFinite(Math.fround(recon) + Math.fround(kl))) throw new Diverged(step);
}

/**
 * Copy images into x (B, D), in [0, 1]; with a threshold for each pixel, in {0, 1}.
 * @param {Float32Array} x
 * @param {Uint8Array} images
 * @param {Uint32Array} rows
 * @param {Uint8Array} threshold (B, D), or empty
 * @param {number} pixels
 */
export function takeImages(x, images, rows, threshold, pixels) {
  const isDrawn = threshold.length > 0;
  rows.forEach((row, i) => {
    const [to, from] = [i * pixels, row * pixels];
    for (let d = 0; d < pixels; d++) {
      const grey = images[from + d];
      x[to + d] = isDrawn ? Number(grey > threshold[to + d]) : grey / WHITE;
    }
  });
}
