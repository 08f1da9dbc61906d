/** A row for each latent: its name and KL, its posterior, and a slider for z. The inactive ones are folded away. */

import { button, latent, node, svg } from "./controls.js";
import { REACH } from "./plane.js";

/**
 * @param {(j: number, value: number) => void} moved called at once when a slider moves
 * @param {(j: number) => void} chosen called when a latent is to be traversed
 */
export function latents(moved, chosen) {
  const active = node("div", { className: "rows" });
  const summary = node("summary");
  const silent = node("div", { className: "rows" });
  const folded = node("details", {}, summary, silent);
  const root = node("div", { className: "latents" }, active, folded);
  /** @type {ReturnType<typeof row>[]} */
  let rows = [];

  /** @param {number} j */
  function row(j) {
    const name = button(latent(j), () => chosen(j), {
      title: `Traverse ${latent(j)}`,
      "aria-pressed": "false",
    });
    const kl = node("span", { className: "kl" });
    const bar = svg("line", { class: "sigma", y1: 8, y2: 8 });
    const dot = svg("line", { class: "mu", y1: 8, y2: 8 }); // a line without length has round ends at any width
    const range = svg("line", { class: "prior", x1: -REACH, x2: REACH, y1: 8, y2: 8 });
    const zero = svg("line", { class: "prior", y1: 3, y2: 13 });
    const place = {
      viewBox: `${-REACH} 0 ${2 * REACH} 16`,
      preserveAspectRatio: "none",
    };
    const q = svg("svg", { ...place, role: "img", class: "q" }, range, zero, bar, dot);
    const slider = node("input", {
      type: "range",
      min: -REACH,
      max: REACH,
      step: 0.01,
      value: 0,
      "aria-label": latent(j),
    });
    const value = node("output");
    slider.oninput = () => moved(j, slider.valueAsNumber);
    return {
      root: node("div", { className: "latent" }, name, kl, q, slider, value),
      name,
      kl,
      q,
      bar,
      dot,
      slider,
      value,
    };
  }

  return {
    root,
    /** @param {number} count */
    resize(count) {
      if (count === rows.length) return;
      rows = Array.from({ length: count }, (_, j) => row(j));
      active.replaceChildren(...rows.map((r) => r.root));
      silent.replaceChildren();
      folded.hidden = true;
    },
    /**
     * Rows in order of their KL, unless a hand is on them: they would run away.
     * @param {number[]} kl nats
     * @param {boolean[]} speaks
     */
    sort(kl, speaks) {
      rows.forEach((r, j) => {
        r.kl.textContent = kl[j].toFixed(2);
        r.kl.style.setProperty("--share", String(kl[j] / Math.max(...kl)));
      });
      if (root.matches(":hover") || root.contains(document.activeElement)) return;
      const order = kl.map((_, j) => j).sort((a, b) => kl[b] - kl[a]);
      if (!speaks.some(Boolean)) speaks = speaks.map(() => true); // not trained yet: nothing to tell apart
      active.replaceChildren(
        ...order.filter((j) => speaks[j]).map((j) => rows[j].root),
      );
      silent.replaceChildren(
        ...order.filter((j) => !speaks[j]).map((j) => rows[j].root),
      );
      folded.hidden = !silent.childElementCount;
      summary.textContent = `${silent.childElementCount} inactive: the same for every image`;
    },
    /** @param {number} j @param {number} z */
    set(j, z) {
      const { slider, value } = rows[j];
      slider.valueAsNumber = z;
      value.textContent = z.toFixed(2);
    },
    /** @param {{ mu: Float32Array, sigma: Float32Array } | null} q the posterior, or none */
    posterior(q) {
      rows.forEach(({ q: drawn, bar, dot }, j) => {
        drawn.classList.toggle("none", !q);
        drawn.setAttribute(
          "aria-label",
          q ? `mean ${q.mu[j].toFixed(2)}, sigma ${q.sigma[j].toFixed(2)}` : "no image",
        );
        if (!q) return;
        const [mu, sigma] = [q.mu[j], q.sigma[j]];
        for (const [line, x1, x2] of /** @type {const} */ ([
          [bar, mu - sigma, mu + sigma],
          [dot, mu, mu],
        ])) {
          line.setAttribute("x1", String(x1));
          line.setAttribute("x2", String(x2));
        }
      });
    },
    /** @param {number} j the latent that is traversed */
    choose(j) {
      rows.forEach(({ name }, i) => name.setAttribute("aria-pressed", String(i === j)));
    },
  };
}
