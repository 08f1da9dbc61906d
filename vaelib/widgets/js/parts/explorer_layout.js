/** Layout of the explorer: from image to decoded image; plane and strips below. */

import { div, html } from "./controls.js";

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
 */

/** @param {ExplorerParts} parts */
export function explorerLayout(parts) {
  const { start, image, caption, rows, zButtons, decoded, plane, strips } = parts;
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
  const below = div("below", plane, div("strips", ...strips));
  return div("vaelib explorer", start, flow, below);
}

/** @param {string} className @param {string} title @param {HTMLElement[]} children */
function figure(className, title, ...children) {
  return html("figure", { className }, html("figcaption", {}, title), ...children);
}
