/** Rows below a line that unfolds them. */

import { button, div, html } from "./controls.js";

const ROWS = 100; // that are shown at first, and more at each request

/**
 * Create the rows of some items, folded. A row is made when it is shown.
 * @param {(j: number) => HTMLElement} rowOf
 * @param {() => void} onPlace called after the rows have changed
 */
export function foldedRows(rowOf, onPlace) {
  const summary = html("summary");
  const rows = div("rows");
  const more = button("", () => {
    limit += ROWS;
    place();
  });
  const parts = [summary, rows, more];
  const root = html("details", { ontoggle: place, hidden: true }, ...parts);
  /** @type {number[]} */
  let items = [];
  let limit = ROWS;

  function place() {
    rows.replaceChildren(...(root.open ? items.slice(0, limit).map(rowOf) : []));
    const left = items.length - limit;
    more.hidden = left <= 0;
    more.textContent = `${Math.min(ROWS, left)} more of ${left} latents`;
    onPlace();
  }

  return {
    root,
    /** @param {number[]} newItems @param {string} title */
    fill(newItems, title) {
      items = newItems;
      root.hidden = !items.length;
      summary.textContent = title;
      place();
    },
  };
}
