/**
 * Memory for 32-bit floats, and products of matrices in it.
 *
 * The products are computed by WebAssembly, 20 times as fast as by JavaScript, which is
 * used where a page may not compile it (a browser without SIMD, or a policy of the
 * site).
 *
 * @typedef {object} Matrix
 * @property {Float32Array} data
 * @property {number} rowStep floats from a row to the next
 * @property {number} columnStep floats from a column to the next
 *
 * @typedef {object} Kernels
 * @property {(...integers: number[]) => void} multiply
 * @property {(to: number, from: number, count: number) => void} decay
 * @property {(...values: number[]) => void} adam
 */

import { kernelModule, TILE_COLUMNS } from "./kernels.js";

const DEPTH = 256; // rows of B at a time: what is packed stays in the first cache
const PAGE = 2 ** 16; // bytes, the unit of WebAssembly's memory

/** @type {WebAssembly.Module | undefined} */
let compiledKernels; // the same for each memory

/** Memory for arrays. With 0 bytes it only measures: its arrays are empty. */
export class Arena {
  /** @param {number} bytes @param {boolean} useWasm */
  constructor(bytes, useWasm = true) {
    const compiled = useWasm && bytes ? compileKernels(Math.ceil(bytes / PAGE)) : null;
    this.kernels = compiled && compiled.kernels;
    this.buffer = compiled ? compiled.memory.buffer : new ArrayBuffer(bytes);
    this.used = 0; // bytes
    this.panel = this.allocate(DEPTH * TILE_COLUMNS);
  }

  /** Return zeros that start at a multiple of 16 bytes. @param {number} length */
  allocate(length) {
    const start = this.used;
    this.used += Math.ceil(length / 4) * 16;
    return !this.buffer.byteLength
      ? new Float32Array()
      : new Float32Array(this.buffer, start, length);
  }

  /**
   * C += A B. The columns of B and C must be adjacent (columnStep 1).
   * @param {Matrix} c (rows, columns)
   * @param {Matrix} a (rows, depth)
   * @param {Matrix} b (depth, columns)
   * @param {number} rows
   * @param {number} columns
   * @param {number} depth
   */
  addProduct(c, a, b, rows, columns, depth) {
    if (!this.kernels) return addPlainProduct(c, a, b, rows, columns, depth);
    const [aRow, aColumn, bRow] = [a.rowStep, a.columnStep, b.rowStep].map(
      (n) => 4 * n,
    );
    for (let k = 0; k < depth; k += DEPTH)
      this.kernels.multiply(
        ...[c.data.byteOffset, 4 * c.rowStep],
        ...[a.data.byteOffset + k * aColumn, aRow, aColumn],
        ...[b.data.byteOffset + k * bRow, bRow],
        ...[rows, columns, Math.min(DEPTH, depth - k), this.panel.byteOffset],
      );
  }

  /**
   * Set y = exp(-|x|) for each number of x.
   * @param {Float32Array} y
   * @param {Float32Array} x
   */
  decay(y, x) {
    const count = Math.ceil(x.length / 4) * 4; // arrays are padded
    if (this.kernels) this.kernels.decay(y.byteOffset, x.byteOffset, count);
    else for (let i = 0; i < x.length; i++) y[i] = Math.exp(-Math.abs(x[i]));
  }
}

/**
 * Return what `build` makes in an arena of the size that it needs. It is called twice,
 * since an arena cannot grow: arrays in it would become invalid.
 * @template T
 * @param {(arena: Arena) => T} build
 * @param {boolean} useWasm
 */
export function buildInArena(build, useWasm = true) {
  const measured = new Arena(0);
  build(measured);
  return build(new Arena(measured.used, useWasm));
}

/**
 * Return a matrix whose columns are adjacent.
 * @param {Float32Array} data
 * @param {number} rowStep
 */
export function matrixOf(data, rowStep) {
  return { data, rowStep, columnStep: 1 };
}

/** Return the transposed matrix, of the same data. @param {Matrix} matrix */
export function transposed({ data, rowStep, columnStep }) {
  return { data, rowStep: columnStep, columnStep: rowStep };
}

/**
 * Copy a matrix: to[i, j] = from[i, j].
 * @param {Matrix} to
 * @param {Matrix} from
 * @param {number} rows
 * @param {number} columns
 */
export function copyMatrix(to, from, rows, columns) {
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++)
      to.data[i * to.rowStep + j * to.columnStep] =
        from.data[i * from.rowStep + j * from.columnStep];
}

/**
 * Return the kernels and their memory; null if they cannot be compiled.
 * @param {number} pages
 */
function compileKernels(pages) {
  try {
    const module = (compiledKernels ??= new WebAssembly.Module(kernelModule()));
    const memory = new WebAssembly.Memory({ initial: pages });
    const { exports } = new WebAssembly.Instance(module, { host: { memory } });
    return { memory, kernels: /** @type {any} */ (exports) };
  } catch {
    return null;
  }
}

/**
 * C += A B in JavaScript. Four columns of A are processed at a time, since each float
 * of C is then read and written a fourth as often.
 * @param {Matrix} c
 * @param {Matrix} a
 * @param {Matrix} b
 * @param {number} rows
 * @param {number} columns
 * @param {number} depth
 */
function addPlainProduct(c, a, b, rows, columns, depth) {
  const [x, y] = [b.data, c.data];
  for (let i = 0; i < rows; i++) {
    const at = (/** @type {number} */ k) => a.data[i * a.rowStep + k * a.columnStep];
    const start = i * c.rowStep;
    let k = 0;
    for (; k + 4 <= depth; k += 4) {
      const [a0, a1, a2, a3] = [at(k), at(k + 1), at(k + 2), at(k + 3)];
      const [b0, b1, b2, b3] = [k, k + 1, k + 2, k + 3].map((row) => row * b.rowStep);
      for (let j = 0; j < columns; j++)
        y[start + j] +=
          a0 * x[b0 + j] + a1 * x[b1 + j] + a2 * x[b2 + j] + a3 * x[b3 + j];
    }
    for (; k < depth; k++)
      for (let j = 0; j < columns; j++) y[start + j] += at(k) * x[k * b.rowStep + j];
  }
}
