/** Pure functions of numbers: random draws, interpolation, ranks, ticks and text. */

/** Return one draw from N(0, 1), by the Box-Muller transform. */
export function gaussian() {
  const radius = Math.sqrt(-2 * Math.log(1 - Math.random()));
  return radius * Math.cos(2 * Math.PI * Math.random());
}

/** Return one draw of z from the prior N(0, I). @param {number} latents */
export function priorSample(latents) {
  return Float32Array.from({ length: latents }, gaussian);
}

/**
 * Return the point (1 - t) a + t b.
 * @param {Float32Array} a
 * @param {Float32Array} b
 * @param {number} t
 */
export function interpolate(a, b, t) {
  return a.map((start, j) => (1 - t) * start + t * b[j]);
}

/**
 * Return the number in [low, high] that is nearest to `value`.
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
export function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

const BROAD = 10; // log variance beyond which the mean of a logistic pixel is 1/2

/** Return log(1 + exp(a)). @param {number} a */
export function softplus(a) {
  return Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a)));
}

/**
 * Return the mean of a logistic distribution whose values are cut to [0, 1], as
 * `clipped_mean` of vaelib.model. Its variance is exp(a) plus that of the least sigma.
 * @param {number} mean before the cut
 * @param {number} a
 * @param {number} minSigma
 */
export function clippedMean(mean, a, minSigma) {
  const variance = Math.exp(Math.min(a, BROAD)) + minSigma ** 2;
  const scale = (Math.sqrt(3) / Math.PI) * Math.sqrt(variance);
  const cut = scale * (softplus(mean / scale) - softplus((mean - 1) / scale));
  return clamp(cut, 0, 1);
}

/** Return the product of all sizes in a shape. @param {number[]} shape */
export function product(shape) {
  return shape.reduce((a, b) => a * b);
}

/** Return the indices of `values`, the largest value first. @param {number[]} values */
export function descending(values) {
  return values.map((_, j) => j).sort((a, b) => values[b] - values[a]);
}

/**
 * Return the name of the class of image `i`. A class without a name is called by its
 * number. An image without a label, or with a negative one, has no class: "".
 * @param {{ labels?: number[], classes?: string[] }} test
 * @param {number} i
 */
export function classOf({ labels = [], classes = [] }, i) {
  const label = labels[i] ?? -1;
  return label < 0 ? "" : (classes[label] ?? String(label));
}

/**
 * Return how many classes there are; some may have no name, and some no image.
 * @param {{ labels?: number[], classes?: string[] }} test
 */
export function classCount({ labels = [], classes = [] }) {
  return Math.max(classes.length, 1 + Math.max(-1, ...labels));
}

/**
 * Return reconstruction + beta KL, one value per point of a curve.
 * @param {ArrayLike<number>} recon
 * @param {ArrayLike<number>} kl
 * @param {ArrayLike<number>} beta
 */
export function objective(recon, kl, beta) {
  return Array.from(recon, (value, i) => value + beta[i] * kl[i]);
}

/**
 * Return the lowest and the highest finite value: [Infinity, -Infinity] if none is.
 * @param {ArrayLike<number>[]} series
 */
export function extremes(series) {
  let [low, high] = [Infinity, -Infinity];
  for (const values of series)
    for (let i = 0; i < values.length; i++) {
      if (!Number.isFinite(values[i])) continue;
      low = Math.min(low, values[i]);
      high = Math.max(high, values[i]);
    }
  return [low, high];
}

/**
 * Return the lowest and the highest finite value, with a margin at the top. The range
 * contains 0 if no value is negative.
 * @param {ArrayLike<number>[]} series
 */
export function valueRange(series) {
  const [low, high] = extremes(series);
  if (low > high) return [0, 1];
  const bottom = Math.min(0, low);
  return [bottom, high > bottom ? high + 0.04 * (high - bottom) : bottom + 1];
}

/**
 * Return a range like `valueRange` that the past does not rule: that of the last tenth
 * of each series, or of its last 20 values, with room for half as much outside it.
 * @param {ArrayLike<number>[]} series
 */
export function recentRange(series) {
  const recent = series.map((values) => {
    const count = Math.max(20, Math.ceil(values.length / 10));
    return Array.from(values).slice(-count);
  });
  const [low, high] = valueRange(recent);
  const [lowest, highest] = valueRange(series);
  const room = (high - low) / 2;
  return [Math.max(lowest, low - room), Math.min(highest, high + room)];
}

/**
 * Return the index of the number that is nearest to `x`, in rising order; -1 if none.
 * @param {ArrayLike<number>} numbers
 * @param {number} x
 */
export function nearest(numbers, x) {
  const distance = (/** @type {number} */ i) => Math.abs(numbers[i] - x);
  let found = numbers.length - 1;
  while (found > 0 && distance(found - 1) <= distance(found)) found--;
  return found;
}

/**
 * Return about `count` round numbers between `low` and `high`.
 * @param {number} low
 * @param {number} high
 * @param {number} count
 */
export function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((m) => m * power >= rough) ?? 10);
  const first = Math.ceil(low / step);
  const length = Math.floor(high / step) - first + 1;
  return Array.from({ length }, (_, i) => (first + i) * step);
}

/** Return a number with a true minus sign. @param {number | string} value */
export function numberText(value) {
  return String(value).replaceAll("-", "−");
}

/** Return a number as text of at most 4 significant digits. @param {number} value */
export function formatNumber(value) {
  return numberText(Number(value.toPrecision(4)));
}

/** Return a number with two decimals; 0 has no sign. @param {number} value */
export function twoDecimals(value) {
  const rounded = Number(value.toFixed(2)); // may be -0, whose text is 0.00
  return numberText(rounded.toFixed(2));
}

/** Return a whole number such as 10,000. @param {number | string} value */
export function withCommas(value) {
  return Number(value).toLocaleString("en-US");
}

/** Return the shortest decimal of a 32-bit float. @param {number} value */
export function shortestDecimal(value) {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return String(Number(value.toPrecision(9)));
}

/** Return the name of a latent, counted from 1: latent 0 is z₁. @param {number} j */
export function latentName(j) {
  const digits = [...String(j + 1)].map(Number);
  return "z" + digits.map((digit) => String.fromCharCode(0x2080 + digit)).join("");
}
