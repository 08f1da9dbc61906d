/**
 * LatentExplorer: image, encoder, posterior, z, decoder, image, from left to right.
 * Everything is computed in the browser.
 */

import { bytesOf, imagesOf, unitPixels } from "./engine/bytes.js";
import { Network } from "./engine/network.js";
import { clamp, descending, gaussian, priorSample } from "./engine/numbers.js";
import { button, html } from "./parts/controls.js";
import { drawingCanvas } from "./parts/drawing.js";
import { debounce, oncePerFrame, subscriptions } from "./parts/events.js";
import { explorerLayout } from "./parts/explorer_layout.js";
import { latentRows } from "./parts/latents.js";
import { showInBook } from "./parts/model_picture.js";
import { pictureTwice } from "./parts/picture.js";
import { planePanel } from "./parts/plane_panel.js";
import { saveButton } from "./parts/save.js";
import { startBar } from "./parts/start_bar.js";
import { anchorStrip, firstAnchors, traversalStrip } from "./parts/strips.js";
import { explorerTour } from "./parts/tours.js";
import { testImageName, words } from "./parts/words.js";

/** @typedef {import("./parts/events.js").Model} Model */
/** @typedef {import("./engine/network.js").Posterior} Posterior */

const REST = 200; // milliseconds without a move until Python receives z
const [LATENTS, COMPACT_LATENTS] = [6, 5]; // latents that are not folded
const PRIOR_MEAN = words`none: z is the mean of the prior`;
const PRIOR_SAMPLE = words`none: z was drawn from the prior`;
const MEAN_ANCHORS = words`At first, A and B are the means of test images 0 and 1.`;
const PRIOR_ANCHORS = words`At first, A and B are two draws from the prior.`;

/** @param {{ model: Model, el: HTMLElement, isCompact?: boolean }} view */
export function explorer({ model, el, isCompact = false }) {
  let network = new Network(model.get("network"));
  let test = model.get("test");
  let z = new Float32Array(network.latents);
  let pixels = z; // decoded from z
  /** @type {Posterior | null} */
  let posterior = null; // null if there is no image
  let followsMean = true; // z is the posterior mean, also after a change of weights
  let traversed = Infinity; // the latent that the strip traverses
  let isUserChoice = false; // of the traversed latent

  let testImage = -1; // the one on the left; -1 for a drawing or no image

  const image = drawingCanvas(() => showDrawing(image.pixels));
  const caption = html("output", { className: "caption" });
  const decoded = pictureTwice(words`Image decoded from z`, "out");
  const rows = latentRows(isCompact ? COMPACT_LATENTS : LATENTS, moveLatent, (j) => {
    isUserChoice = true;
    traverse(j);
    drawLater();
  });
  const plane = planePanel(moveLatent, pickTestImage, () => {
    return { network, z, posterior, test, codes: model.get("codes") };
  });
  const traversal = traversalStrip((change) =>
    moveLatent(traversed, z[traversed] + change),
  );
  const anchors = anchorStrip(
    (point) => moveTo(point),
    (which) => anchors.setAnchor(which, z, network),
  );
  const start = startBar({
    onTestImage: showTestImage,
    onBlank: () => {
      setImage(new Float32Array(network.pixels), words`draw here`);
      encode(true);
    },
    onPriorMean: () => leaveImage(new Float32Array(network.latents), PRIOR_MEAN),
    onPriorSample: () => leaveImage(priorSample(network.latents), PRIOR_SAMPLE),
  });
  if (!isCompact)
    start.root.append(explorerTour(() => ({ testImage, z: z.slice(), posterior })));
  const zButtons = [
    button("z = μ", () => posterior && moveTo(posterior.mu, true), {
      title: words`Move z to the mean of q(z|x)`,
    }),
    button(words`Sample z from q(z|x)`, sample, {
      title: words`Draw new noise ε: z = μ + σ ε`,
    }),
  ];
  const layout = explorerLayout({
    start: start.root,
    image: image.canvas,
    caption,
    rows: rows.root,
    buttons: [...zButtons, saveButton("explorer")],
    decoded: decoded.canvases,
    plane: plane.root,
    strips: [traversal.root, anchors.root],
    isCompact,
  });
  el.append(layout);

  // z moves: the decoded image changes at once, everything else in the next frame.

  /** Move one latent by hand. @param {number} j @param {number} value */
  function moveLatent(j, value) {
    z[j] = value;
    followsMean = false;
    decode();
    rows.set(j, value);
    if (j !== traversed && !isUserChoice) traverse(j);
    drawLater();
    sendLater();
  }

  /** Move z to a point. @param {Float32Array} point @param {boolean} [isMean] */
  function moveTo(point, isMean = false) {
    followsMean = isMean;
    z = point.slice();
    decode();
    z.forEach((value, j) => rows.set(j, value));
    drawLater();
    sendLater();
  }

  function sample() {
    if (!posterior) return;
    const { mu, sigma } = posterior;
    moveTo(mu.map((mean, j) => mean + sigma[j] * gaussian()));
  }

  function decode() {
    pixels = network.decode(z);
    decoded.show(pixels, network.shape);
  }

  const drawLater = oncePerFrame(() => {
    traversal.draw(network, z, traversed);
    plane.drawMove();
    const x = posterior && image.pixels;
    const numbers = { x, decoded: pixels, shape: network.shape, posterior, z };
    showInBook(numbers, model.get("codes").kl);
  });

  /** Choose the latent that the strip traverses. @param {number} j */
  function traverse(j) {
    traversed = j;
    rows.choose(j);
    traversal.setLatent(j);
  }

  // When z has come to rest, Python receives it, and the image if z is its mean.
  // Other views show the same, and go on following that image.
  const sendLater = debounce(REST, () => {
    const drawing = Array.from(image.pixels, (value) => Math.round(255 * value));
    const followed = testImage >= 0 ? { image: testImage } : { drawing };
    const isFollowed = followsMean && posterior;
    model.set("followed", isFollowed ? { ...followed, mean: [...z] } : {});
    model.set("z", [...z]);
    model.save_changes();
  });

  // The image

  /** Set the image on the left. @param {Float32Array} pixels @param {string} text */
  function setImage(pixels, text) {
    testImage = -1;
    image.set(pixels, network.shape);
    caption.textContent = text;
  }

  /** Set a drawing as the image. @param {Float32Array} pixels */
  function showDrawing(pixels) {
    setImage(pixels, words`your drawing`);
    encode(true);
  }

  /** Encode the image, and move z to its mean on request. @param {boolean} follows */
  function encode(follows) {
    posterior = network.encode(image.pixels);
    showPosterior();
    if (follows) moveTo(posterior.mu, true);
  }

  function showPosterior() {
    for (const each of zButtons) each.disabled = !posterior;
    rows.showPosterior(posterior);
    plane.drawPosterior();
  }

  /** Clear the image and move z. @param {Float32Array} point @param {string} text */
  function leaveImage(point, text) {
    setImage(new Float32Array(network.pixels), text);
    posterior = null;
    showPosterior();
    moveTo(point);
  }

  // How many test images the page contains
  const imageCount = () => test.images.byteLength / network.pixels;

  /**
   * Show a test image or, if the page does not contain it, go to its mean.
   * @param {number} i
   * @param {Float32Array} mean
   */
  function pickTestImage(i, mean) {
    if (i < imageCount()) showTestImage(i);
    else leaveImage(mean, words`none: z is the mean of test image ${i}`);
  }

  /** @param {number} index */
  function showTestImage(index) {
    const { images } = test;
    const count = imageCount();
    const i = clamp(Math.round(index) || 0, 0, count - 1);
    start.setIndex(i, count);
    const [pixels] = imagesOf(bytesOf(images), i, 1, network.pixels);
    setImage(unitPixels(pixels), words`${testImageName(test, i)}; draw on it`);
    testImage = i;
    encode(true);
  }

  // Changes that Python sends

  /**
   * Choose by KL what to traverse and the axes of the plane, unless the user has chosen
   * them. Only a latent with less than half of the largest KL is replaced: no flicker.
   */
  function chooseLatents() {
    const { kl } = model.get("codes");
    const order = kl ? descending(kl) : Array.from(z, (_, j) => j);
    const isReplaceable = (/** @type {number} */ j) =>
      j >= network.latents || (kl && kl[j] < kl[order[0]] / 2);
    if (!isUserChoice && isReplaceable(traversed)) traverse(order[0]);
    plane.offerAxes(order, isReplaceable);
  }

  /** Start again with another shape, another number of latents or other data. */
  function restart() {
    test = model.get("test");
    isUserChoice = false;
    z = new Float32Array(network.latents);
    rows.resize(network.latents);
    anchors.reset(model.get("codes").mu ? MEAN_ANCHORS : PRIOR_ANCHORS);
    plane.reset();
    chooseLatents();
    start.showTestImages(Boolean(test.images));
    if (test.images) showTestImage(start.index);
    else leaveImage(new Float32Array(network.latents), PRIOR_MEAN);
    anchors.draw(network, firstAnchors(model.get("codes"), network.latents));
  }

  /** Apply new weights, to the same model or to another one. */
  function update() {
    const before = network;
    network = new Network(model.get("network"));
    const isOther =
      network.latents !== before.latents ||
      String(network.shape) !== String(before.shape);
    if (isOther || model.get("test") !== test) restart();
    else if (posterior) encode(followsMean);
    if (!followsMean || !posterior) moveTo(z, followsMean);
    anchors.draw(network, firstAnchors(model.get("codes"), network.latents));
    chooseLatents();
    sortRows();
    plane.drawAll();
  }

  function sortRows() {
    const { kl, active } = model.get("codes");
    if (kl) rows.sort(kl, active);
  }

  /** Go to the z of Python, or of another view, and follow the image it follows. */
  function showZ() {
    const point = Float32Array.from(model.get("z"));
    const { image, drawing, mean } = model.get("followed") ?? {};
    const isFollowed = String(mean) === String(model.get("z"));
    if (isFollowed && followsMean && isNear(point)) return;
    if (isFollowed && drawing?.length === network.pixels)
      showDrawing(unitPixels(Uint8Array.from(drawing)));
    else if (isFollowed && test.images && image >= 0) showTestImage(image);
    else if (!point.length && posterior) moveTo(posterior.mu, true);
    else if (point.length === z.length && !isNear(point)) moveTo(point);
  }

  /** Return whether a point is where z is. @param {Float32Array} point */
  function isNear(point) {
    return point.every((value, j) => Math.abs(value - z[j]) <= 1e-6);
  }

  const events = subscriptions(model);
  const updateLater = oncePerFrame(update); // both may arrive in one message
  events.on("change:network", updateLater);
  events.on("change:test", updateLater);
  events.on("change:z", showZ);

  restart();
  showZ();
  sortRows();
  plane.drawAll();
  return events.stop;
}

export default { render: explorer };
