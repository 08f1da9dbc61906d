/**
 * What a reader takes home from a training in the page: the weights, the log, and the
 * command and the lines of Python that repeat it.
 */

import { floatText, reprText } from "./python_text.js";

/**
 * @typedef {import("./session.js").RunSettings} RunSettings
 * @typedef {import("./session.js").Session} Session
 */

const LOG_DIGITS = 6;
const UNSAFE = /[^\w@%+=:,./-]/; // in a word of a shell, as shlex.quote of Python

/**
 * Return a file of the format safetensors, which vaelib.load and plain PyTorch read:
 * the length of the header, the header, and the weights by torch's names.
 *
 * Source: https://huggingface.co/docs/safetensors.
 * @param {Session} session
 */
export function safetensors({ settings, state, data }) {
  const parameters = Object.entries(state.vae.parameters);
  const config = jsonOf(settings);
  /** @type {Record<string, any>} */
  const header = {
    __metadata__: { format: "pt", config, shape: JSON.stringify(data.shape) },
  };
  let size = 0;
  for (const [name, { shape, data }] of parameters) {
    const start = size;
    size += data.byteLength;
    header[name] = { dtype: "F32", shape, data_offsets: [start, size] };
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const first = 8 + Math.ceil(text.length / 8) * 8; // padded with spaces
  const bytes = new Uint8Array(first + size).fill(0x20, 8, first);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(first - 8), true);
  bytes.set(text, 8);
  for (const [name, { data }] of parameters) {
    const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    bytes.set(raw, first + header[name].data_offsets[0]);
  }
  return bytes;
}

/** Return settings as JSON, with the seed as a number. @param {RunSettings} settings */
function jsonOf(settings) {
  return JSON.stringify(settings).replace(/"seed":"(\d+)"/, '"seed":$1');
}

/** Return the run's train_log.csv. @param {Pick<Session, "ends">} session */
export function logCsv({ ends }) {
  const rows = ends.map(logRow);
  const columns = Object.keys(logRow(/** @type {any} */ ({})));
  const lines = rows.map(({ epoch, ...others }) => {
    const rounded = Object.values(others).map((value) =>
      floatText(Number(value.toFixed(LOG_DIGITS))),
    );
    return [epoch, ...rounded];
  });
  return [columns, ...lines].map((line) => `${line.join(",")}\n`).join("");
}

/** Return a row of the log. @param {import("./trainer.js").EpochEnd} end */
function logRow({ epoch, beta, recon, kl, train_recon, train_kl, seconds, ...totals }) {
  const { total = recon + beta * kl } = totals;
  const { train_total = train_recon + beta * train_kl } = totals;
  const training = { train_recon, train_kl, train_total, seconds };
  return { epoch, beta, recon, kl, total, neg_elbo: recon + kl, ...training };
}

/**
 * Return the command that repeats a run, changes of beta included.
 * @param {RunSettings} settings
 * @param {RunSettings} defaults of TrainConfig
 */
export function command(settings, defaults) {
  const words = changed(settings, defaults).flatMap(([name, value]) => {
    const flag = name.replaceAll("_", "-");
    if (typeof value === "boolean") return [`--${value ? "" : "no-"}${flag}`];
    const text = Array.isArray(value) ? value.join() || "0" : String(value);
    const separator = text.startsWith("-") ? "=" : " "; // else it would be a flag
    return [`--${flag}${separator}${quoted(text)}`];
  });
  return ["vaelib train", ...words].join(" ");
}

/**
 * Return the lines of Python that repeat a run, changes of beta included.
 * @param {RunSettings} settings
 * @param {RunSettings} defaults of TrainConfig
 */
export function python(settings, defaults) {
  const lines = changed(settings, defaults).map(([name, value]) => {
    const text = name === "seed" ? String(value) : reprText(value);
    return `    ${name}=${text},\n`;
  });
  const config = lines.length ? `\n${lines.join("")}` : "";
  return [
    "from vaelib import TrainConfig\n",
    "from vaelib.train import train\n\n",
    `config = TrainConfig(${config})\n`,
    "run = train(config)\n",
  ].join("");
}

/**
 * Return the settings that are not the defaults.
 * @param {RunSettings} settings
 * @param {RunSettings} defaults
 */
function changed(settings, defaults) {
  return Object.entries(settings).filter(
    ([name, value]) => String(value) !== String(defaults[name]),
  );
}

/** Return text as one word of a shell. @param {string} text */
function quoted(text) {
  if (text && !UNSAFE.test(text)) return text;
  return `'${text.replaceAll("'", `'"'"'`)}'`;
}
