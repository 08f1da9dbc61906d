/** The inner loops of training as WebAssembly: product, exponential, step of Adam. */

import { countDown, get, increase, set } from "./assembler.js";
import { F32, I32, scalar, V128, vector, wasmModule, whole } from "./assembler.js";

/** @typedef {import("./assembler.js").Code} Code */

// A tile of the result, 4 rows of 2 vectors, stays in 8 of the processor's 16 vector
// registers. A step of the sum then takes 6 loads for its 64 operations on floats.
const TILE_ROWS = 4;
const TILE_VECTORS = 2;
export const TILE_COLUMNS = 4 * TILE_VECTORS;
const UNROLLED = 4; // steps of the sum between two tests of whether it is complete
const FLOAT = 4; // bytes

/** Return the bytes of a module with the functions `multiply`, `decay` and `adam`. */
export function kernelModule() {
  return wasmModule([multiplyFunction(), decayFunction(), adamFunction()]);
}

/** Return a list of types, and a function that declares `count` variables of a type. */
function variables() {
  /** @type {number[]} */
  const types = [];
  const declare = (/** @type {number} */ type, /** @type {number} */ count) =>
    Array.from({ length: count }, () => types.push(type) - 1);
  return { types, declare };
}

/**
 * Return the function C += A B, for matrices of any shape.
 *
 * Its arguments are addresses and the steps from a row, or column, to the next, all in
 * bytes; the shape; and `panel`, memory for `depth` rows of a tile. The columns of B
 * and C are adjacent. A is transposed if its steps are exchanged.
 */
function multiplyFunction() {
  const { types, declare } = variables();
  const [c, cRow, a, aRow, aColumn, b, bRow] = declare(I32, 7);
  const [rows, columns, depth, panel] = declare(I32, 4);
  const parameters = types.length;
  const [cTile, aTile, i, k, atA, atB, atPanel] = declare(I32, 7);
  const aRows = declare(I32, TILE_ROWS); // from the first row of a tile to each

  // Columns that do not fill a tile are processed one at a time.
  const tiles = [
    { on: vector, lanes: 4, type: V128, count: TILE_VECTORS },
    { on: scalar, lanes: 1, type: F32, count: 1 },
  ].map(({ type, count, ...kind }) => ({
    ...kind,
    bs: declare(type, count),
    factor: declare(type, 1)[0],
    sums: Array.from({ length: TILE_ROWS }, () => declare(type, count)),
  }));

  /** @typedef {typeof tiles[number]} Tile */

  /** The given number of rows of C. @param {Tile} tile @param {number} height */
  const product = ({ on, lanes, bs, factor, sums }, height) => {
    const size = lanes * FLOAT;
    const each = (/** @type {(sum: number, address: Code, at: number) => Code} */ f) =>
      sums.slice(0, height).map((row, r) => {
        const start = whole.multiply(get(cRow), whole.constant(r));
        return row.map((sum, v) => f(sum, whole.add(get(cTile), start), v * size));
      });
    const step = [
      bs.map((b, v) => set(b, on.load(get(atB), v * size))),
      sums
        .slice(0, height)
        .map((row, r) => [
          set(factor, on.spread(whole.add(get(atA), get(aRows[r])))),
          row.map((s, v) =>
            set(s, on.add(get(s), on.multiply(get(factor), get(bs[v])))),
          ),
        ]),
      increase(atA, get(aColumn)),
      increase(atB, whole.constant(bs.length * size)),
    ];
    return [
      each((sum, address, at) => set(sum, on.load(address, at))),
      ...[set(atA, get(aTile)), set(atB, get(panel)), set(k, get(depth))],
      [UNROLLED, 1].map((times) => countDown(k, times, Array(times).fill(step))),
      each((sum, address, at) => on.store(address, get(sum), at)),
    ];
  };

  /** Copy some columns of B, so that they are adjacent. @param {Tile} tile */
  const pack = ({ on, lanes, bs }) => [
    ...[set(atPanel, get(panel)), set(atB, get(b)), set(k, get(depth))],
    countDown(
      ...[k, 1],
      bs.map((_, v) =>
        on.store(get(atPanel), on.load(get(atB), v * lanes * FLOAT), v * lanes * FLOAT),
      ),
      increase(atPanel, whole.constant(bs.length * lanes * FLOAT)),
      increase(atB, get(bRow)),
    ),
  ];

  const body = [
    aRows.map((row, r) => set(row, whole.multiply(get(aRow), whole.constant(r)))),
    tiles.map((tile) => {
      const width = tile.lanes * tile.bs.length;
      return countDown(
        ...[columns, width],
        pack(tile),
        ...[set(cTile, get(c)), set(aTile, get(a)), set(i, get(rows))],
        [TILE_ROWS, 1].map((height) =>
          countDown(
            ...[i, height],
            product(tile, height),
            increase(cTile, whole.multiply(get(cRow), whole.constant(height))),
            increase(aTile, whole.multiply(get(aRow), whole.constant(height))),
          ),
        ),
        increase(c, whole.constant(width * FLOAT)),
        increase(b, whole.constant(width * FLOAT)),
      );
    }),
  ];
  return { name: "multiply", types, parameters, body };
}

/**
 * Return the function y = exp(-|x|), for floats at `from`; `count` is a multiple of 4.
 *
 * With -|x| / 2 = n log 2 + r, where n is a whole number, y = (2**n exp(r))**2. As
 * |r| < 0.35, eight terms of the series of exp(r) are exact to the last bit. Without
 * the square, 2**n would be too small for some y that are still floats.
 */
function decayFunction() {
  const { types, declare } = variables();
  const [to, from, count] = declare(I32, 3);
  const parameters = types.length;
  const [r, n, sum] = declare(V128, 3);

  const { add, subtract, multiply } = vector;
  const constant = (/** @type {number} */ x) => vector.fill(scalar.constant(x));
  const high = 355 / 512; // log 2 in two parts: n * high has no rounding error
  const remainder = subtract(
    subtract(get(r), multiply(get(n), constant(high))),
    multiply(get(n), constant(Math.LN2 - high)),
  );
  const factorials = [5040, 720, 120, 24, 6, 2, 1, 1];
  // The bits of the float 2**n: its exponent is n + 127, before 23 bits.
  const biased = vector.integer(add(get(n), constant(127)));
  const power = vector.shiftLeft(biased, whole.constant(23));
  const body = countDown(
    ...[count, 4],
    set(r, multiply(vector.absolute(vector.load(get(from))), constant(-0.5))),
    set(r, vector.maximum(get(r), constant(-52))), // y is 0 there
    set(n, vector.nearest(multiply(get(r), constant(Math.LOG2E)))),
    set(r, remainder),
    set(sum, constant(0)),
    factorials.map((k) => set(sum, add(multiply(get(sum), get(r)), constant(1 / k)))),
    set(sum, multiply(get(sum), power)),
    vector.store(get(to), multiply(get(sum), get(sum))),
    [to, from].map((address) => increase(address, whole.constant(4 * FLOAT))),
  );
  return { name: "decay", types, parameters, body };
}

/**
 * Return the function that takes a step of Adam: see adam.js.
 *
 * Its arguments are the addresses of weights, gradients and both moments; their number,
 * a multiple of 4; and the six factors of `Adam.step`, in its order.
 */
function adamFunction() {
  const { types, declare } = variables();
  const [weights, gradients, means, squares, count] = declare(I32, 5);
  const factors = declare(F32, 6);
  const parameters = types.length;
  const [share, decay, squareShare, root, eps, step] = declare(V128, 6);
  const [g, m, v] = declare(V128, 3);

  const { add, subtract, multiply, divide, squareRoot } = vector;
  const denominator = add(divide(squareRoot(get(v)), get(root)), get(eps));
  const change = divide(multiply(get(step), get(m)), denominator);
  const body = [
    [share, decay, squareShare, root, eps, step].map((variable, i) =>
      set(variable, vector.fill(get(factors[i]))),
    ),
    countDown(
      ...[count, 4],
      set(g, vector.load(get(gradients))),
      set(m, vector.load(get(means))),
      set(m, add(get(m), multiply(get(share), subtract(get(g), get(m))))),
      vector.store(get(means), get(m)),
      set(v, multiply(get(decay), vector.load(get(squares)))),
      set(v, add(get(v), multiply(multiply(get(squareShare), get(g)), get(g)))),
      vector.store(get(squares), get(v)),
      vector.store(get(weights), subtract(vector.load(get(weights)), change)),
      [weights, gradients, means, squares].map((address) =>
        increase(address, whole.constant(4 * FLOAT)),
      ),
    ),
  ];
  return { name: "adam", types, parameters, body };
}
