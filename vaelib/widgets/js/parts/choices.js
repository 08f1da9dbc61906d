/** Group of radio buttons that look like one bar. */

import { html } from "./controls.js";

/** @typedef {string | number} Value */

let groups = 0; // on this page: radio buttons with the same name exclude each other

/**
 * @param {string} label
 * @param {Value[]} values
 * @param {(value: Value) => void} onChoose
 * @param {(value: Value) => void} onNear called for values that may be chosen next
 */
export function radioGroup(label, values, onChoose, onNear) {
  const name = `choice-${groups++}`;
  const inputs = values.map((value, i) => {
    const onchange = () => onChoose(value);
    // The arrow keys go to the next or the previous value, from the last to the first.
    const onfocus = () =>
      [i + 1, i - 1].forEach((j) => onNear(values.at(j % values.length) ?? value));
    return html("input", { type: "radio", name, value, onchange, onfocus });
  });
  const labels = inputs.map((input, i) => {
    const onpointerenter = () => onNear(values[i]);
    const text = html("span", {}, String(values[i]));
    return html("label", { onpointerenter }, input, text);
  });
  const root = html(
    "div",
    { className: "choice", role: "radiogroup", "aria-label": label },
    html("span", { className: "title", "aria-hidden": "true" }, label),
    html("div", {}, ...labels),
  );
  return {
    root,
    /** @param {Value} chosen */
    check(chosen) {
      inputs.forEach((input, i) => (input.checked = values[i] === chosen));
    },
  };
}
