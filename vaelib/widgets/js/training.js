/**
 * A Playground that trains in the page: the model of its panel has a worker where a
 * notebook has a kernel. Engine and images are loaded when training is asked for.
 */

import { addressFollower, changedRules, linkedRules } from "./address.js";
import { controlValues } from "./engine/limits.js";
import { words } from "./parts/words.js";
import { load, pageModel } from "./state.js";

/** @typedef {import("./parts/events.js").Model} Model */
/** @typedef {Worker | MessagePort} EnginePort */

const SAYS_WHY = words`To train it in JupyterLab instead, open this chapter there.`;

// Of each panel, by the name of its state: the explorer that follows it, and what an
// explorer shows of the model that it has trained.
/** @type {Map<string, Model>} */
const explorers = new Map();
/** @type {Map<string, Record<string, any>>} */
const trained = new Map();

/** @type {Set<EnginePort>} engines that stand still while the page is hidden */
const ports = new Set();
document.addEventListener("visibilitychange", () => ports.forEach(tellVisibility));

/** @param {EnginePort} port */
function tellVisibility(port) {
  port.postMessage({ hidden: document.hidden });
}

/**
 * Return the model of an explorer that shows what a panel trains, or has trained.
 * @param {Record<string, any>} state
 * @param {string} panel name of the state of the panel
 */
export function followingModel(state, panel) {
  const model = pageModel({ ...state, ...trained.get(panel) });
  explorers.set(panel, model);
  return model;
}

/**
 * Return the model of a panel that trains in the page. Its controls show what will be
 * trained, and the rest of it what was saved.
 * @param {Record<string, any>} state of the panel, with the rules of its controls
 * @param {string} name of the state
 * @returns {Model}
 */
export function trainingModel({ rules: given, ...state }, name) {
  let rules = linkedRules(given, location.search);
  const [first, settings] = [given, rules].map(shownValues);
  const followAddress = addressFollower(first, settings);
  const model = pageModel({ ...state, choices: rules.choices, settings });
  /** @type {Promise<EnginePort> | undefined} */
  let opened;

  /** @param {Record<string, unknown>} more */
  const note = (more) => model.set("frame", { ...model.get("frame"), ...more });

  /**
   * Show changed settings at once: the engine answers when it has their images, and is
   * given them if it has not begun.
   * @param {Record<string, any>} changes
   */
  function showChange(changes) {
    const { plan, ...shown } = model.get("settings");
    try {
      rules = changedRules(rules, { ...shown, ...changes });
    } catch {
      return; // the engine says what is allowed
    }
    model.set("settings", { plan, ...shownValues(rules) });
  }

  /** @param {{ name: string, count: number }} asked */
  async function images({ name: dataset, count }) {
    const { pieces, piece } = given;
    const n = pieces[dataset];
    const used = count ? Math.min(n, Math.ceil(count / piece)) : n;
    const file = `images/${dataset.replaceAll(/\W+/g, "-")}`;
    const files = Array.from({ length: used }, (_, i) => `${file}-${i}`);
    note({ note: words`Loading the images …`, message: "" });
    const [about, ...train] = await Promise.all([`${file}-test`, ...files].map(load));
    return { ...about, train: train.map(({ images }) => images) };
  }

  /** Say why nothing is trained; Train tries it again. @param {string} message */
  function fail(message) {
    opened?.then(close, () => {}); // an engine that was not opened needs no end
    opened = undefined;
    note({ message: `${message}. ${SAYS_WHY}`, note: "", running: false });
  }

  /** @param {Record<string, any>} weights and what else an explorer shows */
  function showInExplorer(weights) {
    trained.set(name, { ...trained.get(name), ...weights });
    for (const [trait, value] of Object.entries(weights))
      explorers.get(name)?.set(trait, value);
  }

  /** @param {EnginePort} port */
  function listen(port) {
    port.onmessage = async ({
      data: { load: asked, error, explorer, keep, here, ...changes },
    }) => {
      if (asked) {
        const answer = await images(asked).catch(({ message }) => ({ error: message }));
        port.postMessage({ images: answer });
      }
      if (error) fail(error);
      for (const [trait, value] of Object.entries(changes)) model.set(trait, value);
      if (changes.settings) followAddress(changes.settings);
      if (keep) model.set("kept", [...model.get("kept"), keep]);
      if (explorer) showInExplorer(explorer);
    };
    port.postMessage({ rules });
    ports.add(port);
    tellVisibility(port);
    return port;
  }

  return {
    ...model,
    trains: true,
    async send(message) {
      if (message.do === "hello") return model.emit("msg:custom", { here: true });
      if (message.set) showChange(message.set);
      try {
        opened ??= load("engine").then(openPort).then(listen);
        (await opened).postMessage(message);
      } catch (error) {
        fail(/** @type {Error} */ (error).message);
      }
    },
  };
}

/** Return the value of each control. @param {import("./engine/job.js").Rules} rules */
function shownValues({ dataset, settings, limits }) {
  return controlValues(dataset, settings, limits);
}

/**
 * Return a port to the engine, in a worker or, where that is refused, on the page.
 * @param {() => { serve: (port: any) => void }} engine
 * @returns {Promise<EnginePort>}
 */
async function openPort(engine) {
  const text = `const { serve } = (${engine})(); serve(self); postMessage(0);`;
  const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  /** @type {Worker | undefined} */
  let worker;
  try {
    const begun = (worker = new Worker(address));
    await new Promise((resolve, reject) => {
      begun.onmessage = resolve;
      begun.onerror = reject;
    });
    return begun;
  } catch {
    worker?.terminate();
    const { port1, port2 } = new MessageChannel();
    engine().serve(port1);
    return port2;
  } finally {
    URL.revokeObjectURL(address);
  }
}

/** End an engine. @param {EnginePort} port */
function close(port) {
  ports.delete(port);
  if (port instanceof MessagePort) port.close();
  else port.terminate();
}
