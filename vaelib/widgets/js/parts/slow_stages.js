/**
 * The stages of one update: what lights up in the picture of the model, the equation,
 * the line of code of vaelib, and the numbers.
 *
 * @typedef {import("../engine/slow_update.js").Forward} Forward
 * @typedef {import("../engine/slow_update.js").Backward} Backward
 * @typedef {import("../engine/slow_update.js").Step} Step
 *
 * @typedef {Forward & Step & {
 *   slopes: Backward, shape: number[], name: string, total: number,
 * }} Known What is known of an update at its end, and the name of the image.
 *
 * @typedef {object} Stage
 * @property {string} title
 * @property {string[]} parts of the picture of the model
 * @property {string[]} wires
 * @property {boolean} [back] whether derivatives go back through them
 * @property {string} equation HTML
 * @property {string} number of the equation, or where the paper has it
 * @property {string} code
 * @property {(known: Known) => string} says
 * @property {(known: Known) => HTMLElement[]} shows
 */

import { product, twoDecimals } from "../engine/numbers.js";
import { html } from "./controls.js";
import { paint, pictureCanvas } from "./picture.js";
import { words } from "./words.js";

/** @type {Stage[]} */
export const STAGES = [
  {
    title: words`An image`,
    ...{ parts: ["image"], wires: [] },
    equation: "<i>x</i> ∈ [0, 1]<sup><i>D</i></sup>",
    number: words`Section 2.1`,
    code: "x = data.batch(rows, state.rng)",
    says: ({ name, x }) =>
      words`A mini-batch of one: ${name}, ${x.length} pixels. More images would be
        treated alike, and their derivatives averaged.`,
    shows: ({ x, shape }) => [image(words`The image x`, x, shape)],
  },
  {
    title: words`Encode`,
    parts: ["encoder", "posterior"],
    wires: ["image encoder", "encoder posterior"],
    equation:
      "<i>h</i> = relu(<i>W</i><sub>1</sub><i>x</i> + <i>b</i><sub>1</sub>), " +
      "<i>μ</i> = <i>W</i><sub>2</sub><i>h</i> + <i>b</i><sub>2</sub>, " +
      "log <i>σ</i>² = <i>W</i><sub>3</sub><i>h</i> + <i>b</i><sub>3</sub>",
    number: "(9)",
    code: "return self.fc_mu(h), self.fc_logvar(h)",
    says: ({ active }) =>
      words`${active} hidden units are above 0. From them come a mean and a standard
        deviation for each latent: a Gaussian, not a point.`,
    shows: ({ mu, sigma }) => [latentTable({ μ: mu, σ: sigma })],
  },
  {
    title: words`Draw z`,
    ...{ parts: ["noise", "z"], wires: ["posterior z", "noise z"] },
    equation: "<i>z</i> = <i>μ</i> + <i>σ</i> ⊙ <i>ε</i>, <i>ε</i> ~ N(0, <i>I</i>)",
    number: "(4)",
    code: "return mu + torch.exp(0.5 * logvar) * eps",
    says: () =>
      words`Only the noise is drawn. z is a plain function of μ and σ, so that
        derivatives will find a way back.`,
    shows: ({ mu, sigma, eps, z }) => [latentTable({ μ: mu, σ: sigma, ε: eps, z })],
  },
  {
    title: words`Decode`,
    ...{ parts: ["decoder", "picture"], wires: ["z decoder", "decoder picture"] },
    equation:
      "<i>x̂</i> = sigmoid(<i>a</i>), <i>a</i> = <i>W</i><sub>5</sub> " +
      "relu(<i>W</i><sub>4</sub><i>z</i> + <i>b</i><sub>4</sub>) + " +
      "<i>b</i><sub>5</sub>",
    number: "(11)",
    code: "return torch.sigmoid(h)",
    says: () => words`For each pixel, the probability that it is white.`,
    shows: ({ decoded, shape }) => [image(words`The picture x̂`, decoded, shape)],
  },
  {
    title: words`The reconstruction term`,
    parts: ["reconstruction"],
    wires: ["picture reconstruction", "image reconstruction"],
    equation:
      "−log <i>p</i>(<i>x</i>|<i>z</i>) = −Σ<sub><i>i</i></sub> " +
      "(<i>x<sub>i</sub></i> log <i>x̂<sub>i</sub></i> + " +
      "(1 − <i>x<sub>i</sub></i>) log(1 − <i>x̂<sub>i</sub></i>))",
    number: "(11)",
    code: 'nats = F.binary_cross_entropy(y, x.expand_as(x_hat), reduction="none")',
    says: ({ recon, x, decoded }) => {
      const most = Math.max(...pixelNats(x, decoded));
      return words`All pixels together cost ${twoDecimals(recon)} nats, the dearest one
        ${twoDecimals(most)}. Light pixels below are dear.`;
    },
    shows: ({ x, decoded, shape }) => {
      const nats = pixelNats(x, decoded);
      const most = Math.max(...nats);
      const scaled = nats.map((value) => value / most);
      return [image(words`Nats of each pixel`, scaled, shape)];
    },
  },
  {
    title: words`The KL term, and the sum`,
    ...{ parts: ["kl", "objective"] },
    wires: ["posterior kl", "kl objective", "reconstruction objective"],
    equation:
      "KL = ½ Σ<sub><i>j</i></sub> (<i>μ<sub>j</sub></i>² + <i>σ<sub>j</sub></i>² " +
      "− 1 − log <i>σ<sub>j</sub></i>²)",
    number: words`Appendix B`,
    code: "return -0.5 * (1 + logvar - mu.pow(2) - logvar.exp())",
    says: ({ kl, recon, total }) =>
      words`${twoDecimals(recon)} + ${twoDecimals(kl)} = ${twoDecimals(total)} nats:
        minus the bound of (10). Training makes this number small.`,
    shows: ({ mu, sigma, klPerLatent }) => [
      latentTable({ μ: mu, σ: sigma, [words`KL, nats`]: klPerLatent }),
    ],
  },
  {
    title: words`Back to the picture`,
    ...{ parts: ["picture"], back: true },
    wires: ["reconstruction objective", "picture reconstruction"],
    equation: "∂/∂<i>a</i> = <i>x̂</i> − <i>x</i>",
    number: words`chain rule on (11)`,
    code: "loss.backward()",
    says: () =>
      words`The slope of the sum along each output of the decoder: the error itself.
        Where it is positive the picture is too light, and should become darker.`,
    shows: ({ slopes, shape }) => [
      signed(words`Slope of each pixel`, slopes.picture, shape),
    ],
  },
  {
    title: words`Back to z`,
    ...{ parts: ["decoder", "z"], wires: ["decoder picture", "z decoder"], back: true },
    equation:
      "∂/∂<i>z</i> = <i>W</i><sub>4</sub><sup>⊤</sup> [<i>W</i><sub>4</sub><i>z</i> " +
      "+ <i>b</i><sub>4</sub> > 0] ⊙ <i>W</i><sub>5</sub><sup>⊤</sup> (<i>x̂</i> − " +
      "<i>x</i>)",
    number: words`chain rule on (11)`,
    code: "loss.backward()",
    says: () =>
      words`Through the decoder, each matrix transposed: how the sum would change if z
        moved.`,
    shows: ({ z, slopes }) => [latentTable({ z, [words`slope along z`]: slopes.z })],
  },
  {
    title: words`Through the draw`,
    ...{ parts: ["posterior"], back: true },
    wires: ["posterior z", "posterior kl", "kl objective"],
    equation:
      "∂/∂<i>μ</i> = ∂/∂<i>z</i> + <i>μ</i>, ∂/∂log <i>σ</i>² = " +
      "½ (<i>σ</i> ⊙ <i>ε</i> ⊙ ∂/∂<i>z</i> + <i>σ</i>² − 1)",
    number: words`(4) and Appendix B`,
    code: "loss.backward()",
    says: () =>
      words`Two forces: the picture pulls through z, and the KL term pulls μ to 0 and σ
        to 1. Without (4) the first would be lost in the draw.`,
    shows: ({ mu, slopes }) => [
      latentTable({
        [words`through z`]: slopes.z,
        [words`from KL`]: mu,
        [words`slope along μ`]: slopes.mu,
        [words`along log σ²`]: slopes.logvar,
      }),
    ],
  },
  {
    title: words`Back to the weights`,
    ...{ parts: ["encoder"], wires: ["encoder posterior"], back: true },
    equation:
      "∂/∂<i>W</i><sub>1</sub> = <i>δ</i> <i>x</i><sup>⊤</sup>, " +
      words`<i>δ</i> the slope along <i>W</i><sub>1</sub><i>x</i> +
        <i>b</i><sub>1</sub>`,
    number: words`chain rule on (9)`,
    code: "loss.backward()",
    says: ({ slopes }) =>
      words`Hidden unit ${slopes.unit} has the largest slope,
        ${twoDecimals(slopes.delta)}. Its weights have that slope where the image is
        white, and none where it is black.`,
    shows: ({ slopes, shape }) => [
      signed(words`Slope of the weights of unit ${slopes.unit}`, slopes.weights, shape),
    ],
  },
  {
    title: words`Change all weights`,
    ...{ parts: ["encoder", "decoder"], wires: [] },
    equation:
      "<i>W</i> ← <i>W</i> − <i>α</i> <i>m</i> / (√<i>v</i> + 10<sup>−8</sup>), " +
      words`<i>m</i> and <i>v</i> means of the slopes and of their squares`,
    number: words`Adam, for Algorithm 1`,
    code: "state.optimizer.step()",
    says: ({ total, after }) =>
      words`All weights move against their slopes. For this image and the same noise
        the sum goes from ${twoDecimals(total)} to ${twoDecimals(after)} nats.`,
    shows: ({ slopes, change, shape }) => [
      signed(words`Change of the weights of unit ${slopes.unit}`, change, shape),
    ],
  },
];

/**
 * Return the cross-entropy of each pixel.
 * @param {Float32Array} x
 * @param {Float32Array} p
 */
function pixelNats(x, p) {
  return x.map(
    (value, i) => -value * Math.log(p[i]) - (1 - value) * Math.log(1 - p[i]),
  );
}

/** @param {string} label @param {Float32Array} pixels @param {number[]} shape */
function image(label, pixels, shape) {
  const canvas = pictureCanvas(label);
  Object.assign(canvas, { width: shape[2], height: shape[1] });
  paint(canvas, pixels, shape);
  return html("figure", {}, html("figcaption", {}, label), canvas);
}

/**
 * Draw numbers of both signs: orange above 0, blue below.
 * @param {string} label @param {Float32Array} values @param {number[]} shape
 */
function signed(label, values, [channels, height, width]) {
  const plane = product([height, width]);
  const most = values.reduce((a, b) => Math.max(a, Math.abs(b)), 1e-30);
  const colours = new Float32Array(3 * plane);
  for (let i = 0; i < plane; i++) {
    let value = 0;
    for (let c = 0; c < channels; c++) value += values[c * plane + i] / channels / most;
    const [r, g, b] = value > 0 ? [0.83, 0.37, 0] : [0, 0.45, 0.7];
    [r, g, b].forEach((ink, c) => {
      colours[c * plane + i] = 1 - Math.abs(value) * (1 - ink);
    });
  }
  const figure = image(label, colours, [3, height, width]);
  const range = words`blue below 0, orange above, at most
    ${Number(most.toPrecision(2))}`;
  figure.append(html("div", { className: "caption" }, range));
  return figure;
}

/**
 * Return a table with a row for each latent.
 * @param {Record<string, ArrayLike<number>>} columns
 */
function latentTable(columns) {
  const names = Object.keys(columns);
  const [first] = Object.values(columns);
  const head = html("tr", {}, html("th", {}, words`latent`));
  head.append(...names.map((name) => html("th", {}, name)));
  const rows = Array.from(first, (_, j) => {
    const cells = names.map((name) => html("td", {}, twoDecimals(columns[name][j])));
    return html("tr", {}, html("th", {}, `${j}`), ...cells);
  });
  return html("table", {}, head, ...rows);
}
