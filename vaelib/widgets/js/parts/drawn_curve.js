/** A curve that the reader draws; each of its points is a slider for the keyboard. */

import { handleIndices } from "../engine/judge.js";
import { clamp, formatNumber, nearest, ticks } from "../engine/numbers.js";
import { html, OWN_KEYS, setAttributes, svg } from "./controls.js";
import { words } from "./words.js";

const [WIDE, HIGH] = [560, 300];
const [LEFT, RIGHT, TOP, BOTTOM] = [62, 544, 12, 250];
const STEPS = 40; // of an arrow key, from bottom to top
/** @type {Record<string, number>} */
const KEYS = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1 };
Object.assign(KEYS, { PageUp: 5, PageDown: -5, Home: -STEPS, End: STEPS });

/**
 * Create axes with a curve that can be drawn.
 * @param {import("../engine/judge.js").Asked} asked
 * @returns {import("./answers.js").AnswerField}
 */
export function drawnCurve({ x, truth, limits: [low, high], axes, unit }) {
  const [first, last] = [x[0], x[x.length - 1]];
  const across = (/** @type {number} */ value) =>
    LEFT + ((RIGHT - LEFT) * (value - first)) / (last - first);
  const up = (/** @type {number} */ value) =>
    BOTTOM - ((BOTTOM - TOP) * (value - low)) / (high - low);
  const places = handleIndices(x.length).map((i) => x[i]);
  /** @type {number[]} */
  let values = [];
  let isTouched = false;

  const root = svg("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "group" });
  root.setAttribute("aria-label", words`Your curve: each point is a slider`);
  for (const at of ticks(low, high, 5)) {
    const line = { x1: LEFT, x2: RIGHT, y1: up(at), y2: up(at), class: "grid" };
    const label = { x: LEFT - 6, y: up(at) + 4, "text-anchor": "end" };
    root.append(svg("line", line), svg("text", label, formatNumber(at)));
  }
  for (const at of ticks(first, last, 6)) {
    const label = { x: across(at), y: BOTTOM + 18, "text-anchor": "middle" };
    root.append(svg("text", label, formatNumber(at)));
  }
  const middle = `translate(14 ${(TOP + BOTTOM) / 2}) rotate(-90)`;
  const name = { x: (LEFT + RIGHT) / 2, y: HIGH - 8, "text-anchor": "middle" };
  root.append(
    svg("text", name, axes[0]),
    svg("text", { transform: middle, "text-anchor": "middle" }, axes[1]),
  );
  const computed = svg("polyline", { class: "computed" });
  const own = svg("polyline", { class: "own" });
  const handles = places.map((at, i) => {
    const label = `${axes[0]} = ${formatNumber(at)}`;
    const range = { "aria-valuemin": low, "aria-valuemax": high };
    const named = { "aria-label": label, "aria-orientation": "vertical", ...range };
    const handle = svg("circle", { r: 7, role: "slider", tabindex: 0, ...named });
    handle.setAttribute(OWN_KEYS, "true");
    handle.addEventListener("keydown", (event) => {
      const steps = KEYS[event.key];
      if (!steps || isLocked()) return;
      event.preventDefault();
      put(i, values[i] + (steps * (high - low)) / STEPS);
      show();
    });
    return handle;
  });
  root.append(computed, own, ...handles);
  const isLocked = () => Boolean(root.closest("fieldset:disabled"));
  const spoken = html("span", { className: "spoken" });

  /** @param {number} i @param {number} value */
  function put(i, value) {
    values[i] = clamp(value, low, high);
    isTouched = true;
  }

  /** @param {number[]} at @param {number[]} heights */
  const points = (at, heights) =>
    at.map((value, i) => `${across(value)},${up(heights[i])}`).join(" ");

  function show() {
    setAttributes(own, { points: points(places, values) });
    handles.forEach((handle, i) => {
      const told = { "aria-valuenow": values[i], cx: across(places[i]) };
      const text = `${formatNumber(values[i])} ${unit}`.trim();
      setAttributes(handle, { ...told, cy: up(values[i]), "aria-valuetext": text });
    });
  }

  function clear() {
    values = places.map(() => (low + high) / 2);
    isTouched = false;
    show();
  }

  /** @type {[number, number] | undefined} */
  let before; // x and y of the pointer
  root.onpointerdown = (event) => {
    if (isLocked() || !event.isPrimary) return;
    root.setPointerCapture(event.pointerId);
    before = undefined;
    draw(event);
  };
  root.onpointermove = (event) => {
    if (before && root.hasPointerCapture(event.pointerId)) draw(event);
  };

  /** Move the points between the last place and this one. @param {PointerEvent} event */
  function draw({ clientX, clientY }) {
    const { left, top, width } = root.getBoundingClientRect();
    const scale = WIDE / width;
    const at =
      first + (((clientX - left) * scale - LEFT) / (RIGHT - LEFT)) * (last - first);
    const height =
      low + ((BOTTOM - (clientY - top) * scale) / (BOTTOM - TOP)) * (high - low);
    const [start, y] = before ?? [at, height];
    places.forEach((place, i) => {
      const share = (place - start) / (at - start);
      if (share >= 0 && share <= 1) put(i, y + share * (height - y));
    });
    put(nearest(places, at), height);
    before = [at, height];
    show();
  }

  clear();
  return {
    nodes: [root, spoken],
    read: () => (isTouched ? [...values] : undefined),
    write(answer) {
      values = [...answer];
      isTouched = true;
      show();
    },
    clear,
    reveal(isShown) {
      setAttributes(computed, { points: isShown ? points(x, truth) : "" });
      const heights = handleIndices(x.length).map((i) => formatNumber(truth[i]));
      const list = places
        .map((at, i) => `${formatNumber(at)}: ${heights[i]}`)
        .join("; ");
      spoken.textContent = isShown ? words`Computed, at ${axes[0]} = ${list}.` : "";
      for (const handle of handles)
        handle.setAttribute("tabindex", isShown ? "-1" : "0");
    },
    missing: words`Draw your curve first, or skip the question.`,
  };
}
