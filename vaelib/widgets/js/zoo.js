/** Many models: beta, loss and latent size choose one of those that the book has trained; all that is seen is computed here. */

import { bars } from "./parts/bars.js";
import { latent, node } from "./parts/controls.js";
import { chart } from "./parts/curve.js";
import { explorer } from "./explorer.js";
import { Network } from "./engine/network.js";
import { picture, sheet } from "./parts/picture.js";
import { load, pageModel } from "./state.js";

/** @typedef {import("./parts/controls.js").Model} Model */
/** @typedef {{ beta: number, loss: string, latents: number, file: string }} Entry */

const SHOWN = 10; // test images
const ACROSS = 10; // samples in a row
const WALKED = 5; // latents that are traversed, those with the most KL
const FAR = 3; // they go from -3 to +3 in steps of 0.6
const STRIDES = 11;
const LATE = 100; // milliseconds that a model may take to load before the reader is told
const REST = 200; // milliseconds until the address follows: browsers refuse a flood

const FIELDS = /** @type {const} */ ({ beta: "β", loss: "Loss", latents: "Latents" });
const NAMES = /** @type {(keyof typeof FIELDS)[]} */ (Object.keys(FIELDS));
let zoos = 0; // on this page: radio buttons of one name are one group

/** @param {{ model: Model, el: HTMLElement }} view */
export async function zoo({ model, el }) {
  /** @type {Entry[]} */
  const entries = model.get("models");
  const linked = fromAddress(entries, entries[model.get("first")]);
  let shown = linked.entry;
  let wanted = shown;
  let z = linked.z; // where a hand has put it
  let held = z.length > 0; // or else it is where the explorer begins
  const mine = zoos++;

  const groups = NAMES.map((field) => {
    const values = valuesOf(field);
    const radios = values.map((value, i) => {
      const input = node("input", {
        type: "radio",
        name: `zoo-${mine}-${field}`,
        value,
        onchange: () => choose(beside(field, value)),
        // the arrow keys go from here to the next, and round
        onfocus: () =>
          [i + 1, i - 1].forEach((j) =>
            prepare(beside(field, values.at(j % values.length) ?? value)),
          ),
      });
      const root = node(
        "label",
        { onpointerenter: () => prepare(beside(field, value)) },
        input,
        node("span", {}, String(value)),
      );
      return { value, input, root };
    });
    const root = node(
      "div",
      { className: "choice", role: "radiogroup", "aria-label": FIELDS[field] },
      node("span", { className: "title", "aria-hidden": "true" }, FIELDS[field]),
      node("div", {}, ...radios.map((radio) => radio.root)),
    );
    return { field, radios, root };
  });
  const status = node("output", { className: "status" });
  const figures = node("output", { className: "figures" });
  const terms = chart("The terms of the objective", "epochs", "nats per image", 250);
  const about = node("div", { className: "caption" });
  terms.root.append(about);
  const kl = bars(250);
  const [images, samples, walks] = [
    "Test images and their reconstructions",
    "Samples",
    "Traversals about the first image",
  ].map((title) => {
    const [canvas, caption] = [
      picture(title, "sheet"),
      node("div", { className: "caption" }),
    ];
    return {
      canvas,
      caption,
      root: node("section", {}, node("h4", {}, title), canvas, caption),
    };
  });
  const below = node("div");
  el.append(
    node(
      "div",
      { className: "vaelib zoo" },
      node("div", { className: "choices" }, ...groups.map((group) => group.root)),
      status,
      figures,
      node("div", { className: "charts" }, terms.root, kl.root),
      node("div", { className: "sheets" }, images.root, samples.root, walks.root),
      node("h4", { className: "next" }, "Inside this model: move its latents"),
    ),
    below,
  );

  // What is chosen

  /** @param {keyof typeof FIELDS} field */
  function valuesOf(field) {
    return [...new Set(entries.map((entry) => entry[field]))];
  }

  /** The model that differs from the wanted one in one setting. @param {keyof typeof FIELDS} field @param {string | number} value */
  function beside(field, value) {
    return (
      entries.find((entry) =>
        NAMES.every((name) => entry[name] === (name === field ? value : wanted[name])),
      ) ?? wanted
    );
  }

  /** Loads what may be wanted next; what fails will be said when it is. @param {Entry} entry */
  function prepare(entry) {
    load(entry.file).catch(() => {});
  }

  /** Shows a model as soon as it is there; until then, and where it cannot be had, the old one stays. @param {Entry} entry */
  async function choose(entry) {
    wanted = entry;
    const late = setTimeout(() => say(`Loading ${title(entry)} …`), LATE);
    const state = await load(entry.file).catch(() => null);
    clearTimeout(late);
    if (entry !== wanted) return;
    if (state) {
      say("");
      show(entry, state);
      keep();
    } else {
      wanted = shown;
      check();
      say(
        `${title(entry)} could not be loaded: what you see is still ${title(shown)}. Choose it again to try once more.`,
        true,
      );
    }
  }

  /** @param {string} text @param {boolean} [wrong] */
  function say(text, wrong = false) {
    status.textContent = text;
    status.classList.toggle("error", wrong);
  }

  function check() {
    for (const { field, radios } of groups)
      for (const { value, input } of radios) input.checked = value === wanted[field];
  }

  // What is seen of a model

  /** @param {Entry} entry @param {any} state */
  function show(entry, state) {
    if (entry.latents !== shown.latents) [z, held] = [[], false];
    shown = entry;
    check();
    showFigures(entry, state);
    showCurves(state);
    showPictures(state);
    kl.draw(state.codes.kl);
    for (const name of ["network", "codes"]) inner.set(name, state[name]);
  }

  /** @param {Entry} entry @param {any} state */
  function showFigures({ latents }, { log, term, codes, rounding }) {
    const [recon, rate] = [log.recon, log.kl].map(
      (values) => values[values.length - 1],
    );
    const bold = (/** @type {number} */ nats) =>
      node("b", {}, nats.toFixed(2).replace("-", "−"));
    figures.replaceChildren(
      "Test images: ",
      ...[
        bold(recon),
        ` reconstruction (${term}) + `,
        bold(rate),
        " KL = ",
        bold(recon + rate),
        " nats per image; ",
      ],
      ...[
        node("b", {}, String(codes.active.filter(Boolean).length)),
        ` of ${latents} latents active`,
      ],
    );
    const error = [rounding.mean, rounding.largest].map((value) =>
      Number(value.toPrecision(1)),
    );
    images.caption.textContent = `Weights rounded to ${rounding.bits} bits: mean pixel error ${error[0]}, largest ${error[1]}, where white is 1.`;
  }

  /** @param {any} state */
  function showCurves({ log, term }) {
    const x = log.epoch.map((/** @type {number} */ epoch) => epoch + 1);
    const total = log.train_recon.map(
      (/** @type {number} */ r, /** @type {number} */ i) =>
        r + log.beta[i] * log.train_kl[i],
    );
    const dots = (/** @type {string} */ colour, /** @type {number[]} */ y) => ({
      name: "",
      colour,
      x,
      y,
      dots: true,
    });
    terms.draw(
      [
        { name: "total = recon + β KL", colour: "blue", x, y: total },
        { name: `recon: ${term}`, colour: "orange", x, y: log.train_recon },
        { name: "KL", colour: "green", x, y: log.train_kl },
        dots("orange", log.recon),
        dots("green", log.kl),
      ],
      x.length,
    );
    const density = term.includes("Gaussian")
      ? " A density may exceed 1: its nats are not to be ranked with a cross-entropy's."
      : "";
    about.textContent = `Lines: means over training; points: test images.${density}`;
  }

  /** @param {any} state */
  function showPictures({ network: packed, codes }) {
    const network = new Network(packed);
    const { shape, pixels, latents } = network;
    const originals = Array.from({ length: SHOWN }, (_, i) =>
      Float32Array.from(
        bytesOf(model.get("test").images).subarray(i * pixels, (i + 1) * pixels),
        (v) => v / 255,
      ),
    );
    const means = originals.map((x) => network.encode(x).mu);
    sheet(
      images.canvas,
      [...originals, ...means.map((mu) => network.decode(mu))],
      SHOWN,
      shape,
    );

    const noise = model.get("noise");
    const draws = Array.from({ length: noise.byteLength / (4 * widest) }, (_, i) =>
      Float32Array.from({ length: latents }, (_, j) =>
        noise.getFloat32(4 * (i * widest + j), true),
      ),
    );
    sheet(
      samples.canvas,
      draws.map((draw) => network.decode(draw)),
      ACROSS,
      shape,
    );

    const first = codes.kl.map((/** @type {number} */ _, /** @type {number} */ j) => j);
    first.sort(
      (/** @type {number} */ a, /** @type {number} */ b) => codes.kl[b] - codes.kl[a],
    );
    const rows = first.slice(0, WALKED);
    const steps = rows.flatMap((/** @type {number} */ j) =>
      Array.from({ length: STRIDES }, (_, i) => {
        const there = means[0].slice();
        there[j] = FAR * ((2 * i) / (STRIDES - 1) - 1);
        return network.decode(there);
      }),
    );
    samples.caption.textContent =
      "Decoded from draws of the prior, the same for every model.";
    sheet(walks.canvas, steps, STRIDES, shape);
    walks.caption.textContent = `Rows: ${rows.map(latent).join(", ")}, the latents with the most KL; from −${FAR} to +${FAR}`;
  }

  // The address: a link to it shows the same again

  let resting = 0;
  function keep() {
    clearTimeout(resting);
    resting = window.setTimeout(() => {
      const there = new URL(location.href);
      for (const name of NAMES) there.searchParams.set(name, String(shown[name]));
      if (z.length) there.searchParams.set("z", z.map(shortest).join(","));
      else there.searchParams.delete("z");
      try {
        history.replaceState(history.state, "", there.href.replaceAll("%2C", ","));
      } catch {
        // some browsers refuse that to pages on a disk: all else works
      }
    }, REST);
  }

  const widest = Math.max(...entries.map((entry) => entry.latents));
  const { network, codes } = await load(shown.file);
  const inner = pageModel({ network, codes, test: model.get("test"), z });
  inner.on("change:z", () => {
    if (!held) return;
    z = inner.get("z");
    keep();
  });
  for (const event of ["input", "click", "pointerdown", "keydown"])
    below.addEventListener(event, () => (held = true), true);
  explorer({ model: inner, el: below });
  show(shown, await load(shown.file));
}

/** A model in words. @param {Entry} entry */
function title({ beta, loss, latents }) {
  return `β = ${beta}, ${loss}, ${latents} latents`;
}

/** @param {DataView} view */
function bytesOf(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/**
 * The model and the point that the address asks for; `first` where it does not, or asks for nonsense.
 * @param {Entry[]} entries
 * @param {Entry} first
 */
function fromAddress(entries, first) {
  const asked = new URLSearchParams(location.search);
  const wanted = NAMES.map(
    (name) =>
      entries.find((entry) => String(entry[name]) === asked.get(name))?.[name] ??
      first[name],
  );
  const entry =
    entries.find((entry) => NAMES.every((name, i) => entry[name] === wanted[i])) ??
    first;
  const z = (asked.get("z") ?? "")
    .split(",")
    .map((text) => (text ? Number(text) : NaN));
  return {
    entry,
    z: z.length === entry.latents && z.every((value) => Math.abs(value) < 100) ? z : [],
  };
}

/** The shortest decimal that is read as the same 32-bit number. @param {number} value */
function shortest(value) {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return String(Number(value.toPrecision(9)));
}
