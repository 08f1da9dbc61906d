/** What the reader's browser keeps, where it keeps anything. */

/** Return the text that was kept under a name, or null. @param {string} name */
export function keptText(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Keep a text under a name; null forgets it. */
export function keepText(
  /** @type {string} */ name,
  /** @type {string | null} */ text,
) {
  try {
    if (text === null) localStorage.removeItem(name);
    else localStorage.setItem(name, text);
  } catch {
    // A private window, for example: it is kept until the page is left.
  }
}
