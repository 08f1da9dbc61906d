/** Line chart with axes, drawn at its size on the page. */

import { formatNumber, ticks, valueRange } from "../engine/numbers.js";
import { div, html, svg } from "./controls.js";

/**
 * @typedef {object} Line
 * @property {string} [name] entry in the legend; a line without a name has none
 * @property {string} colour a class of the style sheet: blue, orange, green, purple
 * @property {ArrayLike<number>} x
 * @property {ArrayLike<number>} y
 * @property {boolean} [ghost] thin and pale: the curve of an earlier model
 * @property {boolean} [dots] points that are not joined
 */

const POINTS = 300; // per line: more cannot be told apart
const [CHART_LEFT, CHART_TOP, CHART_RIGHT, CHART_BOTTOM] = [52, 8, 8, 36];

/**
 * @param {string} title
 * @param {string} xLabel
 * @param {string} yLabel
 * @param {number} height
 */
export function lineChart(title, xLabel, yLabel, height) {
  const plot = svg("svg", { role: "img", "aria-label": title, height, class: "chart" });
  const legend = div("legend");
  const root = html("section", {}, html("h4", {}, title), legend, plot);
  /** @type {Line[]} */
  let lines = [];
  let shortestAxis = 1;
  let namesShown = "";

  /**
   * Draw the lines; the x axis reaches at least to `xEnd`.
   * @param {Line[]} newLines
   * @param {number} xEnd
   */
  function draw(newLines, xEnd) {
    lines = newLines;
    shortestAxis = xEnd;
    const width = plot.clientWidth;
    if (!width) return;

    const xMax = Math.max(shortestAxis, ...lines.map(({ x }) => x[x.length - 1] ?? 0));
    const [yMin, yMax] = valueRange(lines.map((line) => line.y));
    const plotWidth = width - CHART_LEFT - CHART_RIGHT;
    const plotHeight = height - CHART_TOP - CHART_BOTTOM;
    const across = (/** @type {number} */ x) => CHART_LEFT + (x / xMax) * plotWidth;
    const down = (/** @type {number} */ y) =>
      CHART_TOP + ((yMax - y) / (yMax - yMin)) * plotHeight;

    const yTicks = ticks(yMin, yMax, height < 120 ? 2 : 5).flatMap((tick) => {
      const y = down(tick);
      const line = { x1: CHART_LEFT, x2: width - CHART_RIGHT, y1: y, y2: y };
      const place = { x: CHART_LEFT - 6, y: y + 4, "text-anchor": "end" };
      return [
        svg("line", { class: "grid", ...line }),
        svg("text", place, formatNumber(tick)),
      ];
    });
    const xTicks = ticks(0, xMax, Math.min(8, width / 70)).map((tick) => {
      const place = { x: across(tick), y: height - CHART_BOTTOM + 16 };
      return svg("text", { ...place, "text-anchor": "middle" }, formatNumber(tick));
    });
    plot.replaceChildren(
      ...yTicks,
      ...xTicks,
      ...axisNames(width),
      ...lines.map((line) => linePath(line, across, down)),
    );
    showLegend();
  }

  /** @param {number} width */
  function axisNames(width) {
    const style = { "text-anchor": "middle", class: "name" };
    const centre = (CHART_LEFT + width - CHART_RIGHT) / 2;
    const middle = (CHART_TOP + height - CHART_BOTTOM) / 2;
    const turn = `translate(11 ${middle}) rotate(-90)`;
    return [
      svg("text", { x: centre, y: height - 4, ...style }, xLabel),
      svg("text", { transform: turn, ...style }, yLabel),
    ];
  }

  function showLegend() {
    const named = lines.filter((line) => line.name);
    const names = named.map((line) => line.name).join();
    if (names === namesShown) return;
    namesShown = names;
    const entries = named.map(({ name = "", colour }) => {
      const mark = html("span", { className: `mark ${colour}` });
      return html("span", {}, mark, name);
    });
    legend.replaceChildren(...entries);
  }

  new ResizeObserver(() => draw(lines, shortestAxis)).observe(plot);
  return { root, draw };
}

/**
 * Create the path of a line, with at most `POINTS` of its points.
 * @param {Line} line
 * @param {(x: number) => number} across
 * @param {(y: number) => number} down
 */
function linePath({ name = "", colour, x, y, ghost, dots }, across, down) {
  const stride = dots ? 1 : Math.ceil(x.length / POINTS);
  let d = "";
  for (let i = 0; i < x.length; i += stride) {
    const place = `${across(x[i]).toFixed(1)} ${down(y[i]).toFixed(1)}`;
    d += dots ? `M${place}h0` : (d ? "L" : "M") + place;
  }
  const kind = ghost ? "ghost" : dots ? "dots" : "line";
  return svg("path", { d, class: `${kind} ${colour}`, "data-name": name });
}
