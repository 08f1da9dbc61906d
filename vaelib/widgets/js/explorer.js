/** LatentExplorer: image, encoder, posterior, z, decoder, image, from left to right; all of it computed here. */

import { button, latent, listener, menu, nextFrame, node } from "./parts/controls.js";
import { drawing } from "./parts/drawing.js";
import { latents } from "./parts/latents.js";
import { Network } from "./engine/network.js";
import { paint, picture } from "./parts/picture.js";
import { legend, plane } from "./parts/plane.js";
import { between, strip } from "./parts/strip.js";

/** @typedef {import("./parts/controls.js").Model} Model */

const FIXED = 1024; // means come as 16-bit numbers
const CHOICES = 20; // latents that can be an axis of the plane: those with the most KL

/** @param {{ model: Model, el: HTMLElement }} view */
export function explorer({ model, el }) {
  const hear = listener(model);
  let network = new Network(model.get("network"));
  let z = new Float32Array(network.latents);
  /** @type {{ mu: Float32Array, sigma: Float32Array } | null} */
  let q = null;
  let follows = true; // z is the posterior mean, also when the weights change
  let chosen = Infinity; // the latent that is traversed
  let [right, up] = [Infinity, Infinity];
  let anchors = [z, z];
  let own = { latent: false, axes: false, anchors: false }; // what a hand has chosen stays
  let test = model.get("test");

  const image = drawing(() => ((follows = true), say("your drawing"), encode()));
  const caption = node("output", { className: "caption" });
  const out = picture("Image decoded from z", "out");
  const rows = latents(moved, (j) => ((own.latent = true), choose(j), later()));
  const space = plane((x, y) => {
    moved(right, x);
    moved(up, y);
  });
  const walk = strip("", ["−3", "z", "+3"]);
  const walkTitle = node("h4");
  const path = strip("From anchor A to anchor B", ["A", "", "B"]);
  const t = node("input", {
    type: "range",
    min: 0,
    max: 1,
    step: 0.01,
    value: 0,
    "aria-label": "Place between A and B",
  });
  t.oninput = () => place(between(anchors[0], anchors[1], t.valueAsNumber));

  const number = node("input", {
    type: "number",
    min: 0,
    value: 0,
    oninput: () => testImage(number.valueAsNumber),
  });
  const testField = node(
    "label",
    { className: "field" },
    node("span", {}, "Test image"),
    number,
  );
  const start = node(
    "div",
    { className: "bar", role: "group", "aria-label": "Start from" },
    node("span", { className: "title" }, "Start from"),
    testField,
    button("Blank to draw on", () => {
      image.set(new Float32Array(network.pixels), network.shape);
      say("draw here");
      follows = true;
      encode();
    }),
    button("Prior mean", () =>
      leave(new Float32Array(network.latents), "none: z is the mean of the prior"),
    ),
    button("Random sample", () =>
      leave(Float32Array.from(z, gauss), "none: z was drawn from the prior"),
    ),
  );
  const axes = [
    menu("Right", [], (j) => ((right = Number(j)), (own.axes = true), spread())),
    menu("Up", [], (j) => ((up = Number(j)), (own.axes = true), spread())),
  ];
  const shown = {
    points: tick("Test images", true),
    manifold: tick("Decoded pictures", false),
  };
  const legendPlace = node("div");
  const planePart = node(
    "section",
    { className: "space" },
    node("h4", {}, "Plane of two latents"),
    node(
      "div",
      { className: "bar" },
      ...axes.map((a) => a.root),
      shown.points.root,
      shown.manifold.root,
    ),
    space.root,
    legendPlace,
  );
  const box = node(
    "div",
    { className: "vaelib explorer" },
    start,
    node(
      "div",
      { className: "flow" },
      node(
        "figure",
        { className: "x" },
        node("figcaption", {}, "Image x"),
        image.canvas,
        caption,
      ),
      node("div", { className: "cone encoder" }, node("span", {}, "encoder")),
      node(
        "section",
        { className: "middle" },
        node(
          "div",
          { className: "latent head" },
          node("span", {}, "Latent"),
          node("span", {}, "KL, nats"),
          node("span", {}, "q(z|x): μ ± σ"),
          node("span", {}, "z"),
          node("span"),
        ),
        rows.root,
        node(
          "div",
          { className: "bar" },
          button("z = μ", () => q && ((follows = true), place(q.mu, true))),
          button(
            "z from q",
            () => q && place(q.mu.map((m, j) => m + (q?.sigma[j] ?? 0) * gauss())),
          ),
        ),
      ),
      node("div", { className: "cone decoder" }, node("span", {}, "decoder")),
      node("figure", { className: "xhat" }, node("figcaption", {}, "Decoded x̂"), out),
    ),
    node(
      "div",
      { className: "below" },
      planePart,
      node(
        "div",
        { className: "strips" },
        node("section", {}, walkTitle, walk.root),
        node(
          "section",
          {},
          node("h4", {}, "From anchor A to anchor B"),
          path.root,
          t,
          node(
            "div",
            { className: "bar" },
            button("A is here", () => anchor(0)),
            button("B is here", () => anchor(1)),
          ),
        ),
      ),
    ),
  );
  el.append(box);

  /** A box to tick. @param {string} label @param {boolean} checked */
  function tick(label, checked) {
    const input = node("input", {
      type: "checkbox",
      checked,
      onchange: () => spread(),
    });
    return { input, root: node("label", { className: "tick" }, input, label) };
  }

  /** What the left image is. @param {string} text */
  function say(text) {
    caption.textContent = text;
  }

  /** One draw from N(0, 1). */
  function gauss() {
    return (
      Math.sqrt(-2 * Math.log(1 - Math.random())) *
      Math.cos(2 * Math.PI * Math.random())
    );
  }

  // z moves: the decoded image at once, all else with the next frame.

  /** A hand moves one latent. @param {number} j @param {number} value */
  function moved(j, value) {
    z[j] = value;
    follows = false;
    paint(out, network.decode(z), network.shape);
    rows.set(j, value);
    if (j !== chosen && !own.latent) choose(j);
    later();
    tell();
  }

  /** z goes to a place. @param {Float32Array} there @param {boolean} [following] */
  function place(there, following = false) {
    follows = following;
    z = there.slice();
    paint(out, network.decode(z), network.shape);
    z.forEach((value, j) => rows.set(j, value));
    later();
    tell();
  }

  const later = nextFrame(() => {
    const [a, b] = [z.slice(), z.slice()];
    a[chosen] -= 3;
    b[chosen] += 3;
    walk.draw(network, a, b);
    if (network.latents > 1) {
      space.point(z[right], z[up]);
      if (network.latents > 2) manifold();
    }
  });

  /** The latent that the strip traverses. @param {number} j */
  function choose(j) {
    chosen = j;
    rows.choose(j);
    walkTitle.textContent = `Traversal of ${latent(j)}, from 3 below z to 3 above`;
    walk.canvas.setAttribute("aria-label", walkTitle.textContent);
  }

  /** Python learns where z is when it rests; not where it goes with the weights that Python sends. A page learns it all. */
  let resting = 0;
  let updating = false;
  function tell() {
    if (updating && !model.alone) return;
    clearTimeout(resting);
    resting = window.setTimeout(() => {
      model.set("z", [...z]);
      model.save_changes();
    }, 200);
  }

  // The image

  /** The posterior of the image, and z at its mean if it follows. */
  function encode() {
    q = network.encode(image.pixels);
    showPosterior();
    if (follows) place(q.mu, true);
  }

  function showPosterior() {
    rows.posterior(q);
    if (network.latents > 1) space.posterior(q, right, up);
  }

  /** z without an image. @param {Float32Array} there @param {string} why */
  function leave(there, why) {
    image.set(new Float32Array(network.pixels), network.shape);
    say(why);
    q = null;
    showPosterior();
    place(there);
  }

  /** @param {number} i */
  function testImage(i) {
    const { images, labels, classes } = test;
    const bytes = new Uint8Array(images.buffer, images.byteOffset, images.byteLength);
    const n = bytes.length / network.pixels;
    const k = Math.min(n - 1, Math.max(0, Math.round(i) || 0));
    Object.assign(number, { max: n - 1, value: k });
    image.set(
      Float32Array.from(
        bytes.subarray(k * network.pixels, (k + 1) * network.pixels),
        (v) => v / 255,
      ),
      network.shape,
    );
    const label = labels.byteLength ? classes[labels.getUint8(k)] : "";
    say(`test image ${k}${label && `: ${label}`}; draw on it`);
    follows = true;
    encode();
  }

  // Anchors

  /** @param {number} which */
  function anchor(which) {
    own.anchors = true;
    anchors[which] = z.slice();
    t.valueAsNumber = which;
    path.draw(network, anchors[0], anchors[1]);
  }

  /** The first two test images, or two draws from the prior. */
  function firstAnchors() {
    const mu = means();
    const at = (/** @type {number} */ i) =>
      mu.length
        ? mu.slice(i * z.length, (i + 1) * z.length)
        : Float32Array.from(z, gauss);
    anchors = [at(0), at(1)];
    path.draw(network, anchors[0], anchors[1]);
  }

  // The plane

  /** Posterior means of test images, (N, J). */
  function means() {
    const { mu } = model.get("codes");
    if (!mu) return new Float32Array();
    return Float32Array.from(
      { length: mu.byteLength / 2 },
      (_, i) => mu.getInt16(2 * i, true) / FIXED,
    );
  }

  function manifold() {
    space.manifold(shown.manifold.input.checked ? network : null, z, right, up);
  }

  /** Draws the plane anew: its axes, weights or points are other ones. */
  function spread() {
    if (network.latents < 2) return;
    const { labels, classes } = test;
    const mu = shown.points.input.checked ? means() : new Float32Array();
    space.axes(right, up);
    space.points(
      mu,
      network.latents,
      new Uint8Array(labels?.buffer ?? 0, labels?.byteOffset, labels?.byteLength),
      classes ?? [],
      right,
      up,
    );
    space.posterior(q, right, up);
    space.point(z[right], z[up]);
    manifold();
  }

  // What Python sends

  /** Latents in order of their KL; in their own order where nothing is known of it. */
  function order() {
    const { kl } = model.get("codes");
    const all = Array.from(z, (_, j) => j);
    return kl ? all.sort((a, b) => kl[b] - kl[a]) : all;
  }

  /** Traverses the latent with the most KL, and shows the plane of the first two, unless a hand has chosen others. */
  function pick() {
    const first = order();
    const { kl } = model.get("codes");
    const faint = (/** @type {number} */ j) => kl && kl[j] < kl[first[0]] / 2; // others must be much stronger: no flicker
    if (!own.latent && (chosen >= network.latents || faint(chosen))) choose(first[0]);
    const offered = first.slice(0, CHOICES);
    if (network.latents === 2) [right, up] = [0, 1];
    else if (!own.axes && [right, up].some((j) => j >= network.latents || faint(j)))
      [right, up] = first;
    for (const [axis, { root, select }] of axes.entries()) {
      const j = [right, up][axis];
      root.hidden = network.latents === 2;
      const all = offered.includes(j) ? offered : [...offered, j];
      if (document.activeElement !== select)
        select.replaceChildren(
          ...all.map((j) => node("option", { value: String(j) }, latent(j))),
        );
      select.value = String(j);
    }
  }

  /** Another number of latents, another picture, other data: everything begins anew. */
  function begin() {
    test = model.get("test");
    own = { latent: false, axes: false, anchors: false };
    z = new Float32Array(network.latents);
    Object.assign(out, { width: network.shape[2], height: network.shape[1] });
    rows.resize(network.latents);
    planePart.hidden = network.latents < 2;
    pick();
    const { images, classes } = test;
    testField.hidden = !images;
    shown.points.root.hidden = !images;
    legendPlace.replaceChildren(
      ...(classes?.some((/** @type {string} */ c) => [...c].length > 1)
        ? [legend(classes)]
        : []),
    );
    if (images) testImage(number.valueAsNumber);
    else leave(new Float32Array(network.latents), "none: z is the mean of the prior");
    firstAnchors();
  }

  /** Other weights for the same place, or another model. */
  function update() {
    updating = true;
    const before = network;
    network = new Network(model.get("network"));
    const another =
      network.latents !== before.latents ||
      String(network.shape) !== String(before.shape);
    if (another || model.get("test") !== test) begin();
    else if (q) encode();
    if (!follows || !q) place(z, follows);
    if (own.anchors) path.draw(network, anchors[0], anchors[1]);
    else firstAnchors();
    pick();
    sort();
    spread();
    updating = false;
  }

  function sort() {
    const { kl, active } = model.get("codes");
    if (kl) rows.sort(kl, active);
  }

  const soon = nextFrame(update); // both may come in one message
  hear.on("change:network", soon);
  hear.on("change:test", soon);
  hear.on("change:z", () => {
    const there = Float32Array.from(model.get("z"));
    if (
      there.length === z.length &&
      there.some((value, j) => Math.abs(value - z[j]) > 1e-6)
    )
      place(there);
  });
  const rested = model.get("z"); // where it was saved, or put by Python
  begin();
  if (rested.length === z.length) place(Float32Array.from(rested));
  sort();
  spread();
  return hear.stop;
}

export default { render: explorer };
