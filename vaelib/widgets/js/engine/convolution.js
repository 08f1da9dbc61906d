/**
 * The convolutions of ConvVAE in vaelib.model, for one image at a time.
 *
 * @typedef {import("./network.js").Layer} Layer
 * @typedef {[number, number, number]} ImageShape C, H, W
 */

const [KERNEL, STRIDE, PADDING] = [4, 2, 1];
export const TAPS = KERNEL ** 2;

/**
 * Return what a layer makes of an image, (C, H, W): a convolution, which halves the
 * sides, or a transposed one if `to` is larger than `from`.
 *
 * Pixel s of the small image, and tap k of the kernel, meet pixel 2 s + k - 1 of the
 * large one. The transposed convolution only goes the other way.
 * @param {Layer} layer its inputs are the taps (4 x 4) of each channel
 * @param {Float32Array} x
 * @param {ImageShape} from
 * @param {ImageShape} to
 */
export function convolve({ bias, weight }, x, from, to) {
  const [inputs, , inWidth] = from;
  const [outputs, , outWidth] = to;
  const inArea = from[1] * inWidth;
  const outArea = to[1] * outWidth;
  const isTransposed = outArea > inArea;
  const [small, large] = isTransposed ? [from, to] : [to, from];

  const sums = new Float32Array(outArea * outputs); // channels of a pixel are adjacent
  for (let at = 0; at < sums.length; at += outputs) sums.set(bias, at);
  eachMeeting(small, large, (smallAt, largeAt, tap) => {
    const [inAt, outAt] = isTransposed ? [smallAt, largeAt] : [largeAt, smallAt];
    const row = outAt * outputs;
    for (let c = 0; c < inputs; c++) {
      const value = x[c * inArea + inAt];
      if (value === 0) continue; // half of all ReLU units
      const first = (c * TAPS + tap) * outputs;
      for (let o = 0; o < outputs; o++) sums[row + o] += value * weight[first + o];
    }
  });

  const y = new Float32Array(sums.length);
  for (let at = 0; at < outArea; at++)
    for (let o = 0; o < outputs; o++) y[o * outArea + at] = sums[at * outputs + o];
  return y;
}

/**
 * Call `f` with a pixel of the small image, one of the large image, and the tap of the
 * kernel at which they meet, for all of them.
 * @param {ImageShape} small
 * @param {ImageShape} large
 * @param {(smallAt: number, largeAt: number, tap: number) => void} f
 */
function eachMeeting([, height, width], [, largeHeight, largeWidth], f) {
  for (let tap = 0; tap < TAPS; tap++) {
    const down = Math.floor(tap / KERNEL) - PADDING;
    const right = (tap % KERNEL) - PADDING;
    for (let row = 0; row < height; row++) {
      const largeRow = STRIDE * row + down;
      if (largeRow < 0 || largeRow >= largeHeight) continue;
      for (let column = 0; column < width; column++) {
        const largeColumn = STRIDE * column + right;
        if (largeColumn < 0 || largeColumn >= largeWidth) continue;
        f(row * width + column, largeRow * largeWidth + largeColumn, tap);
      }
    }
  }
}
