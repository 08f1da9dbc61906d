/** The answer of a reader, kept in the browser alone. */

import { canBeAnswer } from "../engine/judge.js";

/** @typedef {import("../engine/judge.js").Asked} Asked */

/** Return what the reader has answered, null if skipped, or undefined. */
export function keptAnswer(/** @type {Asked} */ asked) {
  try {
    const kept = JSON.parse(localStorage.getItem(keyOf(asked)) ?? "{}");
    const { answer } = kept ?? {};
    return answer === null || canBeAnswer(asked, answer) ? answer : undefined;
  } catch {
    return undefined; // no storage, or not what was stored here
  }
}

/** Keep an answer in this browser; undefined forgets it. */
export function keepAnswer(/** @type {Asked} */ asked, /** @type {any} */ answer) {
  try {
    if (answer === undefined) localStorage.removeItem(keyOf(asked));
    else localStorage.setItem(keyOf(asked), JSON.stringify({ answer }));
  } catch {
    // A private window, for example: the answer is kept until the page is left.
  }
}

const keyOf = (/** @type {Asked} */ { question }) => `vaelib predict: ${question}`;
