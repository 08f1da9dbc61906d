/** A button that saves what a widget shows as a picture, made by the page itself. */

import { button, html, setAttributes } from "./controls.js";
import { words } from "./words.js";

const SHARPNESS = 2; // pixels of the picture for a pixel of the page
const HIGHEST = 16_000; // pixels of a picture: some browsers draw no higher one
const NOT_SAVED = "fieldset, .alone, .bar, .cone, .kept, .spoken, summary";
// A word, or one character of a language without spaces: none is in two lines.
const WORDS = /[^\s\u3000-\uffef]+|[\u3000-\uffef]/g;
// Of an SVG image, what the style sheet of the page says: a picture has no style sheet.
const COPIED_STYLES = ["display", "fill", "opacity", "paint-order", "vector-effect"];
COPIED_STYLES.push("fill-opacity", "image-rendering", "stroke", "stroke-dasharray");
COPIED_STYLES.push("stroke-linecap", "stroke-linejoin", "stroke-opacity");
COPIED_STYLES.push("stroke-width");
COPIED_STYLES.push("font-family", "font-size", "font-weight");

/** @param {string} name of the file, without its suffix */
export function saveButton(name) {
  const save = async () => {
    const root = /** @type {HTMLElement} */ (saver.closest(".vaelib, .frames"));
    const href = (await pictureOf(root)).toDataURL("image/png");
    html("a", { href, download: `${name}.png` }).click();
  };
  const saver = button(words`Save picture`, save, {
    title: words`Save the images and curves as a PNG file`,
  });
  return saver;
}

/** Draw all images, curves and texts of a widget where they are; no controls. */
async function pictureOf(/** @type {HTMLElement} */ root) {
  /** @type {Map<Element, CanvasImageSource>} */
  const plots = new Map();
  for (const plot of root.querySelectorAll("svg"))
    if (plot.checkVisibility()) plots.set(plot, await imageOf(plot));

  // From here on nothing can move, and what is pinned is where it belongs.
  root.classList.add("unpinned");
  const parts = [...root.querySelectorAll(":not(svg *)")].filter(
    (part) => part.checkVisibility() && !part.closest(NOT_SAVED),
  );
  const boxes = parts.map((part) => part.getBoundingClientRect());
  const { left, width } = root.getBoundingClientRect();
  const top = Math.min(...boxes.map((box) => box.top)) - 4;
  const height = Math.max(...boxes.map((box) => box.bottom)) + 4 - top;
  const scale = Math.min(SHARPNESS, HIGHEST / height);
  const picture = html("canvas", { width: width * scale, height: height * scale });
  const context = /** @type {CanvasRenderingContext2D} */ (picture.getContext("2d"));
  context.scale(scale, scale);
  context.translate(-left, -top);
  context.fillStyle = getComputedStyle(root).getPropertyValue("--surface");
  context.fillRect(left, top, width, height);
  for (const [i, part] of parts.entries()) {
    const place = [boxes[i].left, boxes[i].top, boxes[i].width, boxes[i].height];
    drawPart(context, part, /** @type {Place} */ (place), plots.get(part));
  }
  root.classList.remove("unpinned");
  return picture;
}

/** @typedef {[left: number, top: number, width: number, height: number]} Place */

/**
 * Draw the ground of an element, and its image, its slider or its own words.
 * @param {CanvasRenderingContext2D} context
 * @param {Element} part
 * @param {Place} place
 * @param {CanvasImageSource} [plot]
 */
function drawPart(context, part, place, plot) {
  if (part instanceof HTMLInputElement) return drawSlider(context, part, place);
  const style = getComputedStyle(part);
  const [left, top, , height] = place;
  const image = part instanceof HTMLCanvasElement ? part : plot;
  context.globalAlpha = Number(style.opacity);
  context.fillStyle = style.backgroundColor;
  context.fillRect(...place);
  context.imageSmoothingEnabled = style.imageRendering === "auto";
  if (image) return context.drawImage(image, ...place);

  const { color, fontWeight, fontSize, fontFamily } = style;
  const font = `${fontWeight} ${fontSize} ${fontFamily}`;
  Object.assign(context, { fillStyle: color, font, textBaseline: "middle" });
  if (part instanceof HTMLSelectElement)
    return context.fillText(part.selectedOptions[0].text, left, top + height / 2);
  const range = new Range();
  for (const node of part.childNodes)
    for (const { 0: word, index } of (node.nodeValue ?? "").matchAll(WORDS)) {
      range.setStart(node, index);
      range.setEnd(node, index + word.length);
      const box = range.getBoundingClientRect();
      context.fillText(word, box.left, box.top + box.height / 2);
    }
}

/**
 * Draw a slider as a line, with a dot where its handle is.
 * @param {CanvasRenderingContext2D} context
 * @param {HTMLInputElement} slider
 * @param {Place} place
 */
function drawSlider(context, slider, [left, top, width, height]) {
  const [min, max] = [Number(slider.min), Number(slider.max)];
  const share = (slider.valueAsNumber - min) / (max - min);
  const [end, middle] = [height / 3, top + height / 2]; // the dot stays on the line
  const x = left + end + share * (width - 2 * end);
  context.fillStyle = getComputedStyle(slider).accentColor;
  context.fillRect(left, middle - 0.5, width, 1);
  context.beginPath();
  context.arc(x, middle, height / 4, 0, 2 * Math.PI);
  context.fill();
}

/** Return an SVG element of the page as an image. */
async function imageOf(/** @type {SVGSVGElement} */ plot) {
  const copy = /** @type {SVGSVGElement} */ (plot.cloneNode(true));
  const copies = [copy, ...copy.querySelectorAll("*")];
  [plot, ...plot.querySelectorAll("*")].forEach((element, i) => {
    if (element.closest("defs")) return; // its style is that of each use
    const style = getComputedStyle(element);
    const rules = COPIED_STYLES.map(
      (name) => `${name}:${style.getPropertyValue(name)}`,
    );
    copies[i].setAttribute("style", rules.join(";"));
  });
  const { width, height } = plot.getBoundingClientRect();
  setAttributes(copy, { width, height });
  const text = new XMLSerializer().serializeToString(copy);
  const image = new Image();
  image.src = `data:image/svg+xml,${encodeURIComponent(text)}`;
  await image.decode();
  return image;
}
