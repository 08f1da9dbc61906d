/**
 * Playground: controls, curves, images and bars of a model in training. Python trains
 * the model; what the user does is sent to Python as messages.
 */

import { bytesOf, curveOf, imagesOf } from "./engine/bytes.js";
import { descending, product } from "./engine/numbers.js";
import { klBars } from "./parts/bars.js";
import { div, html, statusLine } from "./parts/controls.js";
import { lineChart } from "./parts/curve.js";
import { oncePerFrame, subscriptions } from "./parts/events.js";
import { keptTable } from "./parts/kept_table.js";
import { paintSheet, titledSheet } from "./parts/picture.js";
import { saveButton } from "./parts/save.js";
import { termLines, termsChart, testPoints } from "./parts/terms.js";
import { playgroundTour } from "./parts/tours.js";
import { trainingControls } from "./parts/training_controls.js";
import { messageWords, settingsWords, words } from "./parts/words.js";

/** @typedef {import("./parts/events.js").Model} Model */
/** @typedef {import("./parts/curve.js").Line} Line */
/** @typedef {{ label: string, unit: string, curve: DataView }} Ghost */

// A kernel is asked each second whether it is there: a message can be lost. After three
// questions without an answer it counts as missing.
const [QUESTION_PERIOD, PATIENCE, MOST_QUESTIONS] = [1000, 3, 10];
const SAMPLE_COLUMNS = 10;
const NO_KERNEL = words`No kernel is running this: what you see was saved.
  Run this cell to go on.`;
const TRAINS_HERE = words`What you see was saved when this page was made.
  Press Train: your browser trains a model of its own, without a server.`;
const SLOW = words`Your browser has no WebAssembly, without which training is much
  slower.`;
const PUBLISHED = words`A published page has no kernel: what you see was saved.
  To train it yourself, open this chapter in JupyterLab.`;

/** @param {{ model: Model, el: HTMLElement, isCompact?: boolean }} view */
export function playground({ model, el, isCompact = false }) {
  /** @param {string} action */
  const send = (action) => model.send({ do: action });
  const actions = {
    onTrain: () => send(model.get("frame").running ? "pause" : "train"),
    onButton: send,
    onChange: (/** @type {object} */ settings) => model.send({ set: settings }),
  };
  const controls = trainingControls(model.get("choices"), actions, isCompact);
  const isSlow = model.trains && typeof WebAssembly === "undefined";
  const published = model.trains ? TRAINS_HERE : PUBLISHED;
  const notice = html(
    "p",
    { className: "alone", hidden: !model.standalone },
    model.standalone ? published : NO_KERNEL,
    isSlow ? ` ${SLOW}` : "",
  );
  const progress = html("progress", { "aria-label": words`Progress` });
  const status = statusLine();
  const count = html("span", { className: "count" });
  const terms = termsChart();
  const betas = lineChart(words`Beta of each update`, "β", 110);
  const bars = klBars(250);
  const reconstructions = titledSheet(words`Test images and their reconstructions`);
  const samples = titledSheet(words`Samples, from the same noise`);
  const rowsCaption = div("caption");
  const traversals = titledSheet(words`Traversals about the first image`, rowsCaption);
  const sheets = [reconstructions, samples, traversals].map((sheet) => sheet.root);
  const kept = keptTable();
  const state = div("bar state", progress, status.root, count);
  const shown = div("vaelib", notice, state);
  if (isCompact) {
    shown.classList.add("compact");
    shown.append(div("charts", div("sheets", ...sheets.slice(0, 2)), terms.root));
  } else {
    state.append(saveButton("playground"), playgroundTour(model));
    const curves = html("div", {}, terms.root, betas.root);
    const charts = div("charts", curves, bars.root);
    shown.append(charts, div("sheets", ...sheets), kept.root);
  }
  const root = div("playground", div("vaelib controls", controls.root), shown);
  el.append(root);

  function showStatus() {
    const { running, over, message, note, step, steps, epochs, rate, former } =
      model.get("frame");
    const isCut = running && !notice.hidden; // the kernel ended during training
    const phase = isCut
      ? words`Stopped at update ${step}`
      : phaseOf(running, over, step);
    status.show(messageWords(message) || note || phase, Boolean(message));
    controls.showButtons(running && !isCut, former);
    Object.assign(progress, { max: steps * epochs, value: step });
    const speed = rate && !isCut ? words`, ${rate} images a second` : "";
    count.textContent = words`update ${step} of ${steps * epochs}` + speed;
  }

  function showSettings() {
    const settings = model.get("settings");
    const { step, steps, epochs, beta } = model.get("frame");
    controls.showSettings(settings);
    controls.showSchedule(settings.plan, step / (steps * epochs), epochs, beta);
  }

  function showCurves() {
    const { steps, step, tests, unit, term } = model.get("frame");
    /** @type {Ghost[]} */
    const ghosts = model.get("ghosts");
    const curve = curveOf(model.get("curve"), steps);
    const [ends, recon, kl] = [0, 1, 2].map((column) =>
      tests.map((/** @type {number[]} */ row) => row[column]),
    );
    const epochs = ends.map((/** @type {number} */ end) => end / steps);
    const lines = [
      ...ghosts.flatMap((ghost, i) =>
        ghostLines(ghost, steps, ghost.unit === unit, i + 1),
      ),
      ...termLines(curve, term),
      ...testPoints(epochs, recon, kl),
    ];
    const lastPoints = lines.map(({ x }) => x[x.length - 1] ?? 0);
    const xEnd = Math.max(1, Math.ceil(step / steps), ...lastPoints);
    terms.draw(lines, xEnd, steps);
    const betaLine = { name: "β", colour: "purple", x: curve.x, y: curve.beta };
    betas.draw([betaLine], xEnd, steps);

    const labels = ghosts.map(({ label, unit: other }, i) => {
      const shown = other === unit ? "" : words` (KL only: other units)`;
      return `${i + 1} ${settingsWords(label)}${shown}`;
    });
    const pale = labels.length ? words`Pale: ${labels.join("; ")}` : "";
    terms.caption.textContent = pale;
  }

  function showPictures() {
    const { shape, sheet, kl } = model.get("frame");
    const [testImages, sampleCount, rows, steps] = sheet;
    const size = product(shape);
    const originals = imagesOf(bytesOf(model.get("fixed")), 0, testImages, size);
    const decoded = bytesOf(model.get("pictures"));
    const means = imagesOf(decoded, 0, testImages, size);
    const drawn = imagesOf(decoded, testImages, sampleCount, size);
    paintSheet(reconstructions.canvas, [...originals, ...means], testImages, shape);
    paintSheet(samples.canvas, drawn, SAMPLE_COLUMNS, shape);
    if (isCompact) return; // a page may have stored no others

    const moved = imagesOf(decoded, testImages + sampleCount, rows * steps, size);
    paintSheet(traversals.canvas, moved, steps, shape);

    const latents = descending(kl).slice(0, rows);
    const names = latents.map((j) => j + 1).join(", ");
    rowsCaption.textContent = words`Rows: the latents with the most KL,
      ${names}; from −3 to +3`;
  }

  const draw = oncePerFrame(() => {
    showSettings();
    showStatus();
    showCurves();
    bars.draw(model.get("frame").kl);
    showPictures();
  });
  const drawKept = () => kept.draw(model.get("kept"));

  let questions = 0;
  let timer = 0;
  /** Look for a kernel. Until it answers, the controls have no effect. */
  function ask() {
    controls.root.disabled = true;
    questions++;
    if (questions === PATIENCE) {
      notice.hidden = false;
      draw();
    }
    if (questions < MOST_QUESTIONS) timer = window.setTimeout(ask, QUESTION_PERIOD);
    try {
      send("hello");
    } catch {
      // The connection is closed: nobody will answer.
    }
  }
  function stopAsking() {
    clearTimeout(timer);
    questions = 0;
  }

  /** Let the user control the training: there is a kernel. */
  function answered() {
    stopAsking();
    controls.root.disabled = false;
    notice.hidden = true;
    draw();
  }

  const events = subscriptions(model);
  events.on("change:frame", answered);
  events.on("change:settings", draw);
  events.on("change:ghosts", draw);
  events.on("change:kept", drawKept);
  events.on("msg:custom", (content) => {
    if (!content.here) return; // to "hello"
    if (!model.trains) return answered();
    stopAsking();
    controls.root.disabled = false; // what is shown stays the saved state
  });
  events.on("comm_live_update", () => {
    stopAsking(); // the connection to the kernel has changed
    ask();
  });
  draw();
  drawKept();
  ask();
  return () => {
    stopAsking();
    events.stop();
  };
}

/**
 * Return what the training does at present.
 * @param {boolean} isRunning
 * @param {boolean} isOver
 * @param {number} step
 */
function phaseOf(isRunning, isOver, step) {
  if (isRunning) return words`Training`;
  if (isOver) return words`All epochs are over: reset, or change a setting`;
  return step ? words`Paused` : words`Ready`;
}

/**
 * Return the pale lines of an earlier model. Losses in other units are left out.
 * @param {Ghost} ghost
 * @param {number} stepsPerEpoch
 * @param {boolean} isComparable
 * @param {number} endMark its number, at the end of the highest line
 * @returns {Line[]}
 */
function ghostLines(ghost, stepsPerEpoch, isComparable, endMark) {
  const { x, total, recon, kl } = curveOf(ghost.curve, stepsPerEpoch);
  /** @type {Line[]} */
  const losses = [
    { colour: "blue", x, y: total, ghost: true },
    { colour: "orange", x, y: recon, ghost: true },
  ];
  /** @type {Line} */
  const klLine = { colour: "green", x, y: kl, ghost: true };
  const [highest, ...others] = isComparable ? [...losses, klLine] : [klLine];
  return [{ ...highest, endMark }, ...others];
}

export default { render: playground };
