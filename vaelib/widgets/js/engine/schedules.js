/**
 * Beta and the learning rate as pure functions of the step, as in vaelib.schedules and
 * `schedule` of vaelib.training. Steps count from 0.
 *
 * @typedef {object} BetaSettings Fields of TrainConfig.
 * @property {number} beta
 * @property {string} beta_changes
 * @property {"none" | "linear" | "cyclic"} beta_schedule
 * @property {number} beta_warmup
 * @property {number} beta_cycles
 * @property {number} beta_ratio
 * @property {"sum" | "mean"} reduction
 * @property {number} epochs
 *
 * @typedef {object} RateSettings Fields of TrainConfig.
 * @property {number} lr
 * @property {"none" | "linear"} lr_schedule
 * @property {number} lr_warmup
 * @property {number} epochs
 */

/**
 * Return the weight of the KL term at `step`, in nats per image. If the reconstruction
 * is a mean over pixels, the KL weighs `pixels` times as much.
 * @param {BetaSettings} settings
 * @param {number} step
 * @param {number} stepsPerEpoch
 * @param {number} pixels
 */
export function betaAt(settings, step, stepsPerEpoch, pixels) {
  const unit = settings.reduction === "mean" ? pixels : 1;
  return latestBeta(settings, step) * unit * betaFactor(settings, step, stepsPerEpoch);
}

/**
 * Return `beta` at step 0 and each later value with its first step, in the order of
 * the settings.
 * @param {Pick<BetaSettings, "beta" | "beta_changes">} settings
 * @returns {Map<number, number>}
 */
export function betaByStep({ beta, beta_changes }) {
  const values = new Map([[0, beta]]);
  for (const change of beta_changes.split(",").filter(Boolean)) {
    const [step, value] = change.split(":").map(Number);
    values.set(step, value);
  }
  return values;
}

/**
 * Return beta without its schedule: the one that was set last, at `step` or before it.
 * @param {BetaSettings} settings
 * @param {number} step
 */
function latestBeta(settings, step) {
  const past = [...betaByStep(settings)].filter(([first]) => first <= step);
  const [, beta] = past.reduce((a, b) => (b[0] > a[0] ? b : a));
  return beta;
}

/**
 * Return the factor of beta's schedule, in [0, 1]: a rise over the warm-up (Sønderby et
 * al. 2016), or in each of some cycles (Fu et al. 2019, equations (6) and (7)).
 * @param {BetaSettings} settings
 * @param {number} step
 * @param {number} stepsPerEpoch
 */
function betaFactor(settings, step, stepsPerEpoch) {
  if (settings.beta_schedule === "linear")
    return Math.min(1, step / (settings.beta_warmup * stepsPerEpoch));
  if (settings.beta_schedule === "none") return 1;
  const cycle = (settings.epochs * stepsPerEpoch) / settings.beta_cycles;
  return Math.min(1, (step % Math.ceil(cycle)) / cycle / settings.beta_ratio);
}

/**
 * Return the learning rate at `step`. "linear" is a rise during the first share
 * `lr_warmup` of all steps, then a fall to 0, taken at the middle of the step.
 * @param {RateSettings} settings
 * @param {number} step
 * @param {number} stepsPerEpoch
 */
export function learningRate(settings, step, stepsPerEpoch) {
  const { lr, lr_schedule, lr_warmup, epochs } = settings;
  if (lr_schedule === "none") return lr;
  const t = (step + 0.5) / (epochs * stepsPerEpoch);
  return lr * (t < lr_warmup ? t / lr_warmup : (1 - t) / (1 - lr_warmup));
}
