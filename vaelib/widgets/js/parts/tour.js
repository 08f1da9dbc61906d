/**
 * A tour of a widget: each step lights up a part of it and waits until the reader has
 * done something. It can be left, and goes on where it was left, also after a reload.
 */

import { clamp } from "../engine/numbers.js";
import { button, div, html, statusLine } from "./controls.js";
import { keepText, keptText } from "./storage.js";
import { words } from "./words.js";

/**
 * @template State
 * @typedef {object} TourStep
 * @property {string} at selector of the part to light up
 * @property {string} asks what the reader is to do
 * @property {(now: State, before: State) => boolean} isDone whether it has been done,
 *   given the state now and the one when the step began
 * @property {string} tells what to see then
 */

const LOOK = 200; // milliseconds from one look at the state to the next

/**
 * Return a button that begins the tour, or goes on with it.
 * @template State
 * @param {"explorer" | "Playground"} id
 * @param {TourStep<State>[]} steps
 * @param {() => State} stateOf a copy of all that the steps look at
 */
export function tourButton(id, steps, stateOf) {
  const name = id === "explorer" ? words`explorer` : words`Playground`;
  const key = `vaelib-tour-${id}`;
  let i = clamp(Math.trunc(Number(keptText(key))) || 0, 0, steps.length - 1);
  let isDone = false;
  let timer = 0;
  let before = stateOf();
  const starter = button("", () => (timer ? leave() : begin()));
  const next = button(words`Next`, () => goTo(i + 1), { className: "main" });
  const skip = button(words`Skip`, () => goTo(i + 1), {
    title: words`Go on without doing this`,
  });
  const back = button(words`Back`, () => goTo(i - 1));
  const place = html("span", { className: "title" });
  const text = statusLine();
  const panel = html(
    "section",
    { className: "vaelib tour", "aria-label": words`Tour of the ${name}` },
    div("bar", place, back, skip, next, button(words`Leave`, leave)),
    text.root,
  );

  function begin() {
    starter.closest(".explorer, .playground")?.append(panel);
    timer = window.setInterval(look, LOOK);
    goTo(i);
  }

  function leave() {
    clearInterval(timer);
    timer = 0;
    if (panel.contains(document.activeElement)) starter.focus();
    panel.remove();
    light();
    showStarter();
  }

  /** @param {number} step */
  function goTo(step) {
    i = step % steps.length;
    keepText(key, String(i));
    if (step === steps.length) return leave();
    before = stateOf();
    isDone = steps[i].isDone(before, before);
    light(steps[i].at);
    showStarter();
    show();
  }

  function look() {
    if (!panel.isConnected) return leave(); // the widget has gone
    if (isDone || !steps[i].isDone(stateOf(), before)) return;
    isDone = true;
    show();
  }

  function show() {
    const { asks, tells } = steps[i];
    place.textContent = words`Step ${i + 1} of ${steps.length}`;
    panel.classList.toggle("done", isDone);
    text.show(isDone ? `✓ ${tells}` : asks);
    // A button that has the focus and is hidden would lose it.
    const focused = document.activeElement;
    next.hidden = !isDone;
    skip.hidden = isDone;
    back.disabled = !i;
    next.textContent = i + 1 < steps.length ? words`Next` : words`End`;
    if (focused === skip && isDone) next.focus();
    if (focused === next && !isDone) skip.focus();
  }

  /** Light up a part, or none. @param {string} [selector] */
  function light(selector) {
    const root = starter.closest(".explorer, .playground");
    root?.querySelector(".toured")?.classList.remove("toured");
    const part = selector && root?.querySelector(selector);
    if (!part) return;
    part.classList.add("toured");
    part.scrollIntoView({ block: "nearest" });
  }

  function showStarter() {
    starter.textContent = i && !timer ? words`Go on with the tour` : words`Tour`;
    starter.title = words`${steps.length} things to do with the ${name}`;
    starter.setAttribute("aria-pressed", String(timer > 0));
  }

  showStarter();
  return starter;
}
