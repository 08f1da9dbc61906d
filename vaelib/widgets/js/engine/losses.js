/**
 * The two terms of equation (10) and their derivatives: the same numbers as
 * vaelib.losses. Arrays contain one row per unit, and one column per image.
 *
 * A reconstruction term returns -log p(x|z), summed over all images. In `gradient` it
 * writes the derivative of that sum with respect to the decoder's linear output a,
 * times `factor`.
 *
 * @typedef {object} Decoded
 * @property {Float32Array} a decoder's linear output: 1 or 2 rows per pixel
 * @property {Float32Array} e exp(-|a|): most of the time of a loss would go into it
 * @property {Float32Array} x pixels in [0, 1]
 * @property {Float32Array} gradient like `a`
 * @property {number} pixels D
 * @property {number} images in the mini-batch, M
 * @property {number} stride from a row to the next, at least M
 * @property {number} factor
 *
 * @typedef {object} Variances
 * @property {number} sigma of all pixels (mse)
 * @property {number} min_sigma smallest one (gaussian)
 *
 * @typedef {(decoded: Decoded, variances: Variances) => number} Reconstruction
 */

import { softplus } from "./numbers.js";

const LOG_2PI = Math.log(2 * Math.PI);
const HALF_LEVEL = 1 / 510; // half the distance between two of the 256 levels
export const LEAST_SIGMA = 1 / 1020; // of a logistic pixel
const FLAT = 1e-30; // least 1 / sigma of a logistic pixel

/** Return whether a pixel has a mean and a log variance. @param {string} loss */
export function hasVariance(loss) {
  return loss === "gaussian" || loss === "logistic";
}

/** @type {Record<string, string>} */
const LOSS_TITLES = {
  bce: "cross-entropy",
  bce_logits: "cross-entropy",
  mse: "Gaussian, fixed sigma",
  gaussian: "Gaussian, learned sigma",
  logistic: "negative log-likelihood of 256 levels",
};

/**
 * Return the name of a reconstruction term, as `title` of vaelib.losses. On binary
 * pixels the cross-entropy is a negative log-likelihood.
 * @param {string} loss
 * @param {boolean} isBinary
 */
export function lossTitle(loss, isBinary) {
  const title = LOSS_TITLES[loss];
  return isBinary && title === "cross-entropy" ? "negative log-likelihood" : title;
}

/** Return the sigmoid of a number. @param {number} a */
export function sigmoid(a) {
  return 1 / (1 + Math.exp(-a));
}

/** Return the sigmoid of a, where e = exp(-|a|). @param {number} a @param {number} e */
function sigmoidBy(a, e) {
  return (a < 0 ? e : 1) / (1 + e);
}

/** A sum of logarithms, as the logarithm of a product: one for hundreds of factors. */
class LogSum {
  sum = 0;
  product = 1;

  /** Add the logarithm of a factor in [1, 2]. @param {number} factor */
  add(factor) {
    this.product *= factor;
    if (this.product > 1e300) {
      this.sum += Math.log(this.product);
      this.product = 1;
    }
  }

  total() {
    return this.sum + Math.log(this.product);
  }
}

/** @type {Record<string, Reconstruction>} */
export const RECONSTRUCTION = {
  /** Bernoulli pixels, (11), from probabilities p. As in torch, log p >= -100. */
  bce({ a, e, x, gradient, pixels, images, stride, factor }) {
    let nats = 0;
    for (let row = 0; row < pixels * stride; row += stride)
      for (let i = row; i < row + images; i++) {
        // Rounding to 32 bits is a part of this loss.
        const inverse = a[i] < 0 ? 1 / e[i] : e[i]; // exp(-a)
        const p = 1 / Math.fround(1 + inverse);
        // Most pixels are 0, which saves a logarithm.
        if (x[i] !== 0) nats -= x[i] * Math.max(Math.log(p), -100);
        if (x[i] !== 1) nats -= (1 - x[i]) * Math.max(Math.log(1 - p), -100);
        const variance = p * (1 - p); // its quotient is 1, but 0 where p is 0 or 1
        gradient[i] = (factor * (p - x[i]) * variance) / Math.max(variance, 1e-12);
      }
    return nats;
  },

  /** Bernoulli pixels, (11), from logits: max(a, 0) - x a + log(1 + exp(-|a|)). */
  bce_logits({ a, e, x, gradient, pixels, images, stride, factor }) {
    const logs = new LogSum();
    let nats = 0;
    for (let row = 0; row < pixels * stride; row += stride)
      for (let i = row; i < row + images; i++) {
        const logit = a[i];
        nats += Math.max(logit, 0) - x[i] * logit;
        logs.add(1 + e[i]);
        gradient[i] = factor * (sigmoidBy(logit, e[i]) - x[i]);
      }
    return nats + logs.total();
  },

  /** Gaussian pixels with one sigma, (12). */
  mse({ a, e, x, gradient, pixels, images, stride, factor }, { sigma }) {
    let squared = 0;
    for (let row = 0; row < pixels * stride; row += stride)
      for (let i = row; i < row + images; i++) {
        const mean = sigmoidBy(a[i], e[i]);
        const error = mean - x[i];
        squared += error * error;
        gradient[i] = (factor / sigma ** 2) * error * mean * (1 - mean);
      }
    const constant = Math.log(sigma) + 0.5 * LOG_2PI;
    return squared / (2 * sigma ** 2) + pixels * images * constant;
  },

  /**
   * Gaussian pixels, each with its own variance, (12): rows of means, then of log
   * variances, which have a soft floor: exp(logvar) = exp(a) + min_sigma ** 2.
   */
  gaussian({ a, e, x, gradient, pixels, images, stride, factor }, { min_sigma }) {
    const floor = 2 * Math.log(min_sigma);
    const logs = new LogSum();
    let nats = 0.5 * pixels * images * LOG_2PI;
    for (let row = 0; row < pixels * stride; row += stride)
      for (let i = row; i < row + images; i++) {
        const j = i + pixels * stride;
        const mean = sigmoidBy(a[i], e[i]);
        const error = mean - x[i];
        const above = a[j] - floor;
        const gap = Math.exp(-Math.abs(above));
        const precision = sigmoidBy(-above, gap) / min_sigma ** 2;
        const ratio = error * error * precision;
        nats += 0.5 * (ratio + Math.max(a[j], floor));
        logs.add(1 + gap);
        gradient[i] = factor * error * precision * mean * (1 - mean);
        gradient[j] = factor * 0.5 * (1 - ratio) * sigmoidBy(above, gap);
      }
    return nats + 0.5 * logs.total();
  },

  /**
   * Pixels with 256 levels, whose probabilities are those of a logistic distribution
   * within half a level. Its variances are those of `gaussian`, with another floor.
   */
  logistic({ a, e, x, gradient, pixels, images, stride, factor }) {
    const floor = 2 * Math.log(LEAST_SIGMA);
    let nats = 0;
    for (let row = 0; row < pixels * stride; row += stride)
      for (let i = row; i < row + images; i++) {
        const j = i + pixels * stride;
        const mean = sigmoidBy(a[i], e[i]);
        const above = a[j] - floor;
        const gap = Math.exp(-Math.abs(above));
        const precision = sigmoidBy(-above, gap) / LEAST_SIGMA ** 2;
        const perSigma = Math.max(Math.sqrt(precision), FLAT);
        const perScale = (Math.PI / Math.sqrt(3)) * perSigma;
        const upper = (x[i] + HALF_LEVEL - mean) * perScale;
        const lower = (x[i] - HALF_LEVEL - mean) * perScale;
        const [isFirst, isLast] = [x[i] < HALF_LEVEL, x[i] > 1 - HALF_LEVEL];
        const overshoot = isLast ? 0 : sigmoid(-upper);
        const undershoot = isFirst ? 0 : sigmoid(lower);
        let ofScale = overshoot * upper - undershoot * lower; // d nats / d log scale
        if (!isLast) nats += softplus(-upper);
        if (!isFirst) nats += softplus(lower);
        if (!isFirst && !isLast) {
          const width = 2 * HALF_LEVEL * perScale;
          nats -= Math.log(-Math.expm1(-width));
          ofScale += width / Math.expm1(width);
        }
        const ofMean = (overshoot - undershoot) * perScale;
        gradient[i] = factor * ofMean * mean * (1 - mean);
        const slope = perSigma > FLAT ? sigmoidBy(above, gap) : 0;
        gradient[j] = factor * 0.5 * ofScale * slope;
      }
    return nats;
  },
};

/**
 * Return KL(q(z|x) || p(z)) of one latent, Appendix B, summed over the images.
 * @param {Float32Array} mu of each image
 * @param {Float32Array} logvar of each image
 */
export function klOfLatent(mu, logvar) {
  let nats = 0;
  for (let i = 0; i < mu.length; i++)
    nats -= 0.5 * (1 + logvar[i] - mu[i] ** 2 - Math.exp(logvar[i]));
  return nats;
}
