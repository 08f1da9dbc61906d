/** Predict: a question; the computed answer is shown when the reader has answered. */

import { judged } from "./engine/judge.js";
import { formatNumber } from "./engine/numbers.js";
import { answerButtons, answerField } from "./parts/answers.js";
import { button, div, html } from "./parts/controls.js";
import { keepAnswer, keptAnswer } from "./parts/kept_answer.js";
import { words } from "./parts/words.js";

/** @typedef {import("./engine/judge.js").Asked} Asked */
/** @typedef {import("./parts/events.js").Model} Model */

/** Return the text of a choice or of a number with its unit. */
function textOf(/** @type {Asked} */ { kind, unit }, /** @type {any} */ answer) {
  return kind === "number" ? `${formatNumber(answer)} ${unit}`.trim() : String(answer);
}

/**
 * Return what is said after an answer, or after none (null).
 * @param {Asked} asked
 * @param {any} answer
 */
function outcomeOf(asked, answer) {
  const truth = asked.kind === "curve" ? "" : textOf(asked, asked.truth);
  if (answer === null) {
    if (!truth) return [words`This is the computed curve.`];
    return [words`Computed: ${truth}.`];
  }
  const { isRight, sentence, distance } = judged(asked, answer);
  const told = [];
  if (asked.kind === "curve") {
    const range = Math.max(...asked.truth) - Math.min(...asked.truth);
    const far = `${Number(distance.toPrecision(2))} ${asked.unit}`.trim();
    const share = Math.round((100 * distance) / range);
    if (isRight) told.push(words`Right.`);
    told.push(
      words`Your dashed curve is on average ${far} away, ${share} % of the range.`,
    );
  } else if (isRight && textOf(asked, answer) === truth)
    told.push(words`Right: ${truth}.`);
  else {
    told.push(words`Your answer: ${textOf(asked, answer)}. Computed: ${truth}.`);
    if (isRight) {
      const percent = Math.round(100 * asked.within);
      told.push(words`That counts as right: it is within ${percent} %.`);
    }
  }
  return sentence ? [...told, sentence] : told;
}

/** @param {{ model: Model, el: HTMLElement }} view */
export function predict({ model, el }) {
  /** @type {Asked} */
  const asked = model.get("asked");
  // On a published page, what is hidden is folded; in JupyterLab, see predict.css.
  /** @type {HTMLDetailsElement[]} */
  const folds = Array.from(
    document.querySelectorAll(`details.${model.get("holds") || "none"}`),
  );
  const field = answerField(asked);
  const legend = html("legend", {}, html("b", {}, words`Predict first.`), " ");
  legend.append(asked.question);
  const fields = html("fieldset", {}, legend, ...field.nodes);
  const status = html("div", { role: "status", className: "outcome" });
  const buttons = answerButtons({ check, skip: () => finish(null) });
  const again = button(words`Try again`, begin);
  el.className = "vaelib predict";
  el.dataset.cells = String(asked.cells);
  const note = html("span", { className: "note" }, field.hint);
  el.append(fields, status, div("bar", ...buttons, again, note));

  /** Show a state: with the computed answer or without. @param {boolean} isDone */
  function show(isDone) {
    el.classList.toggle("waiting", !isDone);
    fields.disabled = isDone;
    field.reveal(isDone);
    for (const each of buttons) each.hidden = isDone;
    [again.hidden, note.hidden] = [!isDone, isDone];
    for (const fold of folds) fold.open = isDone;
  }

  function check() {
    const answer = field.read();
    if (answer === undefined) status.replaceChildren(html("p", {}, field.missing));
    else finish(answer);
  }

  /** Show the computed answer. @param {any} answer null if the question is skipped */
  function finish(answer) {
    keepAnswer(asked, answer);
    restore(answer);
    again.focus({ preventScroll: true });
  }

  /** @param {any} answer */
  function restore(answer) {
    if (answer !== null) field.write(answer);
    const isRight = answer !== null && judged(asked, answer).isRight;
    status.classList.toggle("right", isRight);
    const texts = [outcomeOf(asked, answer).join(" "), asked.because];
    status.replaceChildren(...texts.filter(Boolean).map((text) => html("p", {}, text)));
    show(true);
  }

  function begin() {
    keepAnswer(asked, undefined);
    field.clear();
    status.replaceChildren();
    status.classList.remove("right");
    show(false);
    /** @type {HTMLElement | null} */ (fields.querySelector("input, circle"))?.focus();
  }

  fields.onkeydown = (event) => {
    if (event.key !== "Enter" || !(event.target instanceof HTMLInputElement)) return;
    event.preventDefault(); // else it presses the button that gets the focus
    check();
  };
  for (const fold of folds)
    fold.addEventListener("toggle", () => {
      if (fold.open && el.classList.contains("waiting")) restore(null); // by hand
    });
  const kept = keptAnswer(asked);
  if (kept === undefined && !folds.some(({ open }) => open)) show(false);
  else restore(kept ?? null);
}

export default { render: predict };
