/** SlowMotion: one update of Algorithm 1, in stages that wait for the reader. */

import { classOf, product, twoDecimals } from "./engine/numbers.js";
import { unzipped } from "./engine/unzip.js";
import { button, div, html } from "./parts/controls.js";
import { showValues } from "./parts/model_picture.js";
import { STAGES } from "./parts/slow_stages.js";
import { words } from "./parts/words.js";

/** @typedef {import("./parts/events.js").Model} Model */
/** @typedef {typeof import("./engine/slow_update.js").SlowUpdate} SlowUpdateClass */

const MANY = 100; // updates at once
// The stages at which derivatives are computed, and weights changed
const [BACK, LAST] = [STAGES.findIndex(({ back }) => back), STAGES.length - 1];

/** Write the words of a picture in the language of the page. @param {Element} svg */
function translatePicture(svg) {
  /** @type {Record<string, string>} */
  const names = {
    ...{ image: words`image`, encoder: words`encoder`, decoder: words`decoder` },
    ...{ picture: words`picture`, reconstruction: words`reconstruction` },
    "mean, deviation": words`mean, deviation`,
  };
  for (const place of svg.querySelectorAll(".word, .term")) {
    const text = place.textContent ?? "";
    const english = text.trim();
    const name = names[english] ?? english;
    if (name !== english) place.textContent = text.replace(english, name);
  }
}

/** @param {{ model: Model, el: HTMLElement, SlowUpdate: SlowUpdateClass }} view */
export async function slowMotion({ model, el, SlowUpdate }) {
  const { train: zipped, ...about } = model.get("images");
  const train = await unzipped([zipped]);
  const pixels = product(about.shape);
  const data = { train, test: new Uint8Array(), pixels };
  const slow = new SlowUpdate(model.get("settings"), data);
  /** @type {any} */
  let known;
  let stage = 0;

  const picture = div("model-picture");
  picture.innerHTML = model.get("svg");
  const svg = /** @type {SVGElement} */ (picture.querySelector("svg"));
  translatePicture(svg);
  const place = html("output", { className: "caption" });
  const title = div("title");
  const equation = div("equation");
  const number = div("caption");
  const code = html("code");
  const says = html("p");
  const shown = div("shown");
  const back = button(words`Back`, () => show(stage - 1));
  const next = button(words`Next`, goOn, { className: "main" });
  const many = button(words`${MANY} updates`, () => {
    compute(LAST); // the rest of the update that is shown
    slow.train(MANY - 1);
    begin();
  });
  el.className = "vaelib slow";
  const bar = div("bar", back, next, many, place);
  const formula = div("formula", equation, number);
  const told = html("div", { role: "status" }, title, says, formula, code);
  el.append(picture, bar, div("stage", told, shown));

  /** Compute what the stages up to `to` need. @param {number} to */
  function compute(to) {
    if (to >= BACK && !known.slopes) known.slopes = slow.backward(known.beta);
    if (to >= LAST && known.after === undefined)
      Object.assign(known, slow.step(known.slopes.unit, known.beta));
  }

  function begin() {
    known = { ...slow.forward(), shape: about.shape };
    known.total = known.recon + known.beta * known.kl;
    const digit = classOf(about, known.row);
    known.name = words`training image ${known.row}` + (digit && `: ${digit}`);
    show(0);
  }

  function goOn() {
    if (stage < LAST) return show(stage + 1);
    begin();
  }

  /** @param {number} to */
  function show(to) {
    compute(to);
    stage = to;
    const now = STAGES[stage];
    title.textContent = now.title;
    equation.innerHTML = now.equation;
    number.textContent = now.number;
    code.textContent = now.code;
    says.textContent = now.says(known);
    shown.replaceChildren(...now.shows(known));
    back.disabled = stage === 0;
    next.textContent = stage === LAST ? words`Next update` : words`Next`;
    const update = slow.state.step + (known.after === undefined ? 1 : 0);
    place.textContent = words`Update ${update}, stage ${stage + 1} of ${STAGES.length}`;
    light(now);
    fill();
  }

  /** Light the parts of a stage. @param {import("./parts/slow_stages.js").Stage} now */
  function light({ parts, wires, back: isBack = false }) {
    for (const each of svg.querySelectorAll("[data-part], [data-wire]")) {
      const { part = "", wire = "" } = /** @type {SVGElement} */ (each).dataset;
      const isLit = parts.includes(part) || wires.includes(wire);
      each.classList.toggle("lit", isLit);
      each.classList.toggle("back", isLit && isBack);
    }
  }

  /** Show in the picture of the model what is known at this stage. */
  function fill() {
    const both = (/** @type {ArrayLike<number>} */ values) =>
      Array.from(values, twoDecimals).join(", ");
    const { x, decoded, mu, sigma, eps, z, recon, kl, total, shape } = known;
    const texts = [
      {},
      { mu: both(mu), sigma: both(sigma) },
      { eps: both(eps), z: both(z) },
      {},
      { recon: twoDecimals(recon) },
      { kl: twoDecimals(kl), total: twoDecimals(total) },
    ];
    /** @type {Record<string, Float32Array>} */
    const images = stage < 3 ? { x } : { x, decoded };
    showValues(svg, Object.assign({}, ...texts.slice(0, stage + 1)), images, shape);
  }

  begin();
}
