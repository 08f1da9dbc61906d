/**
 * Many models: beta, the loss, the number of latents and the networks choose one of
 * those that the book has trained, or two, side by side. The browser computes all.
 */

import { addressOf, mostLike, readQuery, settingsOf, valuesOf } from "./catalogue.js";
import { explorer } from "./explorer.js";
import { modelColumn } from "./model_column.js";
import { button, div, html, statusLine } from "./parts/controls.js";
import { debounce } from "./parts/events.js";
import { presentButton } from "./parts/present.js";
import { load, pageModel } from "./state.js";

/** @typedef {import("./parts/events.js").Model} Model */
/** @typedef {import("./catalogue.js").Entry} Entry */

const ADDRESS_DELAY = 200; // milliseconds: browsers refuse frequent changes

/** @param {{ model: Model, el: HTMLElement }} view */
export async function zoo({ model, el }) {
  /** @type {Entry[]} */
  const entries = model.get("models");
  const settings = settingsOf(entries);
  const readAddress = () =>
    readQuery(location.search, entries, entries[model.get("first")]);
  const linked = readAddress();
  let z = linked.z; // in the address; empty until the user has moved z
  let isUserZ = z.length > 0;
  let isNewStep = false; // whether "Back" shall return to what the address names now
  let isPair = false; // whether B is shown too

  const status = statusLine();
  const onChoose = (/** @type {boolean} */ isShown) => {
    isNewStep ||= isShown;
    setAddress();
  };
  const { entry, beside } = linked;
  const a = modelColumn("A", entry, model, status, { onShow: showInside, onChoose });
  const second = beside ?? entry;
  const b = modelColumn("B", second, model, status, { onChoose });
  const pairButton = button("Compare", togglePair, {
    title: "Show two models side by side, or one again",
  });
  const [choices, columns] = [div("rows", a.controls), div("columns", a.root)];
  const next = html("h4", { className: "next" });
  const below = html("div");
  const root = div(
    "vaelib zoo",
    div(
      "models",
      div("chooser", choices, pairButton, presentButton()),
      status.root,
      columns,
    ),
    next,
    below,
  );
  el.append(root);

  /** @param {boolean} isShown */
  function showPair(isShown) {
    isPair = isShown;
    if (!isShown) for (const part of [b.controls, b.root]) part.remove();
    else if (!b.root.parentElement) {
      choices.append(b.controls);
      columns.append(b.root);
    }
    root.classList.toggle("pair", isShown);
    pairButton.setAttribute("aria-pressed", String(isShown));
    next.textContent = `Inside ${isShown ? "model A" : "this model"}: move its latents`;
  }

  /** Show a second model: at first one that differs in beta. */
  async function togglePair() {
    const others = valuesOf(entries, "beta").filter((beta) => beta !== a.shown.beta);
    const other = mostLike(entries, { ...a.shown, beta: others.at(-1) ?? 1 });
    const isShown = isPair || (await b.choose(other));
    showPair(isShown && !isPair);
    onChoose(isShown);
  }

  /** Show what the address names, after "Back" or "Forward". */
  async function goBack() {
    const { search } = location;
    const { entry, beside, z: point, note } = readAddress();
    const areShown = (await a.choose(entry)) && (!beside || (await b.choose(beside)));
    if (location.search !== search) return; // the user has gone further
    if (!areShown) return setAddress();
    showPair(Boolean(beside));
    status.show(note);
    [z, isUserZ] = [point, point.length > 0];
    requestAnimationFrame(() => inner.set("z", point)); // after the weights are set
  }

  /** Show model A in the explorer. @param {Entry} entry @param {any} state */
  function showInside(entry, state) {
    if (entry.latents !== a.shown.latents) [z, isUserZ] = [[], false];
    for (const name of ["network", "codes"]) inner.set(name, state[name]);
  }

  const setAddress = debounce(ADDRESS_DELAY, () => {
    const pair = isPair ? b.shown : null;
    const address = addressOf(location.href, settings, a.shown, pair, z);
    try {
      if (isNewStep && address !== location.href) history.pushState(null, "", address);
      else history.replaceState(history.state, "", address);
      isNewStep = false;
    } catch {
      // Some browsers do not allow this for a page on a disk. Everything else works.
    }
  });

  const [state, other] = await Promise.all([load(entry.file), load(second.file)]);
  const { network, codes } = state;
  const inner = pageModel({ network, codes, test: model.get("test"), z });
  inner.on("change:z", () => {
    if (!isUserZ) return;
    z = inner.get("z");
    setAddress();
  });
  for (const event of ["input", "click", "pointerdown", "keydown"])
    below.addEventListener(event, () => (isUserZ = true), true);
  explorer({ model: inner, el: below });
  a.show(entry, state);
  b.show(second, other);
  showPair(Boolean(beside));
  status.show(linked.note);
  if (linked.note) setAddress();
  addEventListener("popstate", goBack);
}
