/** Table of the runs that the user has kept. */

import { twoDecimals } from "../engine/numbers.js";
import { div, html } from "./controls.js";
import { settingsWords, words } from "./words.js";

/**
 * @typedef {object} Kept A run on the disk and its terms on the test images.
 * @property {string} path
 * @property {string} command that resumes it, or repeats it where there are files
 * @property {string} [python] of a page: lines that repeat it
 * @property {Record<string, DataView>} [files] of a page: weights and log
 * @property {string} label
 * @property {number} step
 * @property {number} recon
 * @property {number} kl
 * @property {number} neg_elbo
 */

const KEPT_COLUMNS = [words`run`, words`settings`, words`updates`, words`recon`, "KL"];
KEPT_COLUMNS.push(words`recon + KL`);

export function keptTable() {
  const heads = KEPT_COLUMNS.map((name) => html("th", { scope: "col" }, name));
  const body = html("tbody");
  const [advice, command, lines] = [html("span"), html("code"), html("code")];
  const summary = html("summary", {}, words`The same in Python`);
  const inPython = html("details", {}, summary, html("pre", {}, lines));
  /** @type {Map<string, HTMLElement>} by the paths of the runs */
  const rows = new Map();
  const root = html(
    "section",
    { className: "kept", hidden: true, tabIndex: 0, "aria-label": words`Kept runs` },
    html("h4", {}, words`Kept runs: test figures, nats per image`),
    html("table", {}, html("thead", {}, html("tr", {}, ...heads)), body),
    div("caption", advice, command, inPython),
  );
  return {
    root,
    /** @param {Kept[]} runs */
    draw(runs) {
      root.hidden = !runs.length;
      const last = runs[runs.length - 1];
      command.textContent = last?.command ?? "";
      const what = last?.files
        ? words`To repeat the last one, in a terminal:`
        : words`To go on with the last one, in a terminal:`;
      advice.textContent = `${what} `;
      lines.textContent = last?.python ?? "";
      inPython.hidden = !last?.python;

      const paths = new Set(runs.map(({ path }) => path));
      for (const [path, row] of rows) {
        if (paths.has(path)) continue;
        for (const { href } of row.querySelectorAll("a")) URL.revokeObjectURL(href);
        rows.delete(path);
      }
      for (const run of runs) if (!rows.has(run.path)) rows.set(run.path, rowOf(run));
      body.replaceChildren(...rows.values());
    },
  };
}

/** Return the row of a run. @param {Kept} run */
function rowOf({ path, label, step, recon, kl, neg_elbo, files }) {
  const nats = [recon, kl, neg_elbo].map(twoDecimals);
  const first = files ? Object.entries(files).flatMap(link) : [path];
  const cells = [
    first,
    [settingsWords(label)],
    [String(step)],
    ...nats.map((text) => [text]),
  ];
  return html("tr", {}, ...cells.map((cell) => html("td", {}, ...cell)));
}

/**
 * Return a link that saves bytes as a file, and a blank.
 * @param {[string, DataView]} file
 */
function link([name, bytes]) {
  const blob = new Blob([/** @type {any} */ (bytes)]);
  const href = URL.createObjectURL(blob);
  return [html("a", { href, download: name }, name), " "];
}
