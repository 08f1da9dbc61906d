/** Bar chart of the KL of each latent. */

import { formatNumber, latentName, ticks, twoDecimals } from "../engine/numbers.js";
import { html, svg } from "./controls.js";
import { words } from "./words.js";

const [LEFT, BOTTOM, TOP] = [34, 20, 8]; // margins in pixels
const NAME_WIDTH = 28; // pixels that the name of a latent needs
const INACTIVE = 0.01; // nats
const MOST_BARS = 500; // of more latents, neighbours share a bar

/** @param {number} height */
export function klBars(height) {
  const plot = svg("svg", { role: "img", height, class: "chart" });
  const value = html("output"); // of the bar under the pointer
  const title = html("h4", {}, words`KL of each latent, nats` + " ", value);
  const root = html("section", {}, title, plot);
  /** @type {number[]} */
  let shown = [];
  let least = 1; // nats
  let pointed = -1; // the latent under the pointer

  /** @param {number[]} kl @param {number} [highest] the axis reaches at least to it */
  function draw(kl, highest = least) {
    [shown, least] = [kl, highest];
    const isPointed = pointed >= 0 && pointed < kl.length;
    value.textContent = isPointed
      ? `${latentName(pointed)} ${twoDecimals(kl[pointed])}`
      : "";
    const width = plot.clientWidth;
    if (!width || !kl.length) return;

    const high = Math.max(least, ...kl) * 1.05;
    const down = (/** @type {number} */ value) =>
      TOP + (1 - value / high) * (height - TOP - BOTTOM);
    const grid = ticks(0, high, 5).flatMap((tick) => {
      const y = down(tick);
      const label = { x: LEFT - 6, y: y + 4, "text-anchor": "end" };
      return [
        svg("line", { class: "grid", x1: LEFT, x2: width, y1: y, y2: y }),
        svg("text", label, formatNumber(tick)),
      ];
    });

    const shared = Math.ceil(kl.length / MOST_BARS);
    const count = Math.ceil(kl.length / shared);
    const step = (width - LEFT) / count;
    const named = Math.ceil(NAME_WIDTH / step); // one bar of so many gets its name
    const columns = Array.from({ length: count }).flatMap((_, i) => {
      const j = i * shared;
      const x = LEFT + i * step;
      const y = down(Math.max(...kl.slice(j, j + shared)));
      const size = { x: x + step * 0.1, width: step * 0.8, y, height: down(0) - y };
      const bar = svg("rect", { ...size, class: "bar-kl" });
      const place = { x: x + step / 2, y: height - 5, "text-anchor": "middle" };
      return i % named ? [bar] : [bar, svg("text", place, latentName(j))];
    });
    plot.replaceChildren(...grid, ...columns);

    const inactive = kl.filter((value) => value < INACTIVE).length;
    const largest = twoDecimals(Math.max(...kl));
    const label = words`KL of ${kl.length} latents: ${inactive} below ${INACTIVE} nats,
      the largest ${largest}`;
    plot.setAttribute("aria-label", label);
  }
  plot.onpointermove = ({ offsetX }) => {
    const share = (offsetX - LEFT) / (plot.clientWidth - LEFT);
    pointed = Math.floor(share * shown.length);
    draw(shown);
  };
  plot.onpointerleave = () => {
    pointed = -1;
    draw(shown);
  };
  new ResizeObserver(() => draw(shown)).observe(plot);
  return { root, draw };
}
