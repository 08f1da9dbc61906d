/** Where the reader answers: a choice, a number, or a curve. */

import { button, div, html } from "./controls.js";
import { drawnCurve } from "./drawn_curve.js";
import { words } from "./words.js";

/** @typedef {import("../engine/judge.js").Asked} Asked */

/**
 * @typedef {object} AnswerField
 * @property {Node[]} nodes
 * @property {() => any} read the answer, or undefined if there is none
 * @property {(answer: any) => void} write
 * @property {() => void} clear
 * @property {(isShown: boolean) => void} reveal the computed answer, if it can
 * @property {string} missing what to do if there is no answer
 * @property {string} hint how to answer, or what counts as right
 */

/**
 * Create the field for an answer.
 * @param {Asked} asked
 * @returns {AnswerField}
 */
export function answerField(asked) {
  if (asked.kind === "choice") return choiceField(asked);
  return asked.kind === "number" ? numberField(asked) : drawnCurve(asked);
}

/** @param {Asked} asked @returns {AnswerField} */
function choiceField({ choices, truth }) {
  const name = `choice-${(choiceField.count += 1)}`;
  const inputs = choices.map((value) => html("input", { type: "radio", name, value }));
  const labels = inputs.map((input, i) => html("label", {}, input, choices[i]));
  return {
    nodes: [div("options", ...labels)],
    read: () => inputs.find(({ checked }) => checked)?.value,
    write: (answer) => inputs.forEach((i) => (i.checked = i.value === answer)),
    clear: () => inputs.forEach((input) => (input.checked = false)),
    reveal: (isShown) =>
      labels.forEach((label, i) =>
        label.classList.toggle("computed", isShown && choices[i] === truth),
      ),
    missing: words`Choose an answer first, or skip the question.`,
    hint: "",
  };
}
choiceField.count = 0;

/** @param {Asked} asked @returns {AnswerField} */
function numberField({ question, unit, within }) {
  const percent = Math.round(100 * within);
  const input = html("input", { type: "number", step: "any", "aria-label": question });
  return {
    nodes: [div("bar", input, html("span", {}, unit))],
    read: () =>
      Number.isFinite(input.valueAsNumber) ? input.valueAsNumber : undefined,
    write: (answer) => (input.value = String(answer)),
    clear: () => (input.value = ""),
    reveal: () => {},
    missing: words`Type a number first, or skip the question.`,
    hint: percent ? words`Within ${percent} % counts as right.` : "",
  };
}

/** The buttons below a question. @param {{ check: () => void, skip: () => void }} on */
export function answerButtons({ check, skip }) {
  return [
    button(words`Compare`, check, { className: "main" }),
    button(words`Skip`, skip),
  ];
}
