/** One of the models of a page: the controls that choose it, and what it shows. */

import {
  SETTING_LABELS,
  entryTitle,
  mostLike,
  settingsOf,
  valuesOf,
} from "./catalogue.js";
import { modelView } from "./model_view.js";
import { radioGroup } from "./parts/choices.js";
import { div, html } from "./parts/controls.js";
import { load } from "./state.js";

/** @typedef {import("./parts/events.js").Model} Model */
/** @typedef {import("./catalogue.js").Entry} Entry */
/** @typedef {import("./catalogue.js").Setting} Setting */
/** @typedef {ReturnType<typeof import("./parts/controls.js").statusLine>} StatusLine */

const LOADING_DELAY = 100; // milliseconds until the page says that it loads a model

/**
 * @typedef {object} ColumnEvents
 * @property {(entry: Entry, state: any) => void} [onShow] before another model is shown
 * @property {(isShown: boolean) => void} onChoose after the user has chosen one
 */

/**
 * @param {string} name such as "A"
 * @param {Entry} shown what it shows at first
 * @param {Model} model of the page
 * @param {StatusLine} status
 * @param {ColumnEvents} events
 */
export function modelColumn(name, shown, model, status, { onShow, onChoose }) {
  /** @type {Entry[]} */
  const entries = model.get("models");
  let wanted = shown; // differs from `shown` while a model is loading
  const groups = settingsOf(entries).map((setting) => {
    const { root, check } = radioGroup(
      SETTING_LABELS[setting],
      valuesOf(entries, setting),
      async (value) => onChoose(await choose(withSetting(setting, value))),
      (value) => preload(withSetting(setting, value)),
    );
    return { setting, root, check };
  });
  const view = modelView(model);
  const label = { role: "group", "aria-label": `Model ${name}` };
  const controls = html(
    "div",
    { className: "choices", ...label },
    html("b", { className: "name" }, name),
    ...groups.map((group) => group.root),
  );

  /**
   * Return the model that differs from the wanted one in one setting, or in few: not
   * every combination exists.
   * @param {Setting} setting
   * @param {string | number} value
   */
  function withSetting(setting, value) {
    const having = entries.filter((entry) => entry[setting] === value);
    return mostLike(having, wanted);
  }

  /** Load a model that may be chosen next. @param {Entry} entry */
  function preload(entry) {
    load(entry.file).catch(() => {}); // an error is shown if the model is chosen
  }

  /**
   * Show a model as soon as it is loaded; return whether it is shown. Until then, and
   * if it cannot be loaded, the page keeps the present one.
   * @param {Entry} entry
   */
  async function choose(entry) {
    wanted = entry;
    status.show("");
    if (entry === shown) return true;
    const timer = setTimeout(
      () => status.show(`Loading ${entryTitle(entry)} …`),
      LOADING_DELAY,
    );
    const state = await load(entry.file).catch(() => null);
    clearTimeout(timer);
    if (entry !== wanted) return false; // the user has chosen another one
    if (state) {
      status.show("");
      show(entry, state);
    } else {
      wanted = shown;
      checkSettings();
      const error = `${entryTitle(entry)} could not be loaded`;
      const advice = "Choose it again to try once more.";
      status.show(
        `${error}: what you see is still ${entryTitle(shown)}. ${advice}`,
        true,
      );
    }
    return Boolean(state);
  }

  function checkSettings() {
    for (const { setting, check } of groups) check(wanted[setting]);
  }

  /** @param {Entry} entry @param {any} state */
  function show(entry, state) {
    onShow?.(entry, state);
    shown = wanted = entry;
    checkSettings();
    view.show(state, model.get("axes")[entry.loss]);
  }

  return {
    controls,
    root: div("column", ...view.roots),
    choose,
    show,
    get shown() {
      return shown;
    },
  };
}
