/** One row per latent: name, KL, posterior and a slider for z. */

import { clamp, descending, latentName, twoDecimals } from "../engine/numbers.js";
import { button, div, html, setAttributes, svg } from "./controls.js";
import { foldedRows } from "./folded_rows.js";
import { REACH } from "./points.js";
import { roving } from "./roving.js";
import { words } from "./words.js";

/** @typedef {import("../engine/network.js").Posterior} Posterior */

const LEAST_SCALE = 0.5; // nats of a whole bar of KL: noise has short bars
const LATENTS_LABEL = words`Latents: the arrow keys up and down go from row to row`;

/**
 * Create the rows. The first ones are shown, the others and those of inactive latents
 * are folded. A row is made when it is shown first.
 * @param {number} count how many are shown
 * @param {(j: number, value: number) => void} onMove called when a slider moves
 * @param {(j: number) => void} onChoose called when the name of a latent is clicked
 */
export function latentRows(count, onMove, onChoose) {
  const first = div("rows");
  const others = foldedRows(rowOf, showStop);
  const inactive = foldedRows(rowOf, showStop);
  const label = { role: "group", "aria-label": LATENTS_LABEL };
  const root = html(
    "div",
    { className: "latents", ...label },
    first,
    others.root,
    inactive.root,
  );
  const stop = roving(root, ".latent", ["ArrowUp", "ArrowDown"]);
  /** @type {Map<number, ReturnType<typeof latentRow>>} */
  const rows = new Map();
  // What the rows show, and their order
  let z = new Float32Array();
  /** @type {Posterior | null} */
  let posterior = null;
  let chosen = Infinity;
  /** @type {number[]} */
  let kl = [];

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

  function showStop() {
    stop.update();
  }

  /**
   * Put the rows into their places.
   * @param {number[]} shown
   * @param {number[]} hidden
   */
  function place(shown, hidden) {
    first.replaceChildren(...shown.slice(0, count).map(rowOf));
    const rest = shown.slice(count);
    const { length } = rest;
    others.fill(
      rest,
      length > 1 ? words`${length} more latents` : words`${length} more latent`,
    );
    inactive.fill(hidden, words`${hidden.length} inactive: the same for every image`);
    showStop();
  }

  return {
    root,
    /** @param {number} latents */
    resize(latents) {
      if (latents === z.length) return;
      rows.clear();
      z = new Float32Array(latents);
      posterior = null;
      kl = [];
      place(
        Array.from(z, (_, j) => j),
        [],
      );
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
      place(
        order.filter((j) => isUntrained || isActive[j]),
        order.filter((j) => !isUntrained && !isActive[j]),
      );
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
  const title = words`Show the traversal of ${latent}`;
  const state = { title, tabIndex: -1, "aria-pressed": "false" };
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
  const slider = html("input", { ...range, tabIndex: -1, "aria-label": latent });
  slider.oninput = () => onMove(j, slider.valueAsNumber);
  slider.onkeydown = ({ key }) => void (key === "Enter" && goToMean());
  plot.onclick = goToMean;
  const value = html("output");
  let center = NaN; // of q(z|x); NaN if there is no image

  function goToMean() {
    if (!Number.isNaN(center)) onMove(j, center);
  }

  /** @param {Posterior | null} posterior */
  function showPosterior(posterior) {
    center = posterior ? posterior.mu[j] : NaN;
    plot.classList.toggle("none", !posterior);
    if (!posterior) return plot.setAttribute("aria-label", words`no image`);
    const [mu, sigma] = [posterior.mu[j], posterior.sigma[j]];
    const label = words`mean ${twoDecimals(mu)}, sigma ${twoDecimals(sigma)}`;
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
      slider.style.setProperty("--place", String(clamp(z / (2 * REACH) + 0.5, 0, 1)));
      value.textContent = twoDecimals(z);
    },
    /** @param {number} nats @param {number} largest of all latents */
    showKl(nats, largest) {
      kl.textContent = twoDecimals(nats);
      kl.style.setProperty("--share", String(nats / Math.max(LEAST_SCALE, largest)));
    },
    /** @param {boolean} isChosen whether this latent is traversed */
    showChosen: (isChosen) => name.setAttribute("aria-pressed", String(isChosen)),
  };
}
