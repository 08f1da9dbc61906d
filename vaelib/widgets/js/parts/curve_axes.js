/** Axes on which a curve is drawn, with labels and round numbers. */

import { formatNumber, ticks } from "../engine/numbers.js";
import { svg } from "./controls.js";

const PLOT = { width: 560, height: 300, left: 62, right: 544, top: 12, bottom: 250 };

/**
 * Create axes. Returns the picture, the place of a value on each axis, and the values
 * at a place of the window.
 * @param {import("../engine/judge.js").Asked} asked
 */
export function curveAxes({ x, limits: [low, high], axes }) {
  const { width, height, left, right, top, bottom } = PLOT;
  const [first, last] = [x[0], x[x.length - 1]];
  const across = (/** @type {number} */ value) =>
    left + ((right - left) * (value - first)) / (last - first);
  const up = (/** @type {number} */ value) =>
    bottom - ((bottom - top) * (value - low)) / (high - low);

  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "group" });
  for (const at of ticks(low, high, 5)) {
    const line = { x1: left, x2: right, y1: up(at), y2: up(at), class: "grid" };
    const label = { x: left - 6, y: up(at) + 4, "text-anchor": "end" };
    root.append(svg("line", line), svg("text", label, formatNumber(at)));
  }
  for (const at of ticks(first, last, 6)) {
    const label = { x: across(at), y: bottom + 18, "text-anchor": "middle" };
    root.append(svg("text", label, formatNumber(at)));
  }
  const turn = `translate(14 ${(top + bottom) / 2}) rotate(-90)`;
  const name = { x: (left + right) / 2, y: height - 8, "text-anchor": "middle" };
  root.append(
    svg("text", name, axes[0]),
    svg("text", { transform: turn, "text-anchor": "middle" }, axes[1]),
  );

  /** @param {PointerEvent} event @returns {[x: number, y: number]} */
  function valuesAt({ clientX, clientY }) {
    const box = root.getBoundingClientRect();
    const scale = width / box.width;
    const along = ((clientX - box.left) * scale - left) / (right - left);
    const above = (bottom - (clientY - box.top) * scale) / (bottom - top);
    return [first + along * (last - first), low + above * (high - low)];
  }
  return { root, across, up, valuesAt };
}
