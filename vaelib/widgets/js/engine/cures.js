/**
 * Free bits and capacity, the penalties of vaelib.collapse that replace beta * KL, and
 * which settings go together with them.
 *
 * @typedef {object} CureSettings Fields of TrainConfig.
 * @property {number} free_bits nats a latent; 0 if off
 * @property {number} capacity C, in nats; 0 if off
 * @property {number} gamma weight of |KL - C|
 * @property {number} beta_warmup epochs in which C rises from 0
 * @property {number} encoder_updates at most, before each update
 */

import { floatText, reprText, shortText } from "./python_text.js";
import { invalidSetting } from "./limits.js";

const REPLACED = ["free_bits", "beta", "beta_changes", "beta_schedule", "reduction"];

/** Return whether more is minimised than recon + beta * KL. */
export function hasPenalty(/** @type {CureSettings} */ { free_bits, capacity }) {
  return free_bits > 0 || capacity > 0;
}

/**
 * Return what is added to the mean reconstruction of some images, in nats, and its
 * derivative by the mean KL of each latent.
 * @param {CureSettings} settings
 * @param {number[]} kl mean of each latent
 * @param {number} weight beta, or with a capacity C
 */
export function penalty({ free_bits, capacity, gamma }, kl, weight) {
  const sum = (/** @type {number[]} */ values) => values.reduce((a, b) => a + b);
  if (capacity) {
    const gap = sum(kl) - weight;
    return {
      nats: gamma * Math.abs(gap),
      slopes: kl.map(() => gamma * Math.sign(gap)),
    };
  }
  const isFree = (/** @type {number} */ nats) => free_bits > 0 && nats < free_bits;
  return {
    nats: weight * sum(kl.map((nats) => (isFree(nats) ? free_bits : nats))),
    slopes: kl.map((nats) => (isFree(nats) ? 0 : weight)),
  };
}

/**
 * Return C at a step, in nats: along a line from 0.
 * @param {CureSettings} settings
 * @param {number} step
 * @param {number} stepsPerEpoch
 */
export function capacityAt({ capacity, beta_warmup }, step, stepsPerEpoch) {
  return capacity * Math.min(1, step / (beta_warmup * stepsPerEpoch));
}

/** Return the cures in a few words, each after a comma. */
export function curesLabel(
  /** @type {CureSettings} */ { free_bits, capacity, gamma, encoder_updates },
) {
  return [
    free_bits && `, free bits ${shortText(free_bits)}`,
    capacity && `, capacity ${shortText(capacity)}, γ ${shortText(gamma)}`,
    encoder_updates && `, ${encoder_updates} encoder updates`,
  ]
    .filter(Boolean)
    .join("");
}

/**
 * Throw ConfigError if capacity does not have a setting that was given, as
 * `check_cures` of vaelib.combinations.
 * @param {Record<string, any>} settings
 * @param {Record<string, any>} defaults of TrainConfig
 */
export function checkCures(settings, defaults) {
  if (!settings.capacity) return;
  for (const name of REPLACED) {
    const value = settings[name];
    if (String(value) === String(defaults[name])) continue;
    const shown = typeof value === "number" ? floatText(value) : reprText(value);
    const advice = "capacity has no such setting, leave it out";
    throw invalidSetting(name, shown, advice);
  }
}
