/**
 * Many models: beta, the loss and the number of latents choose one of the models that
 * the book has trained. Everything is computed in the browser.
 */

import {
  SETTINGS,
  SETTING_LABELS,
  addressOf,
  entryTitle,
  findEntry,
  readQuery,
  valuesOf,
} from "./catalogue.js";
import { explorer } from "./explorer.js";
import { modelView } from "./model_view.js";
import { radioGroup } from "./parts/choices.js";
import { div, html, statusLine } from "./parts/controls.js";
import { debounce } from "./parts/events.js";
import { load, pageModel } from "./state.js";

/** @typedef {import("./parts/events.js").Model} Model */
/** @typedef {import("./catalogue.js").Entry} Entry */
/** @typedef {import("./catalogue.js").Setting} Setting */

const LOADING_DELAY = 100; // milliseconds until the page says that it loads a model
const ADDRESS_DELAY = 200; // milliseconds: browsers refuse frequent changes

/** @param {{ model: Model, el: HTMLElement }} view */
export async function zoo({ model, el }) {
  /** @type {Entry[]} */
  const entries = model.get("models");
  const readAddress = () =>
    readQuery(location.search, entries, entries[model.get("first")]);
  const linked = readAddress();
  let shown = linked.entry;
  let wanted = shown; // differs from `shown` while a model is loading
  let z = linked.z; // in the address; empty until the user has moved z
  let isUserZ = z.length > 0;
  let isNewStep = false; // whether "Back" shall return to what the address names now

  const groups = SETTINGS.map((setting) => {
    const { root, check } = radioGroup(
      SETTING_LABELS[setting],
      valuesOf(entries, setting),
      async (value) => {
        isNewStep = await choose(withSetting(setting, value));
        if (isNewStep) setAddress();
      },
      (value) => preload(withSetting(setting, value)),
    );
    return { setting, root, check };
  });
  const status = statusLine();
  const widest = Math.max(...entries.map((entry) => entry.latents));
  const view = modelView(model.get("test").images, model.get("noise"), widest);
  const below = html("div");
  const root = div(
    "vaelib zoo",
    div("choices", ...groups.map((group) => group.root)),
    status.root,
    ...view.roots,
    html("h4", { className: "next" }, "Inside this model: move its latents"),
  );
  el.append(root, below);

  /**
   * Return the model that differs from the wanted one in one setting.
   * @param {Setting} setting
   * @param {string | number} value
   */
  function withSetting(setting, value) {
    return findEntry(entries, { ...wanted, [setting]: value }) ?? wanted;
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
      setAddress();
    }
    return Boolean(state);
  }

  /** Show what the address names, after "Back" or "Forward". */
  async function goBack() {
    const { entry, z: point, note } = readAddress();
    if (entry !== shown && !(await choose(entry))) return;
    status.show(note);
    [z, isUserZ] = [point, point.length > 0];
    requestAnimationFrame(() => inner.set("z", point)); // after the weights are set
  }

  function checkSettings() {
    for (const { setting, check } of groups) check(wanted[setting]);
  }

  /** @param {Entry} entry @param {any} state */
  function show(entry, state) {
    if (entry.latents !== shown.latents) [z, isUserZ] = [[], false];
    shown = entry;
    checkSettings();
    view.show(state);
    for (const name of ["network", "codes"]) inner.set(name, state[name]);
  }

  const setAddress = debounce(ADDRESS_DELAY, () => {
    const address = addressOf(location.href, shown, z);
    try {
      if (isNewStep && address !== location.href) history.pushState(null, "", address);
      else history.replaceState(history.state, "", address);
      isNewStep = false;
    } catch {
      // Some browsers do not allow this for a page on a disk. Everything else works.
    }
  });

  const first = await load(shown.file);
  const { network, codes } = first;
  const inner = pageModel({ network, codes, test: model.get("test"), z });
  inner.on("change:z", () => {
    if (!isUserZ) return;
    z = inner.get("z");
    setAddress();
  });
  for (const event of ["input", "click", "pointerdown", "keydown"])
    below.addEventListener(event, () => (isUserZ = true), true);
  explorer({ model: inner, el: below });
  show(shown, first);
  status.show(linked.note);
  if (linked.note) setAddress();
  addEventListener("popstate", goBack);
}
