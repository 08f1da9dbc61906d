/**
 * Layout of the explorer: from image to decoded image; plane and strips below, beside
 * which a copy of the decoded image stays in sight.
 */

import { div, html } from "./controls.js";
import { words } from "./words.js";

const MORE = words`More: plane and traversals`;

/**
 * @typedef {object} ExplorerParts
 * @property {HTMLElement} start
 * @property {HTMLElement} image
 * @property {HTMLElement} caption
 * @property {HTMLElement} rows
 * @property {HTMLElement[]} buttons
 * @property {HTMLElement[]} decoded the image and its copy
 * @property {HTMLElement} plane
 * @property {HTMLElement[]} strips
 * @property {boolean} isCompact whether plane and strips are folded
 */

/** @param {ExplorerParts} parts */
export function explorerLayout(parts) {
  const { start, image, caption, rows, buttons, decoded } = parts;
  const titles = [words`Latent`, words`KL, nats`, "q(z|x): μ ± σ", "z", ""];
  const middle = html(
    "section",
    { className: "middle" },
    div("latent head", ...titles.map((title) => html("span", {}, title))),
    rows,
    div("bar", ...buttons),
  );
  const flow = div(
    "flow",
    figure("x", words`Image x`, image, caption),
    div("cone encoder", html("span", {}, words`encoder`)),
    middle,
    div("cone decoder", html("span", {}, words`decoder`)),
    figure("xhat", words`Decoded x̂`, decoded[0]),
  );
  const copy = figure("copy", words`Decoded x̂`, decoded[1]);
  copy.setAttribute("aria-hidden", "true");
  const below = div("below", parts.plane, div("strips", ...parts.strips), copy);
  if (!parts.isCompact) return div("vaelib explorer", div("whole", start, flow, below));
  const folded = html("details", {}, html("summary", {}, MORE), below);
  return div("vaelib explorer compact", div("whole", start, flow, folded));
}

/** @param {string} className @param {string} title @param {HTMLElement[]} children */
function figure(className, title, ...children) {
  return html("figure", { className }, html("figcaption", {}, title), ...children);
}
