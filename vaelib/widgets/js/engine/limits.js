/**
 * Which values the controls take: the checks of vaelib.checks, with limits and words
 * that Python gives.
 *
 * @typedef {object} Limit What `limit` of vaelib.widgets.panel returns for a control.
 * @property {"int" | "float" | "choice"} kind
 * @property {string[]} values of a choice
 * @property {string} least
 * @property {string | null} above
 * @property {string} most
 * @property {string} expected what to give if the kind is wrong
 * @property {string} range what to give if the value is out of range
 */

import { floatText, oneLine, reprText } from "./python_text.js";

const WHOLE = /^\s*[+-]?\d+(_\d+)*\s*$/;
const DECIMAL =
  /^\s*[+-]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)(e[+-]?\d+(_\d+)*)?\s*$/i;
const NOT_FINITE = /^\s*([+-]?)(nan|inf|infinity)\s*$/i;
const MOST_DIGITS = 4300; // of a whole number that Python reads

/** A setting that is not allowed; the message is one sentence that says what is. */
export class ConfigError extends Error {
  /** @param {string} message */
  constructor(message) {
    super(oneLine(message));
  }
}

/**
 * Return the error for a setting: its name, its value and what to give instead.
 * @param {string} name
 * @param {string} shown
 * @param {string} advice
 */
export function invalidSetting(name, shown, advice) {
  return new ConfigError(`${name} is ${shown}: ${advice}.`);
}

/**
 * Return new settings with their types, given as values or as text. Throws ConfigError
 * if one has no control, cannot be read or is out of range.
 * @param {Record<string, any>} settings
 * @param {Record<string, Limit>} limits
 */
export function checkedSettings(settings, limits) {
  const names = Object.keys(limits).join(", ");
  for (const name of Object.keys(settings))
    if (!Object.hasOwn(limits, name))
      throw new ConfigError(`${name} has no control: give dataset, ${names}.`);
  const entries = Object.entries(settings);
  return Object.fromEntries(
    entries.map(([name, given]) => [name, checkedSetting(name, given, limits[name])]),
  );
}

/**
 * Return the value of each control.
 * @param {string} dataset
 * @param {Record<string, any>} settings
 * @param {Record<string, Limit>} limits
 */
export function controlValues(dataset, settings, limits) {
  const values = Object.keys(limits).map((name) => [name, settings[name]]);
  const seed = String(settings.seed); // as a number it would be rounded
  return { ...Object.fromEntries(values), seed, dataset };
}

/**
 * Return a setting, given as a value or as text. A whole number that JavaScript would
 * round stays text.
 * @param {string} name
 * @param {any} given
 * @param {Limit} limit
 */
function checkedSetting(name, given, limit) {
  if (limit.kind === "choice") {
    if (limit.values.includes(given)) return given;
    throw invalidSetting(name, reprText(given), limit.expected);
  }
  const isWhole = limit.kind === "int";
  const value = isWhole ? wholeNumber(given) : decimalNumber(given);
  if (value === null) throw invalidSetting(name, reprText(given), limit.expected);

  const read = typeof value === "bigint" ? String(value) : floatText(value);
  const shown = typeof given === "string" ? read : reprText(given);
  const edge = (/** @type {string} */ text) => (isWhole ? BigInt(text) : Number(text));
  const tooSmall =
    limit.above === null ? value < edge(limit.least) : value <= edge(limit.above);
  if (tooSmall || value > edge(limit.most))
    throw invalidSetting(name, shown, limit.range);
  if (Number.isNaN(value)) throw invalidSetting(name, shown, "give a finite number");
  return isWhole && Number.isSafeInteger(Number(value)) ? Number(value) : asText(value);
}

/**
 * Return a number as it is, a large whole number as text.
 * @param {number | bigint} value
 */
function asText(value) {
  return typeof value === "bigint" ? String(value) : value;
}

/** Return a whole number; null if it is none. @param {any} given */
function wholeNumber(given) {
  const text = typeof given === "number" ? String(given) : given;
  if (typeof text !== "string" || !WHOLE.test(text)) return null;
  const digits = text.replace(/[+_\s]/g, "");
  return digits.replace("-", "").length > MOST_DIGITS ? null : BigInt(digits);
}

/** Return a number, which may not be finite; null if it is none. @param {any} given */
function decimalNumber(given) {
  if (typeof given === "number") return given;
  if (typeof given !== "string") return null;
  const [, sign, word] = NOT_FINITE.exec(given) ?? [];
  if (word) return word.toLowerCase() === "nan" ? NaN : Number(`${sign}Infinity`);
  return DECIMAL.test(given) ? Number(given.replaceAll("_", "")) : null;
}
