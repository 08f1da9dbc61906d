/** What a page shows of one trained model: its terms, curves, images and KL. */

import { bytesOf, floatsOf, imagesOf, unitPixels } from "./engine/bytes.js";
import { Network } from "./engine/network.js";
import { descending, latentName, objective, twoDecimals } from "./engine/numbers.js";
import { decodeTraversal } from "./engine/pictures.js";
import { klBars } from "./parts/bars.js";
import { div, html } from "./parts/controls.js";
import { paintSheet, titledSheet } from "./parts/picture.js";
import { termLines, termsChart, testPoints } from "./parts/terms.js";

/** @typedef {import("./parts/events.js").Model} Model */
/** @typedef {import("./catalogue.js").Entry} Entry */

const COLUMNS = 8; // test images, and samples in a row
const SAMPLE_ROWS = 2;
const LATENT_ROWS = 5; // latents that are traversed: those with the most KL
const [TRAVERSAL_REACH, TRAVERSAL_IMAGES] = [3, 7]; // from -3 to +3 in steps of 1
const BARS_HEIGHT = 250; // pixels
const CURVE_NOTE = "Lines: means over training; points: test images.";
const DENSITY_NOTE =
  " A density may exceed 1: its nats are not to be ranked with a cross-entropy's.";

/**
 * @typedef {object} Axes The same for all models with the same loss.
 * @property {number[]} nats the lowest and the highest value of the curves
 * @property {number} kl the largest of a latent
 */

/** @param {Model} model of the page */
export function modelView(model) {
  const { images: testImages } = model.get("test");
  /** Draws from the prior, for all models. @type {DataView} */
  const noise = model.get("noise");
  /** @type {Entry[]} */
  const entries = model.get("models");
  const widest = Math.max(...entries.map(({ latents }) => latents));
  /** @type {Axes} */
  let axes = { nats: [0, 1], kl: 1 };

  const summary = html("output", { className: "figures" });
  const terms = termsChart(() => axes.nats);
  const bars = klBars(BARS_HEIGHT);
  const captions = [0, 1, 2].map(() => div("caption"));
  const reconstructions = titledSheet(
    "Test images and their reconstructions",
    captions[0],
  );
  const samples = titledSheet("Samples", captions[1]);
  const traversals = titledSheet("Traversals about the first image", captions[2]);
  const pictures = [reconstructions, samples, traversals].map((sheet) => sheet.root);
  const roots = [summary, ...pictures, bars.root, terms.root];

  /** @param {any} state */
  function showSummary({ log, term, codes }) {
    const recon = log.recon[log.recon.length - 1];
    const kl = log.kl[log.kl.length - 1];
    const active = codes.active.filter(Boolean).length;
    summary.replaceChildren(
      "Test images: ",
      boldNats(recon),
      ` reconstruction (${term}) + `,
      boldNats(kl),
      " KL = ",
      boldNats(recon + kl),
      " nats per image; ",
      html("b", {}, String(active)),
      ` of ${codes.active.length} latents active`,
    );
  }

  /** @param {any} state */
  function showCurves({ log, term }) {
    const x = log.epoch.map((/** @type {number} */ epoch) => epoch + 1);
    const [recon, kl] = [log.train_recon, log.train_kl];
    const curve = { x, recon, kl, total: objective(recon, kl, log.beta) };
    const points = testPoints(x, log.recon, log.kl);
    terms.draw([...termLines(curve, term), ...points], x.length);
    const note = term.includes("Gaussian") ? DENSITY_NOTE : "";
    terms.caption.textContent = CURVE_NOTE + note;
  }

  /** @param {any} state */
  function showPictures({ network: packed, codes, rounding }) {
    const network = new Network(packed);
    const { shape, pixels, latents } = network;
    const images = imagesOf(bytesOf(testImages), 0, COLUMNS, pixels).map(unitPixels);
    const means = images.map((x) => network.encode(x).mu);
    const decoded = means.map((mu) => network.decode(mu));
    paintSheet(reconstructions.canvas, [...images, ...decoded], COLUMNS, shape);
    const [mean, largest] = [rounding.mean, rounding.largest].map((error) =>
      Number(error.toPrecision(1)),
    );
    const errors = `mean pixel error ${mean}, largest ${largest}, where white is 1.`;
    captions[0].textContent = `Weights rounded to ${rounding.bits} bits: ${errors}`;

    const values = floatsOf(noise);
    const draws = Array.from({ length: SAMPLE_ROWS * COLUMNS }, (_, i) =>
      network.decode(values.slice(i * widest, i * widest + latents)),
    );
    paintSheet(samples.canvas, draws, COLUMNS, shape);
    captions[1].textContent =
      "Decoded from draws of the prior, the same for every model.";

    const rows = descending(codes.kl).slice(0, LATENT_ROWS);
    const moved = rows.flatMap((j) =>
      decodeTraversal(network, means[0], j, TRAVERSAL_REACH, TRAVERSAL_IMAGES),
    );
    paintSheet(traversals.canvas, moved, TRAVERSAL_IMAGES, shape);
    const names = rows.map(latentName).join(", ");
    const span = `from −${TRAVERSAL_REACH} to +${TRAVERSAL_REACH}`;
    captions[2].textContent = `Rows: ${names}, the latents with the most KL; ${span}`;
  }

  return {
    roots,
    /**
     * Show a model.
     * @param {any} state what `packed` of book/zoo.py has written
     * @param {Axes} newAxes
     */
    show(state, newAxes) {
      axes = newAxes;
      showSummary(state);
      showCurves(state);
      showPictures(state);
      bars.draw(state.codes.kl, axes.kl);
    },
  };
}

/** @param {number} nats */
function boldNats(nats) {
  return html("b", {}, twoDecimals(nats));
}
