/** Bar of the explorer: the image or the point of the prior to start from. */

import { button, field, html } from "./controls.js";

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
  const testImage = field("Test image", number);
  const root = html(
    "div",
    { className: "bar", role: "group", "aria-label": "Start from" },
    html("span", { className: "title" }, "Start from"),
    testImage,
    button("Blank to draw on", onBlank, { title: "An empty image: draw a digit" }),
    button("z = 0", onPriorMean, { title: "No image: the mean of the prior" }),
    button("Random sample", onPriorSample, { title: "No image: a draw of the prior" }),
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
