/** Controls of the playground: buttons, menus, the schedule, the seed and beta. */

import { formatNumber, withCommas } from "../engine/numbers.js";
import { button, div, field, html, menu, setAttributes, svg } from "./controls.js";
import { settingsWords, words } from "./words.js";

const DECADES = 2; // the slider of beta goes from 10^-2 to 10^2
const HOLD = 500; // milliseconds in which a control ignores older settings from Python

/**
 * @typedef {object} TrainingActions
 * @property {() => void} onTrain
 * @property {(name: "step" | "reset" | "undo" | "keep") => void} onButton
 * @property {(settings: Record<string, unknown>) => void} onChange
 */

/**
 * @param {Record<string, any[]>} choices values of each menu
 * @param {TrainingActions} actions
 * @param {boolean} [isCompact] whether only the most important controls are shown
 */
export function trainingControls(choices, actions, isCompact = false) {
  const { onTrain, onButton, onChange } = actions;
  let lastChange = 0; // when the user last changed a control
  /** @type {any} */
  let latest = {}; // settings that training uses
  let wasOn = false; // a cure, when they were shown last
  /** @param {Record<string, unknown>} settings */
  function change(settings) {
    lastChange = Date.now();
    onChange(settings);
    setTimeout(showLatest, HOLD + 1); // the true value again if Python refuses this one
  }

  const trainButton = button(words`Train`, onTrain, { className: "main" });
  const hints = {
    step: words`One update`,
    reset: words`A new model; this curve stays in sight`,
    noUndo: words`No model has been replaced yet`,
    keep: words`Keep this model, with its test figures`,
  };
  const step = button(words`Step`, () => onButton("step"), { title: hints.step });
  const reset = button(words`Reset`, () => onButton("reset"), { title: hints.reset });
  const undo = button(words`Undo`, () => onButton("undo"));
  const keep = button(words`Keep`, () => onButton("keep"), {
    title: hints.keep,
    name: "keep",
  });

  /**
   * @param {string} label
   * @param {string} name
   * @param {(value: string) => string} [nameOf]
   */
  function settingMenu(label, name, nameOf) {
    const values = choices[name];
    const isNumber = typeof values[0] === "number";
    const choose = (/** @type {string} */ value) =>
      change({ [name]: isNumber ? Number(value) : value });
    const made = menu(label, values.map(String), choose, nameOf);
    made.select.name = name;
    return made;
  }
  const menus = {
    dataset: settingMenu(words`Data`, "dataset"),
    loss: settingMenu(words`Loss`, "loss"),
    latent_dim: settingMenu(words`Latents`, "latent_dim"),
    train_images: settingMenu(words`Training images`, "train_images", (n) =>
      n === "0" ? words`all` : withCommas(n),
    ),
    beta_schedule: settingMenu(words`Schedule`, "beta_schedule"),
  };
  // Python reads the text of a number, and says what is allowed if it is not.
  /**
   * @param {string} name
   * @param {string | number} step of the arrow keys
   * @param {string} [title]
   */
  function numberBox(name, step, title = "") {
    const kind = { type: "number", min: 0, step, title };
    const box = html("input", { ...kind, onblur: showLatest });
    box.onchange = () => change({ [name]: box.value });
    return box;
  }
  const betaBox = numberBox("beta", "any");
  const cures = {
    free_bits: numberBox(
      "free_bits",
      0.1,
      words`A floor under the mean KL of each latent, in nats; 0: off`,
    ),
    capacity: numberBox(
      "capacity",
      1,
      words`The KL of all latents is pulled to it, in nats, instead of β KL; 0: off`,
    ),
    gamma: numberBox("gamma", 1, words`Weight of the distance from the capacity`),
    encoder_updates: numberBox(
      "encoder_updates",
      1,
      words`Updates of the encoder alone before each update, at most; 0: off`,
    ),
  };
  /** @type {Record<string, HTMLInputElement>} */
  const boxes = { seed: numberBox("seed", 1), ...cures };
  const beta = betaSlider(betaBox, (value) => change({ beta: value }));
  const schedule = schedulePlot();

  const { dataset, loss, latent_dim, train_images, beta_schedule } = menus;
  const plan = div("field", beta_schedule.root, schedule.root);
  const bars = isCompact
    ? [div("bar", trainButton, reset, dataset.root, latent_dim.root)]
    : [
        div("bar", trainButton, step, reset, undo, keep),
        div(
          "bar",
          ...[dataset, train_images, loss, latent_dim].map(({ root }) => root),
          ...[plan, field(words`Seed`, boxes.seed)],
        ),
      ];
  const against = html(
    "details",
    { hidden: isCompact },
    html("summary", {}, words`Keep latents awake`),
    div(
      "bar",
      field(words`Free bits`, cures.free_bits),
      field(words`Capacity`, cures.capacity),
      field("γ", cures.gamma),
      field(words`Encoder updates`, cures.encoder_updates),
    ),
  );
  const legend = html("legend", {}, words`Controls`);
  const root = html(
    "fieldset",
    { disabled: true },
    legend,
    ...bars,
    beta.root,
    against,
  );

  /** Show the settings that training uses. @param {any} settings */
  function showSettings(settings) {
    latest = settings;
    showLatest();
  }

  function showLatest() {
    if (Date.now() - lastChange < HOLD) return;
    for (const [name, { select }] of Object.entries(menus))
      select.value = String(latest[name]);
    for (const [name, box] of Object.entries(boxes))
      if (document.activeElement !== box) box.value = latest[name];
    // A capacity replaces beta.
    for (const part of [beta.root, plan]) part.inert = latest.capacity > 0;
    const isOn = latest.free_bits || latest.capacity || latest.encoder_updates;
    if (isOn && !wasOn) against.open = true; // the reader may close it again
    wasOn = isOn;
    beta.set(latest.beta);
  }

  /** @param {boolean} isRunning @param {string} [former] what Undo brings back */
  function showButtons(isRunning, former) {
    trainButton.textContent = isRunning ? words`Pause` : words`Train`;
    undo.disabled = !former;
    undo.title = former
      ? words`Back to the model before: ${settingsWords(former)}`
      : hints.noUndo;
  }

  return { root, showSettings, showButtons, showSchedule: schedule.draw };
}

/**
 * A slider of the logarithm of beta, and a box for any number, also 0.
 * @param {HTMLInputElement} box
 * @param {(beta: number) => void} onSlide
 */
function betaSlider(box, onSlide) {
  const range = { type: "range", min: -DECADES, max: DECADES, step: 0.05 };
  const slider = html("input", { ...range, "aria-label": words`Beta` });
  const ends = [10 ** -DECADES, 10 ** DECADES].map((end) =>
    html("span", {}, String(end)),
  );
  const root = div("beta", ends[0], slider, ends[1], field("β =", box));

  slider.oninput = () => {
    const beta = Number((10 ** slider.valueAsNumber).toPrecision(3));
    box.value = String(beta);
    slider.setAttribute("aria-valuetext", box.value);
    onSlide(beta);
  };
  return {
    root,
    /** @param {number} beta */
    set(beta) {
      slider.valueAsNumber = beta > 0 ? Math.log10(beta) : -DECADES;
      slider.setAttribute("aria-valuetext", String(beta));
      if (document.activeElement !== box) box.value = String(beta);
    },
  };
}

/** The present beta, and a small plot of it over the whole run, with a line there. */
function schedulePlot() {
  const line = svg("polyline", { class: "line purple" });
  const now = svg("line", { class: "now", y1: 0, y2: 24 });
  const scale = { viewBox: "-1 -1 102 26", preserveAspectRatio: "none" };
  const plot = svg("svg", { ...scale, class: "plan", role: "img" }, line, now);
  const present = html("span", { className: "present" });
  const root = div("field", present, plot);

  /**
   * @param {number[] | undefined} betas 101 values at equal distances; none before a
   *   page has begun to train
   * @param {number} progress share of all updates that are done
   * @param {number} epochs
   * @param {number} beta of the next update
   */
  function draw(betas, progress, epochs, beta) {
    root.hidden = !betas;
    if (!betas) return;
    present.textContent = words`β now ${formatNumber(beta)}`;
    const high = Math.max(...betas) || 1;
    const points = betas.map((beta, i) => `${i} ${24 * (1 - beta / high)}`);
    line.setAttribute("points", points.join(" "));
    setAttributes(now, { x1: 100 * progress, x2: 100 * progress });
    const [first, last] = [betas[0], betas[betas.length - 1]];
    const label = words`Beta over ${epochs} epochs: from ${first} to ${last}`;
    plot.setAttribute("aria-label", label);
  }
  return { root, draw };
}
