/** Bar of the explorer: what to start from, and a button that presents it. */

import { button, field, html } from "./controls.js";
import { presentButton } from "./present.js";
import { words } from "./words.js";

/**
 * @typedef {object} StartActions
 * @property {(index: number) => void} onTestImage
 * @property {() => void} onBlank
 * @property {() => void} onPriorMean
 * @property {() => void} onPriorSample
 */

/** @param {StartActions} actions */
export function startBar({ onTestImage, onBlank, onPriorMean, onPriorSample }) {
  const number = html("input", { type: "number", min: 0, value: 0 });
  number.oninput = () => onTestImage(number.valueAsNumber);
  const testImage = field(words`Test image`, number);
  const root = html(
    "div",
    { className: "bar", role: "group", "aria-label": words`Start from` },
    html("span", { className: "title" }, words`Start from`),
    testImage,
    button(words`Blank to draw on`, onBlank, {
      title: words`An empty image: draw a digit`,
    }),
    button("z = 0", onPriorMean, { title: words`No image: the mean of the prior` }),
    button(words`Random sample`, onPriorSample, {
      title: words`No image: a draw of the prior`,
    }),
    presentButton(),
  );
  return {
    root,
    get index() {
      return number.valueAsNumber;
    },
    /** @param {number} index @param {number} count */
    setIndex(index, count) {
      Object.assign(number, { max: count - 1, value: index });
    },
    /** @param {boolean} isShown */
    showTestImages(isShown) {
      testImage.hidden = !isShown;
    },
  };
}
