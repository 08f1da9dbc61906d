/**
 * One model in training with a beta that may change: its curves, images and record, as
 * Session of vaelib.widgets.session.
 *
 * @typedef {import("./trainer.js").Settings & Record<string, any>} RunSettings All
 *   fields of TrainConfig, by their names.
 *
 * @typedef {import("./trainer.js").Images & {
 *   shape: number[], labels: number[], classes: string[],
 * }} PageImages Images, their shape (C, H, W), and the classes of the test images.
 *
 * @typedef {{ label: string, unit: string, curve: DataView }} GhostCurve
 */

import { unitPixels, viewOf } from "./bytes.js";
import { curesLabel } from "./cures.js";
import { standardNormal } from "./draws.js";
import { lossTitle } from "./losses.js";
import { descending, withCommas } from "./numbers.js";
import { floatText, shortText } from "./python_text.js";
import { Generator } from "./random.js";
import { betaAt, betaByStep } from "./schedules.js";
import { startRun, stepsPerEpoch, testTerms, turns } from "./trainer.js";

// As in session.py.
const UPDATES_PER_POINT = 5;
const MOST_POINTS = 4000; // of a curve
const SHOWN_IMAGES = 10; // test images that are reconstructed
const SHOWN_SAMPLES = 30;
const [TRAVERSED, MOVED_IMAGES, MOST_MOVED] = [5, 11, 3]; // latents, images of each
const KL_IMAGES = 250; // test images for the bars
const SCHEDULE_POINTS = 101; // values of beta in the plot of its schedule

export class Session {
  /**
   * @param {RunSettings} settings
   * @param {PageImages} data
   * @param {string} name of the data
   * @param {boolean} useWasm
   */
  constructor(settings, data, name, useWasm = true) {
    this.settings = settings;
    this.data = data;
    this.name = name;
    this.steps = stepsPerEpoch(settings, data);
    this.state = startRun(settings, data, useWasm);
    const beta = (/** @type {number} */ step) => this.beta(step);
    this.events = turns(this.state, data, settings, beta);
    this.plan = this.betaPlan();
    this.finished = false; // true if no update can follow
    this.isTesting = false; // true between the last update of an epoch and its end
    this.failure = ""; // why, if the last epoch is not over

    // Rows of step, reconstruction, KL and beta: since the last point, and points.
    /** @type {number[][]} */
    this.recent = [];
    /** @type {number[][]} */
    this.points = [];
    /** @type {import("./trainer.js").EpochEnd[]} */
    this.ends = [];

    // Not the generator of the training: what is shown must not change a result.
    const generator = new Generator(settings.seed);
    this.noise = standardNormal(generator, SHOWN_SAMPLES, settings.latent_dim);
  }

  /** Short description of the settings. */
  get label() {
    const { beta_schedule, loss, latent_dim, seed, train_images } = this.settings;
    const betas = [...betaByStep(this.settings).values()].map(shortText).join(" → ");
    const plan = beta_schedule === "none" ? "" : ` ${beta_schedule}`;
    const images = train_images ? `, ${withCommas(train_images)} images` : "";
    const model = `${this.name}${images}, ${loss}, ${latent_dim} latents`;
    const cures = curesLabel(this.settings);
    return `${model}${cures}, β ${betas}${plan}, seed ${seed}`;
  }

  /** Short description of the settings, with the number of updates. */
  get summary() {
    return `${this.label}, ${this.state.step} updates`;
  }

  /** Name of the reconstruction term. */
  get term() {
    return lossTitle(this.settings.loss, this.settings.binarize !== "none");
  }

  /** Unit of the losses: only losses with the same unit can be compared. */
  get unit() {
    return `${this.name}: ${this.term.includes("Gaussian") ? "density" : this.term}`;
  }

  /**
   * Return the curve, to be shown beside that of another model.
   * @returns {GhostCurve}
   */
  ghost() {
    return { label: this.label, unit: this.unit, curve: this.curve() };
  }

  /** Return beta at a step, changes included. @param {number} step */
  beta(step) {
    return betaAt(this.settings, step, this.steps, this.data.pixels);
  }

  /** Return beta over the whole run, at equal distances. */
  betaPlan() {
    const last = this.settings.epochs * this.steps - 1;
    return Array.from({ length: SCHEDULE_POINTS }, (_, i) =>
      this.beta(roundToEven((i * last) / (SCHEDULE_POINTS - 1))),
    );
  }

  /** Use another beta from the next update on, and record it. @param {number} beta */
  changeBeta(beta) {
    const values = betaByStep(this.settings).set(this.state.step, beta);
    const [[, first], ...later] = values;
    const changes = later.map(([step, value]) => `${step}:${floatText(value)}`);
    this.settings = { ...this.settings, beta: first, beta_changes: changes.join(",") };
    this.plan = this.betaPlan();
  }

  /** Make one update, and the evaluation if it is the last one of its epoch. */
  advance() {
    do this.turn();
    while (this.isTesting);
  }

  /**
   * Make one update, or evaluate one mini-batch of the test that follows an epoch.
   * Throws Diverged if the loss is not finite; then no update can follow.
   */
  turn() {
    this.finished = true; // unless this turn succeeds
    this.isTesting = false;
    const event = this.nextEvent();
    if (event.kind === "update") this.record(event);
    if (event.kind === "epoch") this.ends.push(event);
    this.isTesting = event.kind !== "epoch" && this.state.step % this.steps === 0;
    this.finished = this.state.epoch === this.settings.epochs;
  }

  /**
   * Add an update to the curves.
   * @param {import("./trainer.js").Update} update
   */
  record({ step, recon, kl, beta }) {
    this.recent.push([step, recon, kl, beta]);
    if (this.recent.length < UPDATES_PER_POINT) return;
    const means = [1, 2, 3].map((column) => {
      const sum = this.recent.reduce((total, row) => total + row[column], 0);
      return sum / UPDATES_PER_POINT;
    });
    this.points.push([step, ...means]);
    this.recent = [];
  }

  /**
   * Return the next event of the training, or record why there is none.
   * @returns {import("./trainer.js").Update | import("./trainer.js").Test
   *   | import("./trainer.js").EpochEnd}
   */
  nextEvent() {
    try {
      return /** @type {any} */ (this.events.next().value);
    } catch (error) {
      this.failure = /** @type {Error} */ (error).message;
      throw error;
    }
  }

  /** Return the terms on all test images, without a change of the training. */
  evaluate() {
    while (this.isTesting) this.turn();
    const last = this.ends[this.ends.length - 1];
    if (last?.step === this.state.step) return last;
    const generator = new Generator(this.settings.seed);
    return testTerms({ ...this.state, generator }, this.data, this.settings);
  }

  // What is shown

  /** Return the test images whose reconstructions are shown. */
  testImages() {
    const { test, pixels } = this.data;
    return viewOf(test.slice(0, SHOWN_IMAGES * pixels));
  }

  /** Return the points (step, reconstruction, KL, beta) as 32-bit floats. */
  curve() {
    return viewOf(Float32Array.from(thinned(this.points, MOST_POINTS).flat()));
  }

  /** Return the progress, the terms after each epoch, and sizes of the images. */
  status() {
    const { epochs, latent_dim } = this.settings;
    const traversed = Math.min(TRAVERSED, latent_dim);
    return {
      step: this.state.step,
      steps: this.steps,
      epochs,
      over: this.finished,
      beta: this.beta(this.state.step),
      tests: thinned(this.ends, 1000).map(({ step, recon, kl }) => [step, recon, kl]),
      term: this.term,
      unit: this.unit,
      label: this.label,
      shape: this.data.shape,
      sheet: [SHOWN_IMAGES, SHOWN_SAMPLES, traversed, MOVED_IMAGES],
    };
  }

  /**
   * Return the mean KL of each latent over some test images, in nats. A value that is
   * not finite becomes 0.
   */
  meanKl() {
    return this.encode(KL_IMAGES).kl.map((kl) => (Number.isFinite(kl) ? kl : 0));
  }

  /**
   * Return reconstructions, samples and traversals as bytes. Samples come from the same
   * noise each time. The latents with the most KL are traversed, about the mean of the
   * first image.
   * @param {number[]} kl
   */
  pictures(kl) {
    const { mu } = this.encode(SHOWN_IMAGES);
    const first = [...mu.subarray(0, kl.length)];
    const strongest = descending(kl).slice(0, TRAVERSED);
    const offsets = Array.from({ length: MOVED_IMAGES }, (_, i) => {
      return MOST_MOVED * ((2 * i) / (MOVED_IMAGES - 1) - 1);
    });
    const moved = strongest.flatMap((latent) =>
      offsets.flatMap((by) => first.map((z, j) => (j === latent ? z + by : z))),
    );
    const z = Float32Array.from([...mu, ...this.noise, ...moved]);
    const images = this.state.vae.decode(z, z.length / kl.length);
    return viewOf(Uint8ClampedArray.from(images, (value) => 255 * value));
  }

  /**
   * Return the posterior means (n, J) of the first test images, at most `most`, and the
   * mean KL of each latent over them.
   * @param {number} most
   */
  encode(most) {
    const { vae } = this.state;
    const { test, pixels } = this.data;
    const x = unitPixels(test.subarray(0, most * pixels));
    const n = x.length / pixels;
    const mu = new Float32Array(n * vae.latents);
    const kl = new Array(vae.latents).fill(0);
    vae.inBatches(n, (start, count) => {
      vae.runEncoder(x.subarray(start * pixels), count);
      mu.set(vae.network.mu.rows(count), start * vae.latents);
      vae.klPerLatent(count).forEach((value, j) => (kl[j] += value / n));
    });
    return { mu, kl };
  }
}

/**
 * Return about `most` of the rows, at equal distances, and the last one.
 * @template T
 * @param {T[]} rows
 * @param {number} most
 */
export function thinned(rows, most) {
  const step = Math.ceil(rows.length / most);
  if (step < 2) return rows;
  const last = rows.length - 1;
  return [...rows.slice(0, last).filter((_, i) => i % step === 0), rows[last]];
}

/** Return the nearest whole number; of two, the even one. @param {number} value */
export function roundToEven(value) {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 ? rounded - 1 : rounded;
}
