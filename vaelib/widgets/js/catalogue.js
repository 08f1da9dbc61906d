/** The trained models to choose among, and the address that names one of them. */

import { shortestDecimal } from "./engine/numbers.js";

/**
 * @typedef {object} Entry
 * @property {number} beta
 * @property {string} loss
 * @property {number} latents
 * @property {string} model its networks, "mlp" or "conv"
 * @property {string} file
 */
/** @typedef {"beta" | "loss" | "latents" | "model"} Setting */

const SETTINGS = /** @type {const} */ (["beta", "loss", "latents", "model"]);
export const SETTING_LABELS = {
  beta: "β",
  loss: "Loss",
  latents: "Latents",
  model: "Networks",
};
const LARGEST_Z = 100; // a z in the address with a larger number is ignored

/** Return a model in words. @param {Entry} entry */
export function entryTitle({ beta, loss, latents, model }) {
  return `β = ${beta}, ${loss}, ${latents} latents${model === "conv" ? ", conv" : ""}`;
}

/** Return the settings in which models differ. @param {Entry[]} entries */
export function settingsOf(entries) {
  return SETTINGS.filter((name) => valuesOf(entries, name).length > 1);
}

/**
 * Return the values of one setting in all models.
 * @param {Entry[]} entries
 * @param {Setting} setting
 */
export function valuesOf(entries, setting) {
  return [...new Set(entries.map((entry) => entry[setting]))];
}

/**
 * Return the model that has most of these settings.
 * @param {Entry[]} entries
 * @param {Record<Setting, string | number>} settings
 */
export function mostLike(entries, settings) {
  const same = (/** @type {Entry} */ entry) =>
    SETTINGS.filter((name) => entry[name] === settings[name]).length;
  return entries.reduce((best, entry) => (same(entry) > same(best) ? entry : best));
}

/**
 * Return the value of a setting that is nearest to a text: the nearest number, or
 * undefined for words that are none of the values.
 * @param {(string | number)[]} values
 * @param {string} text
 */
function nearestValue(values, text) {
  const distance = (/** @type {string | number} */ value) =>
    String(value) === text ? 0 : Math.abs(Number(value) - Number(text));
  const known = values.filter((value) => text.trim() && distance(value) < Infinity);
  return known.sort((a, b) => distance(a) - distance(b)).at(0);
}

/**
 * Return the models and the point that the query of an address names, and what to tell
 * the reader about it. A setting that is missing or no such word is that of `first`; a
 * number that no model has becomes the nearest one; a z that does not fit is ignored.
 * `beside` is the second of two models, ?beside=BETA,LOSS,LATENTS,MODEL, or null.
 * @param {string} query
 * @param {Entry[]} entries
 * @param {Entry} first
 */
export function readQuery(query, entries, first) {
  const parameters = new URLSearchParams(query);
  const { entry, note } = readEntry(parameters, entries, first);
  const texts = parameters.get("beside")?.split(",");
  const second = new URLSearchParams(
    settingsOf(entries).map((name, i) => [name, texts?.[i] ?? ""]),
  );
  const other = texts ? readEntry(second, entries, entry) : { entry: null, note: "" };

  return {
    entry,
    beside: other.entry,
    z: readPoint(query, entry.latents),
    note: `${note} ${other.note}`.trim(),
  };
}

/**
 * Return the point z that the query of an address names, or [] if it has none with so
 * many numbers.
 * @param {string} query
 * @param {number} latents
 */
export function readPoint(query, latents) {
  const numbers = (new URLSearchParams(query).get("z") ?? "").split(",");
  const z = numbers.map((text) => (text ? Number(text) : NaN));
  const isValid =
    z.length === latents && z.every((value) => Math.abs(value) < LARGEST_Z);
  return isValid ? z : [];
}

/**
 * Return the model that is nearest to these settings, and how it differs.
 * @param {URLSearchParams} parameters
 * @param {Entry[]} entries
 * @param {Entry} first
 */
function readEntry(parameters, entries, first) {
  const settings = { ...first };
  for (const name of settingsOf(entries)) {
    const value = nearestValue(valuesOf(entries, name), parameters.get(name) ?? "");
    if (value !== undefined) Object.assign(settings, { [name]: value });
  }
  const entry = mostLike(entries, settings);

  const others = settingsOf(entries).filter((name) => {
    const text = parameters.get(name);
    return text && String(entry[name]) !== text && Number(text) !== entry[name];
  });
  const asked = others.map((name) => `${name} = ${shortened(parameters.get(name))}`);
  const shown = others.map((name) => `${name} = ${entry[name]}`);
  const note = `No such model: ${asked.join(", ")}. The nearest is shown: `;
  return { entry, note: others.length ? `${note}${shown.join(", ")}.` : "" };
}

/** Return a text, or its beginning if it is long. @param {string | null} text */
function shortened(text) {
  return text && text.length > 20 ? `${text.slice(0, 20)} …` : text;
}

/**
 * Return an address that names one or two models and a point; other parameters stay.
 * @param {string} address
 * @param {Setting[]} settings those in which models differ
 * @param {Entry} entry
 * @param {Entry | null} beside the second model
 * @param {number[]} z empty if the address names no point
 */
export function addressOf(address, settings, entry, beside, z) {
  const url = new URL(address);
  for (const name of settings) url.searchParams.set(name, String(entry[name]));
  const second = beside && settings.map((name) => beside[name]).join(",");
  if (second) url.searchParams.set("beside", second);
  else url.searchParams.delete("beside");
  return withPoint(url.href, z);
}

/**
 * Return an address that names a point; all else in it stays.
 * @param {string} address
 * @param {number[]} z empty if the address shall name no point
 */
export function withPoint(address, z) {
  const url = new URL(address);
  if (z.length) url.searchParams.set("z", z.map(shortestDecimal).join(","));
  else url.searchParams.delete("z");
  return url.href.replaceAll("%2C", ",");
}
