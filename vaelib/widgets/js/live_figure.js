/**
 * A figure with sliders. Python has drawn a frame for each position of the controls;
 * each part of the frames is stored once.
 */

import { unzipped } from "./engine/unzip.js";
import { div, html, svg } from "./parts/controls.js";
import { saveButton } from "./parts/save.js";

/** @typedef {import("./parts/events.js").Model} Model */

/**
 * @typedef {object} Control
 * @property {string} label
 * @property {string[]} texts of its values
 * @property {number} first position
 * @property {boolean} isMenu
 */

/**
 * Texts, and the number of the text of each frame, or 0 if there is one text.
 * @typedef {[texts: string[], ofFrame: number[] | 0]} Versions
 */

/**
 * Lengths in points.
 * @typedef {object} Layout
 * @property {[width: number, height: number]} size
 * @property {[left: number, width: number][]} panels
 */

/**
 * @typedef {object} Frames
 * @property {Layout} layout
 * @property {Control[]} controls the last one changes first from frame to frame
 * @property {Record<string, string>} colours on light pages and on dark ones
 * @property {string} shared markers and letters
 * @property {[panel: number, ...Versions][]} parts
 * @property {Versions} says
 */

const SCALE = 120 / 72; // pixels of a point, as in the pictures of the other figures
const NARROW = 0.5; // panels that would be drawn smaller stand below one another
const SAID = 400; // milliseconds after the last move

/** @param {{ model: Model, el: HTMLElement }} view */
export async function liveFigure({ model, el }) {
  const bytes = await unzipped([model.get("frames")]);
  /** @type {Frames} */
  const frames = JSON.parse(new TextDecoder().decode(bytes));
  const picture = pictureOfFrames(frames);
  const spoken = html("output", { className: "spoken" });
  const positions = frames.controls.map(({ first }) => first);

  const show = () => {
    let frame = 0;
    frames.controls.forEach(({ texts }, i) => {
      frame = frame * texts.length + positions[i];
    });
    picture.show(frame);
  };
  let timer = 0;
  const move = (/** @type {number} */ control, /** @type {number} */ position) => {
    positions[control] = position;
    show();
    clearTimeout(timer);
    timer = setTimeout(() => (spoken.textContent = picture.root.ariaLabel), SAID);
  };
  show();
  const controls = frames.controls.map((control, i) =>
    controlRow(control, (position) => move(i, position)),
  );
  const style = html("style", {}, coloursOf(frames.colours));
  el.className = "frames";
  const save = div("bar", saveButton("figure"));
  el.append(style, picture.root, div("controls", ...controls.flat(), save), spoken);
}

/** Return rules for the colours of a figure. @param {Record<string, string>} colours */
function coloursOf(colours) {
  const names = Object.keys(colours);
  const light = names.map((name) => `--x${name}:#${name};`).join("");
  const dark = names.map((name) => `--x${name}:#${colours[name]};`).join("");
  return `.frames{${light}}html[data-theme="dark"] .frames{${dark}}`;
}

/** @param {Versions} versions @param {number} frame */
function versionAt([texts, ofFrame], frame) {
  return texts[ofFrame && ofFrame[frame]];
}

/**
 * Create the panels of a figure. On a narrow screen they stand below one another.
 * @param {Frames} frames
 */
function pictureOfFrames({ layout, shared, parts, says }) {
  const [, height] = layout.size;
  const images = layout.panels.map(([left, width]) => {
    const viewBox = `${left} 0 ${width} ${height}`;
    const image = svg("svg", { viewBox, "aria-hidden": "true" });
    const natural = width * SCALE;
    image.style.flex = `${width} ${width} ${natural * NARROW}px`;
    image.style.maxWidth = `${natural}px`;
    return image;
  });
  const definitions = svg("defs");
  definitions.innerHTML = shared;
  for (const image of images) image.append(definitions.cloneNode(true));

  const shown = parts.map(([panel, ...versions]) => {
    const group = svg("g");
    images[panel].append(group);
    return { group, versions, text: "" };
  });
  const root = html("div", { className: "panels", role: "img" }, ...images);
  return {
    root,
    /** @param {number} frame */
    show(frame) {
      for (const part of shown) {
        const text = versionAt(part.versions, frame);
        if (text === part.text) continue;
        part.text = text;
        part.group.innerHTML = text;
      }
      root.setAttribute("aria-label", versionAt(says, frame));
    },
  };
}

/**
 * Create a slider or a menu: its label, the control, and its value.
 * @param {Control} control
 * @param {(position: number) => void} move
 * @returns {HTMLElement[]}
 */
function controlRow({ label, texts, first, isMenu }, move) {
  const id = `control-${(controlRow.count += 1)}`;
  const name = html("label", { htmlFor: id }, label);
  if (isMenu) {
    const options = texts.map((text, i) => html("option", { value: `${i}` }, text));
    const select = html("select", { id }, ...options);
    select.selectedIndex = first;
    select.oninput = () => move(select.selectedIndex);
    return [name, select];
  }
  const output = html("output", { htmlFor: id, "aria-live": "off" });
  const max = texts.length - 1;
  const slider = html("input", { id, type: "range", min: 0, max, value: first });
  const tell = () => {
    output.textContent = texts[slider.valueAsNumber];
    slider.setAttribute("aria-valuetext", output.textContent);
  };
  slider.oninput = () => {
    tell();
    move(slider.valueAsNumber);
  };
  tell();
  output.style.minWidth = `${Math.max(...texts.map(({ length }) => length))}ch`;
  return [name, slider, output];
}
controlRow.count = 0;
