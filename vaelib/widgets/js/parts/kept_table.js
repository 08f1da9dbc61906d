/** Table of the runs that the user has kept. */

import { twoDecimals } from "../engine/numbers.js";
import { div, html } from "./controls.js";

/**
 * @typedef {object} Kept A run on the disk and its terms on the test images.
 * @property {string} path
 * @property {string} command that resumes it
 * @property {string} label
 * @property {number} step
 * @property {number} recon
 * @property {number} kl
 * @property {number} neg_elbo
 */

const KEPT_COLUMNS = ["run", "settings", "updates", "recon", "KL", "recon + KL"];

export function keptTable() {
  const heads = KEPT_COLUMNS.map((name) => html("th", { scope: "col" }, name));
  const body = html("tbody");
  const command = html("code");
  const root = html(
    "section",
    { className: "kept", hidden: true, tabIndex: 0, "aria-label": "Kept runs" },
    html("h4", {}, "Kept runs: test figures, nats per image"),
    html("table", {}, html("thead", {}, html("tr", {}, ...heads)), body),
    div("caption", "To go on with the last one, in a terminal: ", command),
  );
  return {
    root,
    /** @param {Kept[]} runs */
    draw(runs) {
      root.hidden = !runs.length;
      command.textContent = runs[runs.length - 1]?.command ?? "";
      const rows = runs.map(({ path, label, step, recon, kl, neg_elbo }) => {
        const nats = [recon, kl, neg_elbo].map(twoDecimals);
        const cells = [path, label, String(step), ...nats];
        return html("tr", {}, ...cells.map((text) => html("td", {}, text)));
      });
      body.replaceChildren(...rows);
    },
  };
}
