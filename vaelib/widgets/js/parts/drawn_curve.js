/** A curve that the reader draws; each of its points is a slider for the keyboard. */

import { handleIndices } from "../engine/judge.js";
import { clamp, formatNumber, nearest } from "../engine/numbers.js";
import { html, OWN_KEYS, setAttributes, svg } from "./controls.js";
import { curveAxes } from "./curve_axes.js";
import { words } from "./words.js";

const CURVE_STEPS = 40; // of an arrow key, from bottom to top
/** @type {Record<string, number>} */
const CURVE_KEYS = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1 };
Object.assign(CURVE_KEYS, { PageUp: 5, PageDown: -5 });
Object.assign(CURVE_KEYS, { Home: -CURVE_STEPS, End: CURVE_STEPS });

/**
 * Create axes with a curve that can be drawn.
 * @param {import("../engine/judge.js").Asked} asked
 * @returns {import("./answers.js").AnswerField}
 */
export function drawnCurve(asked) {
  const { x, truth, axes, unit } = asked;
  const [low, high] = asked.limits;
  const { root, across, up, valuesAt } = curveAxes(asked);
  const indices = handleIndices(x.length);
  const places = indices.map((i) => x[i]);
  /** @type {number[]} */
  let values = [];
  let isTouched = false;

  root.setAttribute("aria-label", words`Your curve: each point is a slider`);
  const computed = svg("polyline", { class: "computed" });
  const own = svg("polyline", { class: "own" });
  const handles = places.map((at, i) => {
    const label = `${axes[0]} = ${formatNumber(at)}`;
    const range = { "aria-valuemin": low, "aria-valuemax": high };
    const named = { "aria-label": label, "aria-orientation": "vertical", ...range };
    const handle = svg("circle", { r: 7, role: "slider", tabindex: 0, ...named });
    handle.setAttribute(OWN_KEYS, "true");
    handle.addEventListener("keydown", (event) => {
      const steps = CURVE_KEYS[event.key];
      if (!steps || isLocked()) return;
      event.preventDefault();
      put(i, values[i] + (steps * (high - low)) / CURVE_STEPS);
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

  let grabbed = -1; // the point under the pointer, which moves it up and down
  /** @type {[x: number, y: number] | undefined} */
  let before; // where the pointer was
  root.onpointerdown = (event) => {
    if (isLocked() || !event.isPrimary) return;
    root.setPointerCapture(event.pointerId);
    const [at] = (before = valuesAt(event));
    grabbed = nearest(places, at);
    draw(event);
    if (event.target !== handles[grabbed]) grabbed = -1;
  };
  root.onpointermove = (event) => {
    if (before && root.hasPointerCapture(event.pointerId)) draw(event);
  };

  /** Move a point, or those that the pointer has passed. @param {PointerEvent} event */
  function draw(event) {
    const [at, height] = valuesAt(event);
    const [start, y] = before ?? [at, height];
    before = [at, height];
    if (nearest(places, at) !== grabbed) grabbed = -1;
    if (grabbed >= 0) put(grabbed, height);
    else
      places.forEach((place, i) => {
        const share = (place - start) / (at - start);
        if (share >= 0 && share <= 1) put(i, y + share * (height - y));
      });
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
      const told = indices.map(
        (i) => `${formatNumber(x[i])}: ${formatNumber(truth[i])}`,
      );
      const text = words`Computed, at ${axes[0]} = ${told.join("; ")}.`;
      spoken.textContent = isShown ? text : "";
      root.classList.toggle("skipped", isShown && !isTouched);
      for (const handle of handles)
        handle.setAttribute("tabindex", isShown ? "-1" : "0");
    },
    missing: words`Draw your curve first, or skip the question.`,
    hint: words`Draw with the mouse or a finger, or move points by the arrow keys.`,
  };
}
