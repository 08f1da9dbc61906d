/**
 * A small assembler for WebAssembly. Code is a nested list of bytes, in which operands
 * stand before their operation; `wasmModule` makes it flat.
 *
 * @typedef {number | Code[]} Code
 *
 * @typedef {object} WasmFunction
 * @property {string} name
 * @property {number[]} types of its variables; the first ones are its parameters
 * @property {number} parameters how many
 * @property {Code} body
 */

/** Types of variables. */
export const [F32, I32, V128] = [0x7d, 0x7f, 0x7b];

/** Return an operation on its operands. @param {number[]} opcode */
const operation =
  (...opcode) =>
  (/** @type {Code[]} */ ...operands) => [...operands, ...opcode];

/** Return a load: of an address, plus an offset below 128. @param {number[]} opcode */
const loading =
  (...opcode) =>
  (/** @type {Code} */ address, offset = 0) => [address, ...opcode, 2, offset];

/** Return a store of a value at an address plus an offset. @param {number[]} opcode */
const storing =
  (...opcode) =>
  (/** @type {Code} */ address, /** @type {Code} */ value, offset = 0) => [
    ...[address, value, ...opcode, 2, offset],
  ];

/** Operations on whole numbers: addresses and counts. A constant is below 64. */
export const whole = {
  constant: (/** @type {number} */ n) => [0x41, n],
  add: operation(0x6a),
  subtract: operation(0x6b),
  multiply: operation(0x6c),
};

/** Operations on one 32-bit float. */
export const scalar = {
  constant: (/** @type {number} */ x) => [
    ...[0x43, ...new Uint8Array(Float32Array.of(x).buffer)],
  ],
  load: loading(0x2a),
  spread: loading(0x2a),
  store: storing(0x38),
  add: operation(0x92),
  multiply: operation(0x94),
};

/** Operations on four 32-bit floats at a time. */
export const vector = {
  load: loading(0xfd, 0),
  spread: loading(0xfd, 9), // one float to all four places
  store: storing(0xfd, 11),
  fill: operation(0xfd, 0x13),
  nearest: operation(0xfd, 0x6a), // whole number
  shiftLeft: operation(0xfd, 0xab, 1),
  absolute: operation(0xfd, 0xe0, 1),
  squareRoot: operation(0xfd, 0xe3, 1),
  add: operation(0xfd, 0xe4, 1),
  subtract: operation(0xfd, 0xe5, 1),
  multiply: operation(0xfd, 0xe6, 1),
  divide: operation(0xfd, 0xe7, 1),
  maximum: operation(0xfd, 0xe9, 1),
  integer: operation(0xfd, 0xf8, 1), // as a number of 32 bits, for shiftLeft
};

/** Return the value of a variable. @param {number} variable */
export function get(variable) {
  return [0x20, variable];
}

/** Set a variable. @param {number} variable @param {Code} value */
export function set(variable, value) {
  return [value, 0x21, variable];
}

/** Add a whole number to a variable. @param {number} variable @param {Code} value */
export function increase(variable, value) {
  return set(variable, whole.add(get(variable), value));
}

/**
 * Repeat the body as long as `count`, a variable, is at least `step`, and subtract
 * `step` from it each time.
 * @param {number} count
 * @param {number} step
 * @param {Code[]} body
 */
export function countDown(count, step, ...body) {
  const isLess = [get(count), whole.constant(step), 0x48];
  const subtract = set(count, whole.subtract(get(count), whole.constant(step)));
  const [block, loop, end, leave, again] = [
    [2, 0x40],
    [3, 0x40],
    0x0b,
    [13, 1],
    [12, 0],
  ];
  return [block, loop, isLess, leave, body, subtract, again, end, end];
}

/** Return a whole number in as many bytes as it needs. @param {number} n */
function leb128(n) {
  /** @type {number[]} */
  const bytes = [];
  for (; n > 127; n >>>= 7) bytes.push((n & 127) | 128);
  return [...bytes, n];
}

/** Return nested code as one list. @param {Code} code @returns {number[]} */
function flatBytes(code) {
  return typeof code === "number" ? [code] : code.flatMap(flatBytes);
}

/** Return code with its length before it. @param {Code[]} code */
function sized(...code) {
  const bytes = flatBytes(code);
  return [...leb128(bytes.length), ...bytes];
}

/** Return items with their number before them. @param {Code[]} items */
function listed(items) {
  return [...leb128(items.length), ...items];
}

/**
 * Return a module that imports `host.memory` and exports the functions.
 * @param {WasmFunction[]} functions
 */
export function wasmModule(functions) {
  const text = (/** @type {string} */ name) => sized(...new TextEncoder().encode(name));
  const types = functions.map(({ types, parameters }) => [
    ...[0x60, listed(types.slice(0, parameters)), 0],
  ]);
  const exported = functions.map(({ name }, i) => [text(name), 0, i]);
  const codes = functions.map(({ types, parameters, body }) => {
    const variables = types.slice(parameters).map((type) => [1, type]);
    return sized(listed(variables), body, 0x0b);
  });
  const header = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0]; // "\0asm", version 1
  const sections = [
    ...[1, sized(listed(types))],
    ...[2, sized(listed([[text("host"), text("memory"), 2, 0, 1]]))],
    ...[3, sized(listed(functions.map((_, i) => i)))],
    ...[7, sized(listed(exported))],
    ...[10, sized(listed(codes))],
  ];
  return Uint8Array.from(flatBytes([...header, ...sections]));
}
