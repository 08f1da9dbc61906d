/** A line chart with its axes, drawn at the size it has on the page. */

import { node, svg } from "./controls.js";

/**
 * @typedef {object} Line
 * @property {string} name "" keeps it out of the legend
 * @property {string} colour a colour of the style sheet: blue, orange, green, purple
 * @property {ArrayLike<number>} x
 * @property {ArrayLike<number>} y
 * @property {boolean} [ghost] an earlier model's: thin and pale
 * @property {boolean} [dots] points that are not joined
 */

const POINTS = 300; // more could not be told apart

/**
 * @param {string} title
 * @param {string} xLabel
 * @param {string} yLabel
 * @param {number} height
 */
export function chart(title, xLabel, yLabel, height) {
  const plot = svg("svg", { role: "img", "aria-label": title, height, class: "chart" });
  const key = node("div", { className: "legend" });
  const root = node("section", {}, node("h4", {}, title), key, plot);
  /** @type {Line[]} */
  let lines = [];
  let least = 1;
  let shown = "";

  /** @param {Line[]} others @param {number} until the x axis goes at least this far */
  function draw(others, until) {
    lines = others;
    least = until;
    const width = plot.clientWidth;
    if (!width) return;
    const [left, top, right, bottom] = [52, 8, 8, 36];
    const xs = lines.flatMap((l) => (l.x.length ? [l.x[l.x.length - 1]] : []));
    const xMax = Math.max(least, ...xs);
    const [yMin, yMax] = range(lines);
    const across = (/** @type {number} */ x) =>
      left + (x / xMax) * (width - left - right);
    const down = (/** @type {number} */ y) =>
      top + ((yMax - y) / (yMax - yMin)) * (height - top - bottom);
    const grid = ticks(yMin, yMax, height < 120 ? 2 : 5).flatMap((t) => [
      svg("line", {
        class: "grid",
        x1: left,
        x2: width - right,
        y1: down(t),
        y2: down(t),
      }),
      svg("text", { x: left - 6, y: down(t) + 4, "text-anchor": "end" }, format(t)),
    ]);
    const below = ticks(0, xMax, Math.min(8, width / 70)).map((t) =>
      svg(
        "text",
        { x: across(t), y: height - bottom + 16, "text-anchor": "middle" },
        format(t),
      ),
    );
    const names = [
      svg(
        "text",
        {
          x: (left + width - right) / 2,
          y: height - 4,
          "text-anchor": "middle",
          class: "name",
        },
        xLabel,
      ),
      svg(
        "text",
        {
          transform: `translate(11 ${(top + height - bottom) / 2}) rotate(-90)`,
          "text-anchor": "middle",
          class: "name",
        },
        yLabel,
      ),
    ];
    const paths = lines.map((line) => {
      const every = line.dots ? 1 : Math.ceil(line.x.length / POINTS);
      let d = "";
      for (let i = 0; i < line.x.length; i += every) {
        const place = `${across(line.x[i]).toFixed(1)} ${down(line.y[i]).toFixed(1)}`;
        d += line.dots ? `M${place}h0` : (d ? "L" : "M") + place;
      }
      const kind = line.ghost ? "ghost" : line.dots ? "dots" : "line";
      return svg("path", {
        d,
        class: `${kind} ${line.colour}`,
        "data-name": line.name,
      });
    });
    plot.replaceChildren(...grid, ...below, ...names, ...paths);
    const named = lines.filter((line) => line.name);
    if (shown !== (shown = named.map((line) => line.name).join()))
      key.replaceChildren(
        ...named.map((line) =>
          node(
            "span",
            {},
            node("span", { className: `mark ${line.colour}` }),
            line.name,
          ),
        ),
      );
  }
  new ResizeObserver(() => draw(lines, least)).observe(plot);
  return { root, draw };
}

/** From the lowest to the highest value, 0 included where all are positive. @param {Line[]} lines */
function range(lines) {
  let [low, high] = [Infinity, -Infinity];
  for (const { y } of lines)
    for (let i = 0; i < y.length; i++)
      if (Number.isFinite(y[i]))
        [low, high] = [Math.min(low, y[i]), Math.max(high, y[i])];
  if (low > high) return [0, 1];
  const bottom = Math.min(0, low);
  return [bottom, high > bottom ? high + 0.04 * (high - bottom) : bottom + 1];
}

/** About `n` round numbers between two. @param {number} low @param {number} high @param {number} n */
export function ticks(low, high, n) {
  const rough = (high - low) / n;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((m) => m * power >= rough) ?? 10);
  const first = Math.ceil(low / step);
  return Array.from(
    { length: Math.floor(high / step) - first + 1 },
    (_, i) => (first + i) * step,
  );
}

/** @param {number} value */
export function format(value) {
  return String(Number(value.toPrecision(4)));
}
