/** A published page, with no kernel and no widget manager: each place of a widget is filled when it comes near. */

import { node } from "./parts/controls.js";
import { explorer } from "./explorer.js";
import { playground } from "./playground.js";
import { load, pageModel } from "./state.js";
import { zoo } from "./zoo.js";

/** @typedef {import("./parts/controls.js").Model} Model */

/** @type {Record<string, (view: { model: Model, el: HTMLElement }) => unknown>} */
const WIDGETS = { explorer, playground, zoo };

/** @param {HTMLElement} place <div class="live" data-widget="explorer" data-state="NAME"> */
async function fill(place) {
  const { widget = "", state = "" } = place.dataset;
  try {
    const el = node("div");
    await WIDGETS[widget]({ model: pageModel(await load(state)), el });
    place.replaceChildren(el);
    requestAnimationFrame(() => setTimeout(() => (place.dataset.ready = ""))); // when it is painted
  } catch (error) {
    console.error(error);
    const said = `This widget cannot be shown: ${/** @type {Error} */ (error).message}. Reload the page to try again.`;
    place.append(
      node(
        "div",
        { className: "vaelib", role: "alert" },
        node("p", { className: "alone" }, said),
      ),
    );
  }
}

const near = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries)
      if (isIntersecting) {
        near.unobserve(target);
        fill(/** @type {HTMLElement} */ (target));
      }
  },
  { rootMargin: "100% 0px" },
);
document.querySelectorAll(".live[data-widget]").forEach((place) => near.observe(place));
