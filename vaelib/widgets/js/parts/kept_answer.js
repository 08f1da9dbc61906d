/** The answer of a reader, kept in the browser alone. */

import { canBeAnswer } from "../engine/judge.js";
import { keepText, keptText } from "./storage.js";

/** @typedef {import("../engine/judge.js").Asked} Asked */

/** Return what the reader has answered, null if skipped, or undefined. */
export function keptAnswer(/** @type {Asked} */ asked) {
  try {
    const { answer } = JSON.parse(keptText(keyOf(asked)) ?? "{}") ?? {};
    return answer === null || canBeAnswer(asked, answer) ? answer : undefined;
  } catch {
    return undefined; // not what was stored here
  }
}

/** Keep an answer in this browser; undefined forgets it. */
export function keepAnswer(/** @type {Asked} */ asked, /** @type {any} */ answer) {
  keepText(keyOf(asked), answer === undefined ? null : JSON.stringify({ answer }));
}

const keyOf = (/** @type {Asked} */ { question }) => `vaelib predict: ${question}`;
