/** One row per latent: name, KL, posterior and a slider for z. */

import { descending, latentName } from "../engine/numbers.js";
import { button, div, html, setAttributes, svg } from "./controls.js";
import { REACH } from "./plane.js";

/** @typedef {import("../engine/network.js").Posterior} Posterior */

/**
 * Create the rows. Those of inactive latents are folded.
 * @param {(j: number, value: number) => void} onMove called when a slider moves
 * @param {(j: number) => void} onChoose called when the name of a latent is clicked
 */
export function latentRows(onMove, onChoose) {
  const active = div("rows");
  const summary = html("summary");
  const inactive = div("rows");
  const folded = html("details", {}, summary, inactive);
  const root = div("latents", active, folded);
  /** @type {ReturnType<typeof latentRow>[]} */
  let rows = [];

  return {
    root,
    /** @param {number} count */
    resize(count) {
      if (count === rows.length) return;
      rows = Array.from({ length: count }, (_, j) => latentRow(j, onMove, onChoose));
      active.replaceChildren(...rows.map((row) => row.root));
      inactive.replaceChildren();
      folded.hidden = true;
    },
    /**
     * Show the KL of each latent and sort the rows by it. The order does not change
     * while the user points at a row or has the focus in it.
     * @param {number[]} kl nats
     * @param {boolean[]} isActive
     */
    sort(kl, isActive) {
      const largest = Math.max(...kl);
      rows.forEach((row, j) => {
        row.kl.textContent = kl[j].toFixed(2);
        row.kl.style.setProperty("--share", String(kl[j] / largest));
      });
      if (root.matches(":hover") || root.contains(document.activeElement)) return;

      const isUntrained = !isActive.some(Boolean); // then all rows are shown
      const order = descending(kl);
      const shown = order.filter((j) => isUntrained || isActive[j]);
      const hidden = order.filter((j) => !shown.includes(j));
      active.replaceChildren(...shown.map((j) => rows[j].root));
      inactive.replaceChildren(...hidden.map((j) => rows[j].root));
      folded.hidden = !hidden.length;
      summary.textContent = `${hidden.length} inactive: the same for every image`;
    },
    /** @param {number} j @param {number} z */
    set(j, z) {
      rows[j].slider.valueAsNumber = z;
      rows[j].value.textContent = z.toFixed(2);
    },
    /** @param {Posterior | null} posterior null if there is no image */
    showPosterior(posterior) {
      rows.forEach((row, j) => row.showPosterior(posterior, j));
    },
    /** Mark the latent that is traversed. @param {number} chosen */
    choose(chosen) {
      rows.forEach(({ name }, j) =>
        name.setAttribute("aria-pressed", String(j === chosen)),
      );
    },
  };
}

/**
 * @param {number} j
 * @param {(j: number, value: number) => void} onMove
 * @param {(j: number) => void} onChoose
 */
function latentRow(j, onMove, onChoose) {
  const latent = latentName(j);
  const state = { title: `Traverse ${latent}`, "aria-pressed": "false" };
  const name = button(latent, () => onChoose(j), state);
  const kl = html("span", { className: "kl" });

  const interval = svg("line", { class: "sigma", y1: 8, y2: 8 });
  // A line without length has round ends whatever the width of the plot.
  const mean = svg("line", { class: "mu", y1: 8, y2: 8 });
  const axis = svg("line", { class: "prior", x1: -REACH, x2: REACH, y1: 8, y2: 8 });
  const zero = svg("line", { class: "prior", y1: 3, y2: 13 });
  const scale = { viewBox: `${-REACH} 0 ${2 * REACH} 16`, preserveAspectRatio: "none" };
  const kind = { role: "img", class: "q" };
  const plot = svg("svg", { ...scale, ...kind }, axis, zero, interval, mean);

  const range = { type: "range", min: -REACH, max: REACH, step: 0.01, value: 0 };
  const slider = html("input", { ...range, "aria-label": latent });
  slider.oninput = () => onMove(j, slider.valueAsNumber);
  const value = html("output");

  /** @param {Posterior | null} posterior @param {number} j */
  function showPosterior(posterior, j) {
    plot.classList.toggle("none", !posterior);
    if (!posterior) return plot.setAttribute("aria-label", "no image");
    const [mu, sigma] = [posterior.mu[j], posterior.sigma[j]];
    const label = `mean ${mu.toFixed(2)}, sigma ${sigma.toFixed(2)}`;
    plot.setAttribute("aria-label", label);
    setAttributes(interval, { x1: mu - sigma, x2: mu + sigma });
    setAttributes(mean, { x1: mu, x2: mu });
  }

  const root = div("latent", name, kl, plot, slider, value);
  return { root, name, kl, slider, value, showPosterior };
}
