/** Playground: controls, curves, pictures and bars of a model in training. Python trains; what a hand does goes there as messages. */

import { bars } from "./parts/bars.js";
import { button, listener, menu, nextFrame, node, svg } from "./parts/controls.js";
import { chart } from "./parts/curve.js";
import { picture, sheet } from "./parts/picture.js";

/** @typedef {import("./parts/controls.js").Model} Model */

const DECADES = 2; // the slider of beta goes from 0.01 to 100
const PATIENCE = 2500; // milliseconds until a kernel that does not answer counts as none

/** @param {{ model: Model, el: HTMLElement }} view */
export function playground({ model, el }) {
  const hear = listener(model);
  const act = (/** @type {string} */ verb) => model.send({ do: verb });
  const steer = (/** @type {Record<string, unknown>} */ settings) => (
    (touched = Date.now()),
    model.send({ set: settings })
  );
  let touched = 0; // when a control was last moved here: until Python has heard of it, it stays where it is

  const go = button(
    "Train",
    () => act(model.get("frame").running ? "pause" : "train"),
    { className: "main" },
  );
  const buttons = node(
    "div",
    { className: "bar" },
    go,
    button("Step", () => act("step"), { title: "One update" }),
    button("Reset", () => act("reset"), {
      title: "A new model; this curve stays in sight",
    }),
    button("Keep", () => act("keep"), { title: "Write this model as a run" }),
  );

  const choices = model.get("choices");
  const named = (/** @type {any[]} */ values) =>
    values.map((v) => /** @type {[string, string]} */ ([String(v), String(v)]));
  const menus = {
    dataset: menu("Data", named(choices.dataset), (v) => steer({ dataset: v })),
    loss: menu("Loss", named(choices.loss), (v) => steer({ loss: v })),
    latent_dim: menu("Latents", named(choices.latent_dim), (v) =>
      steer({ latent_dim: Number(v) }),
    ),
    beta_schedule: menu("Schedule", named(choices.beta_schedule), (v) =>
      steer({ beta_schedule: v }),
    ),
  };
  const plan = svg("polyline", { class: "line purple" });
  const now = svg("line", { class: "now", y1: 0, y2: 24 });
  const planned = svg(
    "svg",
    {
      viewBox: "-1 -1 102 26",
      class: "plan",
      role: "img",
      preserveAspectRatio: "none",
    },
    plan,
    now,
  );
  const seed = node("input", {
    type: "number",
    min: 0,
    onchange: () => steer({ seed: Math.max(0, Math.round(seed.valueAsNumber) || 0) }),
  });
  const beta = node("input", {
    type: "range",
    min: -DECADES,
    max: DECADES,
    step: 0.05,
    "aria-label": "Beta",
  });
  const betaValue = node("output");
  beta.oninput = () => {
    showBeta(betaOf(beta.valueAsNumber));
    steer({ beta: betaOf(beta.valueAsNumber) });
  };
  const controls = node(
    "fieldset",
    { disabled: true },
    node("legend", {}, "Controls"),
    buttons,
    node(
      "div",
      { className: "bar" },
      ...Object.values(menus).map((m) => m.root),
      planned,
      node("label", { className: "field" }, node("span", {}, "Seed"), seed),
    ),
    node(
      "div",
      { className: "beta" },
      node("span", {}, "0.01"),
      beta,
      node("span", {}, "100"),
      betaValue,
    ),
  );
  const alone = node(
    "p",
    { className: "alone", hidden: !model.alone },
    model.alone
      ? "A published page has no kernel: what you see was saved. To train it yourself, open this chapter in JupyterLab."
      : "No kernel is running this: what you see was saved. To train it yourself, run this cell in JupyterLab.",
  );
  const bar = node("progress", { "aria-label": "Progress" });
  const status = node("output", { className: "status" });
  const count = node("span", { className: "count" });
  const terms = chart("The terms of the objective", "epochs", "nats per image", 250);
  const betas = chart("Beta of each update", "epochs", "β", 110);
  const earlier = node("div", { className: "caption" });
  terms.root.append(earlier);
  const kl = bars(250);
  const sheets = [
    "Test images and their reconstructions",
    "Samples, from the same noise",
    "Traversals about the first image",
  ].map((title) => {
    const canvas = picture(title, "sheet");
    return { canvas, root: node("section", {}, node("h4", {}, title), canvas) };
  });
  const walks = node("div", { className: "caption" });
  sheets[2].root.append(walks);
  const table = node("tbody");
  const kept = node(
    "section",
    { className: "kept", hidden: true, tabIndex: 0, "aria-label": "Kept runs" },
    node("h4", {}, "Kept runs: test figures, nats per image"),
    node(
      "table",
      {},
      node(
        "thead",
        {},
        node(
          "tr",
          {},
          ...["run", "settings", "updates", "recon", "KL", "recon + KL"].map((h) =>
            node("th", { scope: "col" }, h),
          ),
        ),
      ),
      table,
    ),
  );
  el.append(
    node(
      "div",
      { className: "vaelib playground" },
      controls,
      alone,
      node("div", { className: "bar state" }, bar, status, count),
      node(
        "div",
        { className: "charts" },
        node("div", {}, terms.root, betas.root),
        kl.root,
      ),
      node("div", { className: "sheets" }, ...sheets.map((s) => s.root)),
      kept,
    ),
  );

  // Beta: a slider of its logarithm

  /** @param {number} place */
  function betaOf(place) {
    return Number((10 ** place).toPrecision(3));
  }

  /** @param {number} value */
  function showBeta(value) {
    betaValue.textContent = `β = ${value}`;
    beta.setAttribute("aria-valuetext", String(value));
  }

  function showSettings() {
    const settings = model.get("settings");
    if (Date.now() - touched < 500) return;
    for (const [name, { select }] of Object.entries(menus))
      select.value = String(settings[name]);
    if (document.activeElement !== seed) seed.value = settings.seed;
    beta.valueAsNumber = settings.beta > 0 ? Math.log10(settings.beta) : -DECADES;
    showBeta(settings.beta);
  }

  // Curves

  /** Rows of step, recon, KL, beta as columns, with their sum. @param {DataView} bytes @param {number} steps */
  function columns(bytes, steps) {
    const rows = bytes.byteLength / 16;
    const column = (/** @type {number} */ c) =>
      Float32Array.from({ length: rows }, (_, i) =>
        bytes.getFloat32(16 * i + 4 * c, true),
      );
    const [x, recon, kl, beta] = [0, 1, 2, 3].map(column);
    return {
      x: x.map((step) => step / steps),
      recon,
      kl,
      beta,
      total: recon.map((r, i) => r + beta[i] * kl[i]),
    };
  }

  function showCurves() {
    const { steps, step, tests, unit, term } = model.get("frame");
    const here = columns(model.get("curve"), steps);
    const lines = [];
    for (const ghost of model.get("ghosts")) {
      const there = columns(ghost.curve, steps);
      if (ghost.unit === unit)
        lines.push(
          { name: "", colour: "blue", x: there.x, y: there.total, ghost: true },
          { name: "", colour: "orange", x: there.x, y: there.recon, ghost: true },
        );
      lines.push({ name: "", colour: "green", x: there.x, y: there.kl, ghost: true });
    }
    const ends = tests.map((/** @type {number[]} */ t) => t[0] / steps);
    lines.push(
      { name: "total = recon + β KL", colour: "blue", x: here.x, y: here.total },
      { name: `recon: ${term}`, colour: "orange", x: here.x, y: here.recon },
      { name: "KL", colour: "green", x: here.x, y: here.kl },
      {
        name: "",
        colour: "orange",
        x: ends,
        y: tests.map((/** @type {number[]} */ t) => t[1]),
        dots: true,
      },
      {
        name: "",
        colour: "green",
        x: ends,
        y: tests.map((/** @type {number[]} */ t) => t[2]),
        dots: true,
      },
    );
    const until = Math.max(
      1,
      Math.ceil(step / steps),
      ...lines.map((line) => line.x[line.x.length - 1] ?? 0),
    );
    const ghosts = model
      .get("ghosts")
      .map(
        (/** @type {any} */ g) =>
          g.label + (g.unit === unit ? "" : " (KL only: other units)"),
      );
    earlier.textContent = ghosts.length ? `Pale: ${ghosts.join("; ")}` : "";
    terms.draw(lines, until);
    betas.draw([{ name: "", colour: "purple", x: here.x, y: here.beta }], until);
  }

  function showPlan() {
    const { plan: values } = model.get("settings");
    const { step, steps, epochs } = model.get("frame");
    const high = Math.max(...values) || 1;
    plan.setAttribute(
      "points",
      values
        .map(
          (/** @type {number} */ v, /** @type {number} */ i) =>
            `${i} ${24 * (1 - v / high)}`,
        )
        .join(" "),
    );
    const share = (100 * step) / (steps * epochs);
    now.setAttribute("x1", String(share));
    now.setAttribute("x2", String(share));
    planned.setAttribute(
      "aria-label",
      `Beta over ${epochs} epochs: from ${values[0]} to ${values[values.length - 1]}`,
    );
  }

  // Pictures

  /** @param {string} name */
  function bytesOf(name) {
    const view = model.get(name);
    return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  }

  function showPictures() {
    const { shape, sheet: counts, kl } = model.get("frame");
    const [shown, samples, rows, steps] = counts;
    const size = shape.reduce(
      (/** @type {number} */ a, /** @type {number} */ b) => a * b,
    );
    const cut = (
      /** @type {Uint8Array} */ bytes,
      /** @type {number} */ from,
      /** @type {number} */ n,
    ) =>
      Array.from({ length: n }, (_, i) =>
        bytes.subarray((from + i) * size, (from + i + 1) * size),
      );
    const all = bytesOf("pictures");
    sheet(
      sheets[0].canvas,
      [...cut(bytesOf("fixed"), 0, shown), ...cut(all, 0, shown)],
      shown,
      shape,
    );
    sheet(sheets[1].canvas, cut(all, shown, samples), 10, shape);
    sheet(sheets[2].canvas, cut(all, shown + samples, rows * steps), steps, shape);
    const order = kl.map((/** @type {number} */ _, /** @type {number} */ j) => j);
    order.sort((/** @type {number} */ a, /** @type {number} */ b) => kl[b] - kl[a]);
    walks.textContent = `Rows: the latents with the most KL, ${order
      .slice(0, rows)
      .map((/** @type {number} */ j) => j + 1)
      .join(", ")}; from −3 to +3`;
  }

  function showState() {
    const { running, over, message, step, steps, epochs, rate } = model.get("frame");
    const said =
      message ||
      (running
        ? "Training"
        : over
          ? "All epochs are over: reset, or change a setting"
          : step
            ? "Paused"
            : "Ready");
    if (status.textContent !== said) status.textContent = said;
    status.classList.toggle("error", Boolean(message));
    go.textContent = running ? "Pause" : "Train";
    Object.assign(bar, { max: steps * epochs, value: step });
    count.textContent = `update ${step} of ${steps * epochs}${rate ? `, ${rate} images a second` : ""}`;
  }

  function showKept() {
    const rows = model.get("kept");
    kept.hidden = !rows.length;
    table.replaceChildren(
      ...rows.map((/** @type {any} */ r) => {
        const figures = [r.recon, r.kl, r.neg_elbo].map((v) => v.toFixed(2));
        return node(
          "tr",
          {},
          ...[r.path, r.label, String(r.step), ...figures].map((text) =>
            node("td", {}, text),
          ),
        );
      }),
    );
  }

  const show = nextFrame(() => {
    showSettings();
    showState();
    showPlan();
    showCurves();
    kl.draw(model.get("frame").kl);
    showPictures();
  });

  hear.on("change:frame", show);
  hear.on("change:ghosts", show);
  hear.on("change:kept", showKept);
  hear.on("msg:custom", (/** @type {any} */ said) => {
    if (!said.here) return;
    controls.disabled = false;
    alone.hidden = true;
  });
  const unheard = setTimeout(() => (alone.hidden = !controls.disabled), PATIENCE);
  act("hello");
  show();
  showKept();
  return () => {
    clearTimeout(unheard);
    hear.stop();
  };
}

export default { render: playground };
