/** KL of each latent as bars: one that falls to the floor says nothing any more. */

import { latent, node, svg } from "./controls.js";
import { format, ticks } from "./curve.js";

/** @param {number} height */
export function bars(height) {
  const plot = svg("svg", { role: "img", height, class: "chart" });
  const root = node("section", {}, node("h4", {}, "KL of each latent, nats"), plot);
  /** @type {number[]} */
  let shown = [];

  /** @param {number[]} kl */
  function draw(kl) {
    shown = kl;
    const width = plot.clientWidth;
    if (!width || !kl.length) return;
    const [left, bottom, top] = [34, 20, 8];
    const high = Math.max(1, ...kl) * 1.05;
    const each = (width - left) / kl.length;
    const down = (/** @type {number} */ v) =>
      top + (1 - v / high) * (height - top - bottom);
    const grid = ticks(0, high, 5).flatMap((t) => [
      svg("line", { class: "grid", x1: left, x2: width, y1: down(t), y2: down(t) }),
      svg("text", { x: left - 6, y: down(t) + 4, "text-anchor": "end" }, format(t)),
    ]);
    const every = Math.ceil(28 / each);
    const columns = kl.flatMap((v, j) => {
      const x = left + j * each;
      const bar = svg("rect", {
        x: x + each * 0.1,
        width: each * 0.8,
        y: down(v),
        height: down(0) - down(v),
        class: "bar-kl",
      });
      const name = svg(
        "text",
        { x: x + each / 2, y: height - 5, "text-anchor": "middle" },
        latent(j),
      );
      return j % every ? [bar] : [bar, name];
    });
    plot.replaceChildren(...grid, ...columns);
    const silent = kl.filter((v) => v < 0.01).length;
    plot.setAttribute(
      "aria-label",
      `KL of ${kl.length} latents: ${silent} below 0.01 nats, the largest ${Math.max(...kl).toFixed(2)}`,
    );
  }
  new ResizeObserver(() => draw(shown)).observe(plot);
  return { root, draw };
}
