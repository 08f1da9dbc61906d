/** One row per latent: name, KL, posterior and a slider for z. */

import { descending, latentName } from "../engine/numbers.js";
import { button, div, html, setAttributes, svg } from "./controls.js";
import { REACH } from "./plane.js";

/** @typedef {import("../engine/network.js").Posterior} Posterior */

const ROWS = 100; // rows that are shown at first, and more at each request

/**
 * Create the rows. Those of inactive latents are folded. A row is made when it is
 * shown: of thousands of latents, these are the first hundred.
 * @param {(j: number, value: number) => void} onMove called when a slider moves
 * @param {(j: number) => void} onChoose called when the name of a latent is clicked
 */
export function latentRows(onMove, onChoose) {
  const active = div("rows");
  const summary = html("summary");
  const inactive = div("rows");
  const folded = html("details", {}, summary, inactive);
  const more = button("", () => {
    limit += ROWS;
    place();
  });
  const root = div("latents", active, folded, more);
  /** @type {Map<number, ReturnType<typeof latentRow>>} */
  const rows = new Map();
  let limit = ROWS;
  // What the rows show, and their order
  let z = new Float32Array();
  /** @type {Posterior | null} */
  let posterior = null;
  let chosen = Infinity;
  /** @type {number[]} */
  let kl = [];
  /** @type {number[]} */
  let shown = [];
  /** @type {number[]} */
  let hidden = [];

  /** Return a row, which is made if it is new. @param {number} j */
  function rowOf(j) {
    let row = rows.get(j);
    if (!row) {
      row = latentRow(j, onMove, onChoose);
      rows.set(j, row);
      row.showZ(z[j]);
      row.showPosterior(posterior);
      row.showChosen(j === chosen);
      if (kl.length) row.showKl(kl[j], Math.max(...kl));
    }
    return row.root;
  }

  /** Put the rows into their places, no more than `limit` into each. */
  function place() {
    active.replaceChildren(...shown.slice(0, limit).map(rowOf));
    inactive.replaceChildren(...hidden.slice(0, limit).map(rowOf));
    folded.hidden = !hidden.length;
    summary.textContent = `${hidden.length} inactive: the same for every image`;
    const left = [shown, hidden].map((part) => Math.max(0, part.length - limit));
    more.hidden = left[0] + left[1] === 0;
    more.textContent = `${ROWS} more of ${left[0] + left[1]} latents`;
  }

  return {
    root,
    /** @param {number} count */
    resize(count) {
      if (count === z.length) return;
      rows.clear();
      limit = ROWS;
      z = new Float32Array(count);
      posterior = null;
      kl = [];
      shown = Array.from(z, (_, j) => j);
      hidden = [];
      place();
    },
    /**
     * Show the KL of each latent and sort the rows by it. The order does not change
     * while the user points at a row or has the focus in it.
     * @param {number[]} newKl nats
     * @param {boolean[]} isActive
     */
    sort(newKl, isActive) {
      kl = newKl;
      const largest = Math.max(...kl);
      rows.forEach((row, j) => row.showKl(kl[j], largest));
      if (root.matches(":hover") || root.contains(document.activeElement)) return;

      const isUntrained = !isActive.some(Boolean); // then all rows are shown
      const order = descending(kl);
      shown = order.filter((j) => isUntrained || isActive[j]);
      hidden = order.filter((j) => !isUntrained && !isActive[j]);
      place();
    },
    /** @param {number} j @param {number} value */
    set(j, value) {
      z[j] = value;
      rows.get(j)?.showZ(value);
    },
    /** @param {Posterior | null} newPosterior null if there is no image */
    showPosterior(newPosterior) {
      posterior = newPosterior;
      rows.forEach((row) => row.showPosterior(posterior));
    },
    /** Mark the latent that is traversed. @param {number} j */
    choose(j) {
      chosen = j;
      rows.forEach((row, each) => row.showChosen(each === chosen));
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
  // A line almost without length has round ends whatever the width of the plot.
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

  /** @param {Posterior | null} posterior */
  function showPosterior(posterior) {
    plot.classList.toggle("none", !posterior);
    if (!posterior) return plot.setAttribute("aria-label", "no image");
    const [mu, sigma] = [posterior.mu[j], posterior.sigma[j]];
    const label = `mean ${mu.toFixed(2)}, sigma ${sigma.toFixed(2)}`;
    plot.setAttribute("aria-label", label);
    setAttributes(interval, { x1: mu - sigma, x2: mu + sigma });
    setAttributes(mean, { x1: mu, x2: mu + 0.001 }); // WebKit would stretch 0
  }

  return {
    root: div("latent", name, kl, plot, slider, value),
    showPosterior,
    /** @param {number} z */
    showZ(z) {
      slider.valueAsNumber = z;
      value.textContent = z.toFixed(2);
    },
    /** @param {number} nats @param {number} largest of all latents */
    showKl(nats, largest) {
      kl.textContent = nats.toFixed(2);
      kl.style.setProperty("--share", String(nats / largest));
    },
    /** @param {boolean} isChosen whether this latent is traversed */
    showChosen: (isChosen) => name.setAttribute("aria-pressed", String(isChosen)),
  };
}
