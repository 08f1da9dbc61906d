/** What is said of a predicted answer: is it right, and if not, which error is it? */

/**
 * @typedef {string | number | number[]} Answer a choice, a number, or a curve at some
 *   of its points
 */

/**
 * @typedef {object} Asked
 * @property {"choice" | "number" | "curve"} kind
 * @property {string} question
 * @property {any} truth
 * @property {[any, string][]} says wrong answers, each with its sentence
 * @property {string} because
 * @property {string} unit
 * @property {number} within share of the truth, or of its range, that counts as right
 * @property {string[]} choices
 * @property {number[]} x
 * @property {[string, string]} axes
 * @property {[number, number]} limits
 * @property {number} cells
 */

/**
 * Whether an answer is right, the sentence for the error if it is none, and for a curve
 * its mean distance.
 * @typedef {{ isRight: boolean, sentence: string, distance: number }} Verdict
 */

const MOST_HANDLES = 9; // points of a curve that the reader moves

/**
 * Return the indices of the points that the reader moves, of `count` points.
 * @param {number} count
 */
export function handleIndices(count) {
  const handles = Math.min(count, MOST_HANDLES);
  const step = (count - 1) / (handles - 1);
  return Array.from({ length: handles }, (_, i) => Math.round(i * step));
}

/** @param {number[]} a @param {number[]} b */
function meanDistance(a, b) {
  return a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length;
}

/**
 * Judge a curve: if a typical wrong curve is nearer than the right one, its sentence is
 * said.
 * @param {Asked} asked
 * @param {number[]} drawn
 * @returns {Verdict}
 */
function judgedCurve({ truth, says, within }, drawn) {
  const indices = handleIndices(truth.length);
  const from = (/** @type {number[]} */ curve) =>
    meanDistance(
      drawn,
      indices.map((i) => curve[i]),
    );
  const distance = from(truth);
  const range = Math.max(...truth) - Math.min(...truth);
  const isRight = distance <= within * range;
  let [nearestOne, sentence] = [distance, ""];
  for (const [curve, text] of isRight ? [] : says)
    if (from(curve) < nearestOne) [nearestOne, sentence] = [from(curve), text];
  return { isRight, sentence, distance };
}

/**
 * Judge a number: the nearest of the wrong ones that it may be, or else its side.
 * @param {Asked} asked
 * @param {number} given
 * @returns {Verdict}
 */
function judgedNumber({ truth, says, within }, given) {
  const isAt = (/** @type {number} */ value) =>
    Math.abs(given - value) <= within * Math.abs(value) + 1e-9 * Math.abs(value);
  const distance = Math.abs(given - truth);
  if (isAt(truth)) return { isRight: true, sentence: "", distance };
  const close = says
    .filter(([value]) => typeof value === "number" && isAt(value))
    .sort(([a], [b]) => Math.abs(given - a) - Math.abs(given - b));
  const side = given < truth ? "low" : "high";
  const found = close[0] ?? says.find(([value]) => value === side);
  return { isRight: false, sentence: found?.[1] ?? "", distance };
}

/**
 * Judge an answer.
 * @param {Asked} asked
 * @param {any} answer
 * @returns {Verdict}
 */
export function judged(asked, answer) {
  if (asked.kind === "curve") return judgedCurve(asked, answer);
  if (asked.kind === "number") return judgedNumber(asked, answer);
  const sentence = asked.says.find(([choice]) => choice === answer)?.[1] ?? "";
  return { isRight: answer === asked.truth, sentence, distance: 0 };
}

/**
 * Return whether something, such as what a browser has kept, can be an answer.
 * @param {Asked} asked
 * @param {any} answer
 */
export function canBeAnswer({ kind, choices, x }, answer) {
  if (kind === "choice") return choices.includes(answer);
  if (kind === "number") return Number.isFinite(answer);
  const length = handleIndices(x.length).length;
  return (
    Array.isArray(answer) && answer.length === length && answer.every(Number.isFinite)
  );
}
