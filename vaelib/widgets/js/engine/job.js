/**
 * A training that is watched and controlled by messages, as Playground of
 * vaelib.widgets: the page cannot tell which of both it talks to.
 *
 * @typedef {import("./session.js").RunSettings} RunSettings
 * @typedef {import("./session.js").PageImages} PageImages
 *
 * @typedef {object} Rules What `rules` of vaelib.widgets.panel returns.
 * @property {RunSettings} settings at the start
 * @property {RunSettings} defaults of TrainConfig
 * @property {string} dataset name of the data at the start
 * @property {Record<string, Partial<RunSettings>>} datasets settings of each
 * @property {Record<string, any[]>} choices values of each menu
 * @property {Record<string, import("./limits.js").Limit>} limits of each control
 *
 * @typedef {(name: string, settings: RunSettings) => PageImages | Promise<PageImages>}
 *   Load Return the images of the menu's data, or throw an error.
 *
 * @typedef {(changes: Record<string, any>) => void} Emit Receive new values of the
 *   traits of Panel, {explorer: those of LatentExplorer}, {keep: a run to add to those
 *   that are kept}, or {here: true}, the answer to "hello".
 */

import { bytesOf, viewOf } from "./bytes.js";
import { checkCures } from "./cures.js";
import {
  checkedSettings,
  ConfigError,
  controlValues,
  invalidSetting,
} from "./limits.js";
import { explorerImages, explorerState } from "./packing.js";
import { reprText } from "./python_text.js";
import { Session } from "./session.js";
import { command, logCsv, python, safetensors } from "./take_away.js";

/** @typedef {import("./session.js").GhostCurve} GhostCurve */

// Milliseconds between two updates of the panel, and between two sets of weights. For
// large models these are longer: most of the time is for training.
const [REFRESH_PERIOD, WEIGHTS_PERIOD] = [75, 500];
const MAX_GHOSTS = 4; // curves of earlier models that stay in sight

export class TrainingJob {
  /**
   * @param {Rules} rules
   * @param {PageImages} data those that are named at the start
   * @param {Load} load
   * @param {Emit} emit
   * @param {boolean} useWasm
   */
  constructor(rules, data, load, emit, useWasm = true) {
    const { settings, dataset, choices } = rules;
    this.rules = rules;
    this.load = load;
    this.emit = emit;
    this.useWasm = useWasm;
    this.loaded = new Map([[imagesName(dataset, settings), data]]);

    /** @type {(() => unknown)[]} */
    this.commands = []; // that take effect before the next update
    this.updatesLeft = 0;
    this.refreshDue = 0; // times of performance.now()
    this.weightsDue = 0;
    this.message = "";
    /** @type {GhostCurve[]} */
    this.ghosts = [];
    this.kept = 0; // runs that were sent to the page
    /** @type {{ session: Session, settings: RunSettings } | null} */
    this.former = null; // what undo brings back

    this.settings = settings;
    this.session = new Session(settings, data, dataset, useWasm);
    this.started = { at: performance.now(), step: 0 }; // for images per second
    emit({ choices, ghosts: [], kept: [], ...this.imagesOfSession() });
    this.refresh();
  }

  /** Whether there are commands to execute, or updates to make, or a test to finish. */
  get isBusy() {
    return this.commands.length > 0 || this.updatesLeft > 0 || this.session.isTesting;
  }

  /**
   * Handle a message of the page: a button, or controls.
   * @param {{ do?: string, set?: Record<string, any> }} message
   */
  receive({ do: name, set: settings }) {
    const setUpdates = (/** @type {number} */ n) => () => this.setUpdates(n);
    const newSession = () => this.startSession(this.session.name, this.settings);
    /** @type {Record<string, (() => unknown)[]>} */
    const actions = {
      train: [setUpdates(Infinity)],
      pause: [setUpdates(0)],
      step: [setUpdates(1)],
      reset: [setUpdates(0), newSession],
      undo: [setUpdates(0), () => this.showFormer()],
      keep: [() => this.keep()],
    };
    if (name === "hello") this.emit({ here: true });
    else if (name && Object.hasOwn(actions, name)) this.commands.push(...actions[name]);
    else if (settings) this.commands.push(() => this.applySettings({ ...settings }));
  }

  /**
   * Execute the waiting commands, and make one update or test one mini-batch; refresh
   * the page if due.
   */
  async turn() {
    try {
      while (this.commands.length) {
        this.refreshDue = 0; // the effect of a command is shown at once
        await this.commands.shift()?.();
      }
      const { session } = this;
      if (session.isTesting) {
        session.turn();
      } else if (this.updatesLeft) {
        session.turn();
        this.updatesLeft--;
      }
      if (session.finished) this.updatesLeft = 0;
      if (!this.isBusy || performance.now() >= this.refreshDue) this.refresh();
    } catch (error) {
      this.fail(/** @type {Error} */ (error));
    }
  }

  /**
   * Show an error, and stop training. A setting that is refused changes nothing: then
   * training goes on.
   * @param {Error} error
   */
  fail(error) {
    this.message = error.message;
    if (!(error instanceof ConfigError)) this.updatesLeft = 0;
    this.refresh();
  }

  /** Set the number of updates to make from now on. @param {number} updates */
  setUpdates(updates) {
    const { finished } = this.session;
    if (updates && !finished) this.message = "";
    this.updatesLeft = finished ? 0 : updates;
    this.startClock();
  }

  /**
   * Use new settings; if one of them is not valid, use none.
   * @param {Record<string, any>} given
   */
  async applySettings({ dataset = this.session.name, ...given }) {
    const { datasets, limits } = this.rules;
    if (!Object.hasOwn(datasets, dataset)) {
      const advice = `give one of ${Object.keys(datasets).join(", ")}`;
      throw invalidSetting("dataset", reprText(dataset), advice);
    }
    const checked = checkedSettings(given, limits);
    const settings = { ...this.settings, ...datasets[dataset], ...checked };
    checkCures(settings, this.rules.defaults);
    const images = imagesName(dataset, settings);
    if (!this.loaded.has(images))
      this.loaded.set(images, await this.load(dataset, settings));

    const isNewModel = Object.keys(given).some((name) => name !== "beta");
    if (isNewModel || dataset !== this.session.name) {
      this.startSession(dataset, settings);
    } else {
      [this.settings, this.message] = [settings, ""];
      this.session.changeBeta(settings.beta);
      this.emit({ settings: this.shownSettings() }); // pictures follow an update
    }
  }

  /** Start a new model. @param {string} name @param {RunSettings} settings */
  startSession(name, settings) {
    const data = /** @type {PageImages} */ (
      this.loaded.get(imagesName(name, settings))
    );
    const session = new Session(settings, data, name, this.useWasm);
    this.showSession(session, settings);
  }

  /** Go back to the former model, if there is one. */
  showFormer() {
    if (this.former) this.showSession(this.former.session, this.former.settings);
  }

  /**
   * Replace the model. The old one, if trained, can be had back.
   * @param {Session} session
   * @param {RunSettings} settings
   */
  showSession(session, settings) {
    const [old, ghost] = [this.session, session.ghost()];
    const ghosts = old.points.length ? [...this.ghosts, old.ghost()] : this.ghosts;
    this.ghosts = ghosts.filter((other) => !isSame(other, ghost)).slice(-MAX_GHOSTS);
    if (old.state.step) this.former = { session: old, settings: this.settings };
    else if (this.former?.session === session) this.former = null;

    [this.session, this.settings, this.message] = [session, settings, ""];
    this.emit({ ghosts: this.ghosts, ...this.imagesOfSession() });
    this.startClock();
  }

  /** Send the model, and its terms on the test images, for the list of kept ones. */
  keep() {
    const { session } = this;
    const { recon, kl } = session.evaluate();
    const path = `run-${String(++this.kept).padStart(3, "0")}`;
    const about = { path, label: session.label, step: session.state.step };
    const given = /** @type {const} */ ([session.settings, this.rules.defaults]);
    const repeat = { command: command(...given), python: python(...given) };
    const terms = { recon, kl, neg_elbo: recon + kl };
    const files = {
      [`${path}.safetensors`]: viewOf(safetensors(session)),
      [`${path}.csv`]: viewOf(new TextEncoder().encode(logCsv(session))),
    };
    this.emit({ keep: { ...about, ...repeat, files, ...terms } });
  }

  // What is shown

  /** Begin to measure the images per second. */
  startClock() {
    this.started = { at: performance.now(), step: this.session.state.step };
  }

  /**
   * Return the images per second since the last start; 0 while paused.
   * @param {number} now
   */
  rate(now) {
    const { at, step } = this.started;
    if (!this.updatesLeft || now === at) return 0;
    const images = (this.session.state.step - step) * this.settings.batch_size;
    return Math.round((1000 * images) / (now - at));
  }

  /** Return the traits that belong to the data. */
  imagesOfSession() {
    const { session } = this;
    const explorer = { ...explorerState(session), test: explorerImages(session) };
    return { fixed: session.testImages(), explorer };
  }

  /** Return the values of the controls, and beta over the whole run. */
  shownSettings() {
    const { session, settings, rules } = this;
    const controls = controlValues(session.name, settings, rules.limits);
    return { ...controls, plan: session.plan };
  }

  /** Bring the page up to date with the last update. */
  refresh() {
    const { session, emit } = this;
    const message = this.message || session.failure;
    const now = performance.now();
    const kl = session.meanKl();
    const running = this.updatesLeft > 0;
    const former = this.former?.session.summary ?? "";
    emit({
      settings: this.shownSettings(),
      curve: session.curve(),
      pictures: session.pictures(kl),
      frame: {
        ...session.status(),
        ...{ running, rate: this.rate(now), message, kl, former },
      },
    });
    const shown = performance.now();
    this.refreshDue = shown + Math.max(REFRESH_PERIOD, 2 * (shown - now));
    if (running && now < this.weightsDue) return;
    emit({ explorer: explorerState(session) });
    const sent = performance.now();
    this.weightsDue = sent + Math.max(WEIGHTS_PERIOD, 10 * (sent - shown));
  }
}

/**
 * Return a name for images of a data set.
 * @param {string} name
 * @param {RunSettings} settings
 */
function imagesName(name, { train_images }) {
  return `${name} ${train_images}`;
}

/** Return whether two curves are equal. @param {GhostCurve} a @param {GhostCurve} b */
function isSame(a, b) {
  const [these, those] = [bytesOf(a.curve), bytesOf(b.curve)];
  return (
    [a.label, a.unit, these.length].join() === [b.label, b.unit, those.length].join() &&
    these.every((byte, i) => byte === those[i])
  );
}
