/**
 * A Playground that trains in the page: the model of its panel has a worker where a
 * notebook has a kernel. Engine and images are loaded when training is asked for.
 */

import { load, pageModel } from "./state.js";

/** @typedef {import("./parts/events.js").Model} Model */
/** @typedef {import("./engine/worker.js").Port} Port */

const PIECE = 10_000; // images of a file
const SAYS_WHY = "To train it in JupyterLab instead, open this chapter there.";

/** @type {Map<string, Model>} explorers by the names of the panels that they follow */
const explorers = new Map();

/**
 * Return the model of an explorer that shows what a panel trains.
 * @param {Record<string, any>} state
 * @param {string} panel name of the state of the panel
 */
export function followingModel(state, panel) {
  const model = pageModel(state);
  explorers.set(panel, model);
  return model;
}

/**
 * Return the model of a panel that trains in the page.
 * @param {Record<string, any>} state of the panel, with the rules of its controls
 * @param {string} name of the state
 * @returns {Model}
 */
export function trainingModel({ rules, ...state }, name) {
  const model = pageModel(state);
  /** @type {Promise<Port> | undefined} */
  let opened;

  /** @param {Record<string, unknown>} more */
  const note = (more) => model.set("frame", { ...model.get("frame"), ...more });

  /** @param {{ name: string, count: number }} asked */
  async function images({ name: dataset, count }) {
    const n = rules.pieces[dataset];
    const used = count ? Math.min(n, Math.ceil(count / PIECE)) : n;
    const file = `images/${dataset.replaceAll(/\W+/g, "-")}`;
    const files = Array.from({ length: used }, (_, i) => `${file}-${i}`);
    note({ note: "Loading the images …", message: "" });
    const [about, ...train] = await Promise.all([`${file}-test`, ...files].map(load));
    return { ...about, train: train.map((piece) => piece.images) };
  }

  /** Say why nothing is trained; Train tries it again. @param {string} message */
  function fail(message) {
    opened = undefined;
    note({ message: `${message}. ${SAYS_WHY}`, note: "", running: false });
  }

  /** @param {Port} port */
  function listen(port) {
    port.onmessage = async ({
      data: { load: asked, error, explorer, here, ...changes },
    }) => {
      if (asked) {
        const answer = await images(asked).catch(({ message }) => ({ error: message }));
        port.postMessage({ images: answer }, []);
      }
      if (error) fail(error);
      for (const [trait, value] of Object.entries(changes)) model.set(trait, value);
      const follower = explorers.get(name);
      if (explorer && follower)
        for (const [trait, value] of Object.entries(explorer))
          follower.set(trait, value);
    };
    const tell = () => port.postMessage({ hidden: document.hidden }, []);
    document.addEventListener("visibilitychange", tell);
    port.postMessage({ rules }, []);
    return port;
  }

  return {
    ...model,
    trains: true,
    async send(message) {
      if (message.do === "hello") return model.emit("msg:custom", { here: true });
      try {
        opened ??= load("engine").then(openPort).then(listen);
        (await opened).postMessage(message, []);
      } catch (error) {
        fail(/** @type {Error} */ (error).message);
      }
    },
  };
}

/**
 * Return a port to the engine, in a worker or, where that is refused, on the page.
 * @param {() => { serve: (port: any) => void }} engine
 * @returns {Promise<Port>}
 */
async function openPort(engine) {
  try {
    const text = `const { serve } = (${engine})(); serve(self); postMessage(0);`;
    const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    const worker = new Worker(address);
    await new Promise((resolve, reject) => {
      worker.onmessage = resolve;
      worker.onerror = reject;
    });
    return worker;
  } catch {
    const { port1, port2 } = new MessageChannel();
    engine().serve(port1);
    return port2;
  }
}
