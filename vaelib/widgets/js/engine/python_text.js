/** Values as Python writes them: settings, labels and messages are those of vaelib. */

const HIDDEN = /(?! )[\p{C}\p{Z}]/gu; // what str.isprintable of Python refuses
/** @type {Record<string, string>} */
const ESCAPES = { "\t": "\\t", "\n": "\\n", "\r": "\\r" };

/**
 * Return the sign of a number, also of -0, and its absolute value's digits (such as
 * "1.5") and power of ten.
 * @param {number} value
 * @param {number} [digits] after the first; as many as are needed, if not given
 * @returns {[string, string, number]}
 */
function partsOf(value, digits) {
  const [mantissa, power] = Math.abs(value).toExponential(digits).split("e");
  return [value < 0 || Object.is(value, -0) ? "-" : "", mantissa, Number(power)];
}

/** Return a power of ten in at least two digits. @param {number} power */
function powerText(power) {
  return `e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

/** Return a number that is not finite, such as "-inf". @param {number} value */
function infiniteText(value) {
  return Number.isNaN(value) ? "nan" : value < 0 ? "-inf" : "inf";
}

/** Return a float as `repr` does: 0.1, 100.0, 1e-05. @param {number} value */
export function floatText(value) {
  if (!Number.isFinite(value)) return infiniteText(value);
  const [sign, mantissa, power] = partsOf(value);
  if (power < -4 || power >= 16) return sign + mantissa + powerText(power);
  const text = String(Math.abs(value));
  return sign + text + (text.includes(".") ? "" : ".0");
}

/** Return a number as the format "g" does: six digits. @param {number} value */
export function shortText(value) {
  if (!Number.isFinite(value)) return infiniteText(value);
  const [sign, mantissa, power] = partsOf(value, 5);
  if (power < -4 || power >= 6) return sign + Number(mantissa) + powerText(power);
  return sign + Number(Math.abs(value).toPrecision(6));
}

/** Return text whose invisible characters are escapes. @param {string} text */
function visibleText(text) {
  return text.replace(HIDDEN, (character) => {
    const code = /** @type {number} */ (character.codePointAt(0));
    const [letter, width] = code < 256 ? ["x", 2] : code < 65536 ? ["u", 4] : ["U", 8];
    const digits = code.toString(16).padStart(width, "0");
    return ESCAPES[character] ?? `\\${letter}${digits}`;
  });
}

/**
 * Return text on one line of at most 500 characters, as `one_line` of vaelib.checks.
 * @param {string} text
 */
export function oneLine(text) {
  const shown = [...visibleText(text)];
  if (shown.length <= 500) return shown.join("");
  return `${shown.slice(0, 247).join("")} ... ${shown.slice(-247).join("")}`;
}

/**
 * Return a value of JSON as `repr` shows it. A whole number is an int.
 * @param {any} value
 * @returns {string}
 */
export function reprText(value) {
  if (typeof value === "string") {
    const quote = value.includes("'") && !value.includes('"') ? '"' : "'";
    const safe = visibleText(value.replaceAll("\\", "\\\\"));
    return quote + safe.replaceAll(quote, `\\${quote}`) + quote;
  }
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number")
    return Number.isInteger(value) ? String(value) : floatText(value);
  if (Array.isArray(value)) return `[${value.map(reprText).join(", ")}]`;
  if (typeof value !== "object" || value === null) return "None";
  const pairs = Object.entries(value).map((pair) => pair.map(reprText).join(": "));
  return `{${pairs.join(", ")}}`;
}
