/** Arrays as bytes (a DataView): images, posterior means, curves. */

import { objective } from "./numbers.js";

export const MEAN_SCALE = 1024; // FIXED_POINT in vaelib/widgets/explorer.py

/** Return the bytes themselves, without a copy. @param {DataView} view */
export function bytesOf(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/** Return the bytes of an array, without a copy. @param {ArrayBufferView} array */
export function viewOf({ buffer, byteOffset, byteLength }) {
  return new DataView(buffer, byteOffset, byteLength);
}

/** Return 32-bit floats. @param {DataView} view */
export function floatsOf(view) {
  const length = view.byteLength / 4;
  return Float32Array.from({ length }, (_, i) => view.getFloat32(4 * i, true));
}

/**
 * Return posterior means (N, J), which arrive as 16-bit fixed-point numbers.
 * @param {DataView | undefined} view
 */
export function meansOf(view) {
  if (!view) return new Float32Array();
  const value = (/** @type {number} */ i) => view.getInt16(2 * i, true) / MEAN_SCALE;
  return Float32Array.from({ length: view.byteLength / 2 }, (_, i) => value(i));
}

/**
 * Return `count` images of `size` bytes each, the first of them image `first`.
 * @param {Uint8Array} bytes
 * @param {number} first
 * @param {number} count
 * @param {number} size
 */
export function imagesOf(bytes, first, count, size) {
  return Array.from({ length: count }, (_, i) =>
    bytes.subarray((first + i) * size, (first + i + 1) * size),
  );
}

/** Return the pixels of an image as numbers in [0, 1]. @param {Uint8Array} image */
export function unitPixels(image) {
  return Float32Array.from(image, (value) => value / 255);
}

/**
 * Return the columns of a curve (step, reconstruction, KL, beta), with the step in
 * epochs, and their sum: the objective.
 * @param {DataView} view
 * @param {number} stepsPerEpoch
 */
export function curveOf(view, stepsPerEpoch) {
  const values = floatsOf(view);
  const [x, recon, kl, beta] = [0, 1, 2, 3].map((column) =>
    values.filter((_, i) => i % 4 === column),
  );
  return {
    x: x.map((step) => step / stepsPerEpoch),
    recon,
    kl,
    beta,
    total: objective(recon, kl, beta),
  };
}
