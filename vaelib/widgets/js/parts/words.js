/** Labels in the language of the page: English, or Japanese on a Japanese page. */

import { classOf } from "../engine/numbers.js";
import { JAPANESE } from "./japanese.js";

/**
 * Template tag: return a label in the language of the page. A line break is a blank.
 * @param {TemplateStringsArray} parts
 * @param {(string | number)[]} values
 */
export function words(parts, ...values) {
  const english = parts.join("{}").replace(/\s+/g, " ");
  const isJapanese = document.documentElement.lang.startsWith("ja");
  const text = (isJapanese && JAPANESE[english]) || english;
  return text.replaceAll("{}", () => String(values.shift()));
}

/**
 * Return how a test image is called, with its class if it has one.
 * @param {{ labels?: number[], classes?: string[] }} test
 * @param {number} i
 */
export function testImageName(test, i) {
  const name = classOf(test, i);
  return name ? words`test image ${i}: ${name}` : words`test image ${i}`;
}

/**
 * Return what the engine, or Python, calls settings: "mnist, 20 latents, seed 42".
 * @param {string} label
 */
export function settingsWords(label) {
  return label
    .replace(/([\d,]+) images/, (_, n) => words`${n} images`)
    .replace(/(\d+) latents/, (_, n) => words`${n} latents`)
    .replace(/free bits ([^,]+)/, (_, n) => words`free bits ${n}`)
    .replace(/capacity ([^,]+)/, (_, n) => words`capacity ${n}`)
    .replace(/(\d+) encoder updates/, (_, n) => words`${n} encoder updates`)
    .replace(/(\d+) updates/, (_, n) => words`${n} updates`)
    .replace(/seed (\d+)/, (_, n) => words`seed ${n}`);
}

/** Return the name of a reconstruction term. @param {string} title in English */
export function termWords(title) {
  /** @type {Record<string, string>} */
  const names = {
    "cross-entropy": words`cross-entropy`,
    "negative log-likelihood": words`negative log-likelihood`,
    "Gaussian, fixed sigma": words`Gaussian, fixed sigma`,
    "Gaussian, learned sigma": words`Gaussian, learned sigma`,
    "negative log-likelihood of 256 levels": words`negative log-likelihood of 256
      levels`,
  };
  return names[title] ?? title;
}

/** Return why the training stands still. @param {string} message of the engine */
export function messageWords(message) {
  const given = message.match(/^(\w+) is (.*): (give .*|capacity .*)\.$/);
  const [, name, value, advice] = given ?? ["", "", "", ""];
  const range = advice.match(/^give a number of at least (\S+) and at most (\S+)$/);
  if (range) {
    const [, least, most] = range;
    return words`${name} is ${value}: give a number of at least ${least} and at most
      ${most}.`;
  }
  if (advice === "give a number") return words`${name} is ${value}: give a number.`;
  if (advice === "give a whole number")
    return words`${name} is ${value}: give a whole number.`;
  if (advice === "capacity has no such setting, leave it out")
    return words`${name} is ${value}: capacity has no such setting, leave it out.`;
  const [, step = ""] = message.match(/^the loss is not finite at step (\d+):/) ?? [];
  if (!step) return message;
  return words`the loss is not finite at step ${step}: give a smaller lr.`;
}
