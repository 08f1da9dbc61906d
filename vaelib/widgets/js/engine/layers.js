/**
 * Fully connected layers and their derivatives.
 *
 * Units are rows and images are columns. A layer is Y = W X + b, with torch's W
 * (outputs, inputs); backward, dW = dY Xᵀ and dX = Wᵀ dY. Only X has to be transposed,
 * which is small beside W.
 */

import { product } from "./numbers.js";
import { copyMatrix, matrixOf, transposed } from "./products.js";

/**
 * @typedef {import("./products.js").Arena} Arena
 *
 * @typedef {object} Tensor A parameter, in torch's order; what Adam keeps about it.
 * @property {number[]} shape
 * @property {Float32Array} data
 * @property {Float32Array} gradient
 * @property {Float32Array} mean of past gradients
 * @property {Float32Array} square mean of their squares
 */

/** The values of some units for a mini-batch, and the derivatives of the loss. */
export class Units {
  /**
   * @param {Arena} arena
   * @param {number} count
   * @param {number} stride floats from a unit to the next: the largest mini-batch
   */
  constructor(arena, count, stride) {
    this.count = count;
    this.values = matrixOf(arena.allocate(count * stride), stride);
    this.gradient = matrixOf(arena.allocate(count * stride), stride);
    this.images = matrixOf(arena.allocate(stride * count), count); // a row per image
  }

  /**
   * Set the values from the rows of images.
   * @param {Float32Array} rows (n, count)
   * @param {number} n
   */
  read(rows, n) {
    this.images.data.set(rows.subarray(0, n * this.count));
    copyMatrix(this.values, transposed(this.images), this.count, n);
  }

  /** Copy the values of `n` images to rows, and return these. @param {number} n */
  rows(n) {
    copyMatrix(transposed(this.images), this.values, this.count, n);
    return this.images.data.subarray(0, n * this.count);
  }
}

export class Layer {
  /**
   * @param {Arena} arena
   * @param {Units} from
   * @param {Units} to
   * @param {string} activation "relu", "tanh" or ""
   */
  constructor(arena, from, to, activation = "") {
    this.arena = arena;
    this.from = from;
    this.to = to;
    this.activation = activation;
    this.weight = newTensor(arena, [to.count, from.count]);
    this.bias = newTensor(arena, [to.count]);
  }

  /** Compute the values of the outputs for `n` images. @param {number} n */
  forward(n) {
    const { from, to, weight, bias } = this;
    const { data, rowStep } = to.values;
    bias.data.forEach((b, i) => data.fill(b, i * rowStep, i * rowStep + n));
    const w = matrixOf(weight.data, from.count);
    this.arena.addProduct(to.values, w, from.values, to.count, n, from.count);
    activate(this.activation, data);
  }

  /**
   * Compute the gradients of weight and bias from that of the outputs; unless the
   * inputs are images, add theirs to the gradient of the inputs.
   * @param {number} n images
   * @param {boolean} fromImages
   */
  backward(n, fromImages) {
    const { arena, from, to, weight, bias } = this;
    const { data, rowStep } = to.gradient;
    differentiate(this.activation, data, to.values.data);
    for (let i = 0; i < to.count; i++) {
      let sum = 0;
      for (let j = i * rowStep; j < i * rowStep + n; j++) sum += data[j];
      bias.gradient[i] = sum;
    }
    const dw = matrixOf(weight.gradient.fill(0), from.count);
    arena.addProduct(dw, to.gradient, from.images, to.count, from.count, n);
    if (fromImages) return;
    const back = transposed(matrixOf(weight.data, from.count));
    arena.addProduct(from.gradient, back, to.gradient, from.count, n, to.count);
  }
}

/**
 * Return a parameter of zeros.
 * @param {Arena} arena
 * @param {number[]} shape
 * @returns {Tensor}
 */
function newTensor(arena, shape) {
  const [data, gradient, mean, square] = [0, 1, 2, 3].map(() =>
    arena.allocate(product(shape)),
  );
  return { shape, data, gradient, mean, square };
}

/**
 * Apply an activation function in place.
 * @param {string} name
 * @param {Float32Array} h
 */
function activate(name, h) {
  if (name === "relu") for (let i = 0; i < h.length; i++) h[i] = Math.max(0, h[i]);
  if (name === "tanh") for (let i = 0; i < h.length; i++) h[i] = Math.tanh(h[i]);
}

/**
 * Multiply derivatives, in place, by that of an activation function with values `h`.
 * @param {string} name
 * @param {Float32Array} gradient
 * @param {Float32Array} h
 */
function differentiate(name, gradient, h) {
  if (name === "relu")
    for (let i = 0; i < h.length; i++) if (h[i] <= 0) gradient[i] = 0;
  if (name === "tanh") for (let i = 0; i < h.length; i++) gradient[i] *= 1 - h[i] ** 2;
}
