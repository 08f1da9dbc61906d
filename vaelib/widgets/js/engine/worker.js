/**
 * Training in a worker, or on the page in slices where there can be none: messages of
 * the page come in through a port, new values of the panel go out.
 *
 * The page sends {rules} first, {images} when it is asked for them, {hidden}, and then
 * what its panel sends. It gets {load}, the images that are missing, {error}, and what
 * TrainingJob emits.
 *
 * @typedef {object} Port A worker's global scope, or one end of a MessageChannel.
 * @property {(message: any, transfer: Transferable[]) => void} postMessage
 * @property {((event: MessageEvent) => void) | null} onmessage
 *
 * @typedef {import("./job.js").Rules} Rules
 * @typedef {import("./job.js").PageImages} PageImages
 */

import { binarized } from "./draws.js";
import { TrainingJob } from "./job.js";
import { product } from "./numbers.js";
import { unzipped } from "./unzip.js";

/** @param {Port} port */
export function serve(port) {
  /** @type {TrainingJob | undefined} */
  let job;
  /** @type {any[]} */
  const early = []; // messages that came before the images
  let [isHidden, isTurning] = [false, false];
  /** @type {(answer: any) => void} */
  let receiveImages = () => {};

  /** @param {string} name @param {import("./session.js").RunSettings} settings */
  async function load(name, settings) {
    const answer = await new Promise((/** @type {(answer: any) => void} */ resolve) => {
      receiveImages = resolve;
      port.postMessage({ load: { name, count: settings.train_images } }, []);
    });
    if (answer.error) throw new Error(answer.error);
    const { train, test, ...about } = answer;
    const pixels = product(about.shape);
    const [all, tested] = await Promise.all([train, test].map(unzipped));
    const used = settings.train_images * pixels || all.length;
    const drawn = binarized(all.subarray(0, used), tested, settings.binarize);
    return { ...about, pixels, ...drawn };
  }

  /** @param {Rules} rules */
  async function start(rules) {
    const emit = (/** @type {Record<string, any>} */ changes) =>
      port.postMessage(changes, []);
    try {
      const data = await load(rules.dataset, rules.settings);
      job = new TrainingJob(rules, data, load, emit);
      for (const message of early.splice(0)) job.receive(message);
    } catch (error) {
      port.postMessage({ error: /** @type {Error} */ (error).message }, []);
    }
  }

  /** Make turns until nothing is left to do, or the page is hidden. */
  async function turnOn() {
    if (isTurning) return;
    isTurning = true;
    while (job?.isBusy && !isHidden) {
      await job.turn();
      await messages();
    }
    isTurning = false;
  }

  port.onmessage = async ({ data: message }) => {
    if (message.images) return receiveImages(message.images);
    if ("hidden" in message) isHidden = message.hidden;
    else if (message.rules) await start(message.rules);
    else if (job) job.receive(message);
    else early.push(message);
    await turnOn();
  };
}

/**
 * Return when the messages that wait have been handled. A timer would wait 4 ms.
 * @returns {Promise<void>}
 */
function messages() {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });
}
