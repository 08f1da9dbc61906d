/**
 * A published page, without kernel and widget manager. Each widget is started when its
 * place comes near.
 */

import { explorer } from "./explorer.js";
import { linkedExplorer } from "./linked_point.js";
import { liveFigure } from "./live_figure.js";
import { html } from "./parts/controls.js";
import { words } from "./parts/words.js";
import { playground } from "./playground.js";
import { predict } from "./predict.js";
import { slowMotion } from "./slow_motion.js";
import { load, pageModel } from "./state.js";
import { followingModel, trainingModel } from "./training.js";
import { zoo } from "./zoo.js";

/** @typedef {import("./parts/events.js").Model} Model */

/** @typedef {{ model: Model, el: HTMLElement, isCompact: boolean }} View */

/** @type {Record<string, (view: View) => unknown>} */
const WIDGETS = {
  explorer,
  figure: liveFigure,
  playground,
  predict,
  slow_motion: async (view) => slowMotion({ ...view, ...(await load("engine"))() }),
  zoo,
};

/**
 * Return the model of a widget. A panel with rules trains in the page, and an explorer
 * may follow it. The address names the point of the first explorer.
 * @param {HTMLElement} place
 * @param {any} state
 * @returns {Model}
 */
function modelOf(place, state) {
  const { state: name = "", follows } = place.dataset;
  if (state.rules) return trainingModel(state, name);
  if (follows) return followingModel(state, follows);
  const isFirst = place === document.querySelector('.live[data-widget="explorer"]');
  return isFirst ? linkedExplorer(state, place) : pageModel(state);
}

/**
 * Start the widget of a place.
 * @param {HTMLElement} place with data-widget, such as "explorer", and data-state
 */
async function startWidget(place) {
  const { widget = "", state = "" } = place.dataset;
  try {
    const el = html("div");
    const isCompact = place.classList.contains("compact");
    const model = modelOf(place, await load(state));
    await WIDGETS[widget]({ model, el, isCompact });
    place.replaceChildren(el);
    const markReady = () => (place.dataset.ready = "");
    requestAnimationFrame(() => setTimeout(markReady)); // after it is painted
  } catch (error) {
    console.error(error);
    const { message } = /** @type {Error} */ (error);
    const text = words`This widget cannot be shown: ${message}.
      Reload the page to try again.`;
    const notice = html("p", { className: "alone" }, text);
    place.replaceChildren(html("div", { className: "vaelib", role: "alert" }, notice));
  }
}

const observer = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      observer.unobserve(target);
      startWidget(/** @type {HTMLElement} */ (target));
    }
  },
  { rootMargin: "100% 0px" },
);
for (const place of document.querySelectorAll(".live[data-widget]"))
  observer.observe(place);
