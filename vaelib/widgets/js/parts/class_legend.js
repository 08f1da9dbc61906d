/** The colours of classes, and a legend in which a click shows one class alone. */

import { classCount, classOf } from "../engine/numbers.js";
import { button, html } from "./controls.js";
import { roving } from "./roving.js";

const MOST_NAMES = 30; // classes in the legend
// Ten colours that can be told apart on a light and on a dark background.
const COLOURS = [
  "#0072b2",
  "#d55e00",
  "#009e73",
  "#cc79a7",
  "#b8860b",
  "#2f9fe0",
  "#8c6bb1",
  "#e5484d",
  "#5a9e2f",
  "#8a8f98",
];
const NO_CLASS = "#8a8f9880";
const GOLDEN_ANGLE = 137.508; // degrees: hues that follow each other differ much

/**
 * Return the colour of a class; more than ten classes get one hue each.
 * @param {number | undefined} label negative: the image has no class
 * @param {number} classes how many there are
 */
export function colourOf(label = 0, classes = 1) {
  if (label < 0) return NO_CLASS;
  if (classes <= COLOURS.length) return COLOURS[label % COLOURS.length];
  return `hsl(${Math.round(label * GOLDEN_ANGLE) % 360} 65% 48%)`;
}

/** @param {() => void} onChoose called when another class is chosen, or none */
export function classLegend(onChoose) {
  const label = { role: "group", "aria-label": "Classes: choose one to see it alone" };
  const root = html("div", { className: "legend classes", ...label });
  const stop = roving(root, "button", ["ArrowLeft", "ArrowRight"]);
  /** @type {HTMLButtonElement[]} */
  let entries = [];
  let chosen = -1;

  /** @param {number} label */
  function choose(label) {
    chosen = label === chosen ? -1 : label;
    for (const entry of entries)
      entry.setAttribute("aria-pressed", String(Number(entry.value) === chosen));
    onChoose();
  }

  return {
    root,
    /** The class that is shown alone; -1: all are shown. */
    get chosen() {
      return chosen;
    },
    /**
     * Name the classes that occur.
     * @param {{ labels?: number[], classes?: string[] }} test
     */
    fill(test) {
      const { labels = [] } = test;
      const found = [...new Set(labels)].filter((label) => label >= 0);
      const shown = found.sort((a, b) => a - b).slice(0, MOST_NAMES);
      chosen = -1;
      entries = shown.map((label) => {
        const name = classOf(test, labels.indexOf(label));
        const mark = html("span", { className: "mark" });
        mark.style.background = colourOf(label, classCount(test));
        const title = `Show ${name} alone, or all again`;
        const state = { title, value: label, tabIndex: -1, "aria-pressed": "false" };
        const entry = button("", () => choose(label), state);
        entry.append(mark, name);
        return entry;
      });
      const others = found.length - shown.length;
      const rest = others > 0 ? [html("span", {}, `and ${others} more`)] : [];
      root.replaceChildren(...entries, ...rest);
      root.hidden = !shown.length;
      stop.update();
    },
  };
}
