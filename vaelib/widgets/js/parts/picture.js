/** Pictures on canvases: one, or a sheet of many. */

import { node } from "./controls.js";

export const GAP = 2;

/**
 * A canvas that is as large as its picture; the style sheet scales it.
 * @param {string} label what it shows, for those who do not see it
 * @param {string} [className]
 */
export function picture(label, className = "") {
  return node("canvas", {
    role: "img",
    "aria-label": label,
    className,
    width: 28,
    height: 28,
  });
}

/**
 * Paints a picture (C, H, W) with values in [0, 1], or bytes, at a place of a canvas.
 * @param {HTMLCanvasElement} canvas
 * @param {Float32Array | Uint8Array} pixels
 * @param {number[]} shape
 * @param {number} left
 * @param {number} top
 */
export function paint(canvas, pixels, [channels, height, width], left = 0, top = 0) {
  const image = new ImageData(width, height);
  const scale = pixels instanceof Uint8Array ? 1 : 255;
  const plane = height * width;
  const [g, b] = channels === 1 ? [0, 0] : [plane, 2 * plane];
  for (let i = 0, o = 0; i < plane; i++, o += 4) {
    image.data[o] = pixels[i] * scale;
    image.data[o + 1] = pixels[i + g] * scale;
    image.data[o + 2] = pixels[i + b] * scale;
    image.data[o + 3] = 255;
  }
  canvas.getContext("2d")?.putImageData(image, left, top);
}

/**
 * Makes a canvas as large as a sheet of pictures; it is emptied only where its size changes.
 * @param {HTMLCanvasElement} canvas
 * @param {number} columns
 * @param {number} rows
 * @param {number[]} shape
 */
export function resize(canvas, columns, rows, [, height, width]) {
  const [w, h] = [columns * (width + GAP) - GAP, rows * (height + GAP) - GAP];
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
}

/**
 * Paints pictures row by row.
 * @param {HTMLCanvasElement} canvas
 * @param {(Float32Array | Uint8Array)[]} pictures
 * @param {number} columns
 * @param {number[]} shape
 */
export function sheet(canvas, pictures, columns, shape) {
  resize(canvas, columns, Math.ceil(pictures.length / columns), shape);
  pictures.forEach((pixels, i) =>
    paint(
      canvas,
      pixels,
      shape,
      (i % columns) * (shape[2] + GAP),
      Math.floor(i / columns) * (shape[1] + GAP),
    ),
  );
}
