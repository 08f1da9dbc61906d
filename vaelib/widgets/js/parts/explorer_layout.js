/** Layout of the explorer: from image to decoded image; plane and strips below. */

import { div, html } from "./controls.js";

const MORE = "More: plane and traversals";

/**
 * @typedef {object} ExplorerParts
 * @property {HTMLElement} start
 * @property {HTMLElement} image
 * @property {HTMLElement} caption
 * @property {HTMLElement} rows
 * @property {HTMLElement[]} zButtons
 * @property {HTMLElement} decoded
 * @property {HTMLElement} plane
 * @property {HTMLElement[]} strips
 * @property {boolean} isCompact whether plane and strips are folded
 */

/** @param {ExplorerParts} parts */
export function explorerLayout(parts) {
  const { start, image, caption, rows, zButtons, decoded } = parts;
  const titles = ["Latent", "KL, nats", "q(z|x): μ ± σ", "z", ""];
  const middle = html(
    "section",
    { className: "middle" },
    div("latent head", ...titles.map((title) => html("span", {}, title))),
    rows,
    div("bar", ...zButtons),
  );
  const flow = div(
    "flow",
    figure("x", "Image x", image, caption),
    div("cone encoder", html("span", {}, "encoder")),
    middle,
    div("cone decoder", html("span", {}, "decoder")),
    figure("xhat", "Decoded x̂", decoded),
  );
  const below = div("below", parts.plane, div("strips", ...parts.strips));
  if (!parts.isCompact) return div("vaelib explorer", start, flow, below);
  const folded = html("details", {}, html("summary", {}, MORE), below);
  return div("vaelib explorer compact", start, flow, folded);
}

/** @param {string} className @param {string} title @param {HTMLElement[]} children */
function figure(className, title, ...children) {
  return html("figure", { className }, html("figcaption", {}, title), ...children);
}
