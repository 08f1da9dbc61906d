/** Line chart over the epochs, drawn at its size; its values can be read. */

import {
  clamp,
  extremes,
  formatNumber,
  nearest,
  ticks,
  valueRange,
} from "../engine/numbers.js";
import { OWN_KEYS, div, html, setAttributes, svg } from "./controls.js";
import { words } from "./words.js";

/**
 * @typedef {object} Line
 * @property {string} [name] entry in the legend; a line without a name has none
 * @property {string} colour a class of the style sheet: blue, orange, green, purple
 * @property {ArrayLike<number>} x
 * @property {ArrayLike<number>} y
 * @property {boolean} [ghost] thin and pale: the curve of an earlier model
 * @property {number} [endMark] number at its end
 * @property {boolean} [dots] points that are not joined
 */

const POINTS = 300; // per line: more cannot be told apart
const KEY_STEPS = 50; // of an arrow key, from one end of a line to the other
const [CHART_LEFT, CHART_TOP, CHART_RIGHT, CHART_BOTTOM] = [52, 8, 8, 36];

/**
 * Create a chart. Its legend shows the values at the end of the lines or, while the
 * pointer or the focus is in the chart, at a place of it, which arrow keys move.
 * @param {string} title
 * @param {string} yLabel
 * @param {number} height
 * @param {typeof valueRange} [rangeOf] the values of y that are shown
 */
export function lineChart(title, yLabel, height, rangeOf = valueRange) {
  const plot = svg("svg", { role: "slider", height, class: "chart", tabindex: 0 });
  setAttributes(plot, { "aria-label": words`${title}: values`, [OWN_KEYS]: "true" });
  const place = html("span", { className: "place" });
  const legend = div("legend");
  const root = html("section", {}, html("h4", {}, title), legend, plot);
  /** @type {Line[]} */
  let lines = [];
  let shortestAxis = 1;
  let updatesPerEpoch = 0;
  let xMax = 1;
  let readAt = Infinity; // the epoch whose values are shown
  let namesShown = "";
  /** @type {HTMLElement[]} */
  let values = []; // in the legend

  /**
   * Draw the lines; the x axis reaches at least to `xEnd`.
   * @param {Line[]} newLines
   * @param {number} xEnd
   * @param {number} [updates] in an epoch; 0 if updates are not counted
   */
  function draw(newLines, xEnd, updates = 0) {
    lines = newLines;
    shortestAxis = xEnd;
    updatesPerEpoch = updates;
    redraw();
  }

  function redraw() {
    const width = plot.clientWidth;
    if (!width) return;

    xMax = Math.max(shortestAxis, ...lines.map(({ x }) => x[x.length - 1] ?? 0));
    const series = lines.map((line) => line.y);
    const [yMin, yMax] = rangeOf(series);
    const plotWidth = width - CHART_LEFT - CHART_RIGHT;
    const plotHeight = height - CHART_TOP - CHART_BOTTOM;
    const across = (/** @type {number} */ x) => CHART_LEFT + (x / xMax) * plotWidth;
    const down = (/** @type {number} */ y) =>
      CHART_TOP + ((yMax - clamp(y, yMin, yMax)) / (yMax - yMin)) * plotHeight;

    const yTicks = ticks(yMin, yMax, height < 120 ? 2 : 5).flatMap((tick) => {
      const y = down(tick);
      const line = { x1: CHART_LEFT, x2: width - CHART_RIGHT, y1: y, y2: y };
      const beside = { x: CHART_LEFT - 6, y: y + 4, "text-anchor": "end" };
      return [
        svg("line", { class: "grid", ...line }),
        svg("text", beside, formatNumber(tick)),
      ];
    });
    const most = updatesPerEpoch ? 8 : Math.min(8, xMax); // else whole epochs
    const xTicks = ticks(0, xMax, Math.min(most, width / 70)).map((tick) => {
      const below = { x: across(tick), y: height - CHART_BOTTOM + 16 };
      return svg("text", { ...below, "text-anchor": "middle" }, formatNumber(tick));
    });
    const x = across(Math.min(readAt, xMax));
    const marker = { x1: x, x2: x, y1: CHART_TOP, y2: height - CHART_BOTTOM };
    plot.replaceChildren(
      ...yTicks,
      ...xTicks,
      ...axisNames(width),
      ...(readAt < Infinity ? [svg("line", { class: "now", ...marker })] : []),
      ...lines.map((line) => linePath(line, across, down)),
      ...lines.flatMap((line) => endMarks(line, across, down)),
      ...edgeNotes(series, yMin, yMax, width),
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
      svg("text", { x: centre, y: height - 4, ...style }, words`epochs`),
      svg("text", { transform: turn, ...style }, yLabel),
    ];
  }

  /**
   * Say how far the lines go beyond the range: there they run along the edge.
   * @param {ArrayLike<number>[]} series
   * @param {number} yMin
   * @param {number} yMax
   * @param {number} width
   */
  function edgeNotes(series, yMin, yMax, width) {
    const [lowest, highest] = extremes(series);
    const end = { x: width - CHART_RIGHT - 4, "text-anchor": "end", class: "edge" };
    const above = words`↑ up to ${formatNumber(highest)}`;
    const below = words`↓ down to ${formatNumber(lowest)}`;
    const low = height - CHART_BOTTOM - 5;
    return [
      ...(highest > yMax ? [svg("text", { ...end, y: CHART_TOP + 12 }, above)] : []),
      ...(lowest < yMin ? [svg("text", { ...end, y: low }, below)] : []),
    ];
  }

  function showLegend() {
    const named = lines.filter((line) => line.name && line.x.length);
    const names = named.map((line) => line.name).join();
    if (names !== namesShown) {
      namesShown = names;
      values = named.map(() => html("b"));
      const entries = named.map(({ name = "", colour }, i) => {
        const mark = html("span", { className: `mark ${colour}` });
        return html("span", {}, mark, `${name} `, values[i]);
      });
      legend.replaceChildren(place, ...entries);
    }
    const at = Math.min(readAt, xMax);
    named.forEach(({ x, y }, i) => {
      values[i].textContent = formatNumber(y[nearest(x, at)]);
    });
    const epoch = named.length ? named[0].x[nearest(named[0].x, at)] : 0;
    const update = updatesPerEpoch
      ? words`update ${Math.round(epoch * updatesPerEpoch)}, `
      : "";
    place.textContent = update + words`epoch ${formatNumber(epoch)}`;
    setAttributes(plot, {
      "aria-valuemin": 0,
      "aria-valuemax": xMax,
      "aria-valuenow": epoch,
      "aria-valuetext": legend.innerText,
    });
  }

  /** Show the values at another place. @param {number} x in epochs */
  function read(x) {
    readAt = x;
    redraw();
  }
  plot.onpointermove = ({ offsetX }) => {
    const plotWidth = plot.clientWidth - CHART_LEFT - CHART_RIGHT;
    read(clamp(((offsetX - CHART_LEFT) / plotWidth) * xMax, 0, xMax));
  };
  plot.onpointerleave = plot.onblur = () => read(Infinity);
  plot.onkeydown = (event) => {
    const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    const [x = []] = lines.filter((line) => line.name).map((line) => line.x);
    if (!direction || !x.length) return;
    event.preventDefault();
    const step = direction * Math.ceil(x.length / KEY_STEPS);
    const end = x.length - 1;
    const index = readAt < Infinity ? nearest(x, readAt) : end;
    read(x[clamp(index + step, 0, end)]);
  };

  new ResizeObserver(redraw).observe(plot);
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

/**
 * Create the number at the end of a line. Where lines end at one point, the numbers
 * stand side by side.
 * @param {Line} line
 * @param {(x: number) => number} across
 * @param {(y: number) => number} down
 */
function endMarks({ x, y, endMark }, across, down) {
  if (!endMark || !x.length) return [];
  const end = x.length - 1;
  const place = { x: across(x[end]) + 9 * endMark - 5, y: down(y[end]) + 4 };
  return [svg("text", { ...place, class: "edge" }, String(endMark))];
}
