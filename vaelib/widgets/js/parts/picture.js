/** Canvases that show one image or a sheet of images. */

import { html } from "./controls.js";

const GAP = 2; // pixels between the images of a sheet

/**
 * Create a canvas with one pixel per pixel of its image; the style sheet scales it.
 * @param {string} label description for screen readers
 * @param {string} [className]
 */
export function pictureCanvas(label, className = "") {
  const size = { width: 28, height: 28 };
  return html("canvas", { role: "img", "aria-label": label, className, ...size });
}

/**
 * Create a canvas and a copy of it in another place, where one of them is in sight.
 * @param {string} label
 * @param {string} className of the first
 */
export function pictureTwice(label, className) {
  const canvases = [pictureCanvas(label, className), pictureCanvas(label)];
  return {
    canvases,
    /** @param {Float32Array} pixels @param {number[]} shape */
    show(pixels, shape) {
      for (const canvas of canvases) {
        resizeCanvas(canvas, shape[2], shape[1]);
        paint(canvas, pixels, shape);
      }
    },
  };
}

/**
 * Create a sheet of images with a heading.
 * @param {string} title
 * @param {HTMLElement[]} below elements below the sheet, such as a caption
 */
export function titledSheet(title, ...below) {
  const canvas = pictureCanvas(title, "sheet");
  return { root: html("section", {}, html("h4", {}, title), canvas, ...below), canvas };
}

/**
 * Paint an image (C, H, W): numbers in [0, 1], or bytes.
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
  const [green, blue] = channels === 1 ? [0, 0] : [plane, 2 * plane];
  for (let i = 0, o = 0; i < plane; i++, o += 4) {
    image.data[o] = pixels[i] * scale;
    image.data[o + 1] = pixels[i + green] * scale;
    image.data[o + 2] = pixels[i + blue] * scale;
    image.data[o + 3] = 255;
  }
  canvas.getContext("2d")?.putImageData(image, left, top);
}

/**
 * Paint images row by row.
 * @param {HTMLCanvasElement} canvas
 * @param {(Float32Array | Uint8Array)[]} images
 * @param {number} columns
 * @param {number[]} shape
 */
export function paintSheet(canvas, images, columns, shape) {
  const [across, down] = [shape[2] + GAP, shape[1] + GAP];
  const rows = Math.ceil(images.length / columns);
  resizeCanvas(canvas, columns * across - GAP, rows * down - GAP);
  images.forEach((pixels, i) => {
    const [column, row] = [i % columns, Math.floor(i / columns)];
    paint(canvas, pixels, shape, column * across, row * down);
  });
}

/**
 * Set the size of a canvas. An unchanged size is not set again: that would clear it.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 */
export function resizeCanvas(canvas, width, height) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
}
