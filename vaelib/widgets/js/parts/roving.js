/** Groups of controls in which the tab key stops once, and arrow keys do the rest. */

/**
 * Make one item of a group the stop of the tab key. Two keys go to the item before and
 * after it. An item is a button, or a row of controls; all begin with tabIndex -1.
 * @param {HTMLElement} root
 * @param {string} selector of the items
 * @param {[string, string]} keys
 */
export function roving(root, selector, [before, after]) {
  /** @type {HTMLElement | null} */
  let current = null;
  const itemAt = (/** @type {Event} */ { target }) =>
    /** @type {HTMLElement | null} */ (
      /** @type {HTMLElement} */ (target).closest(selector)
    );

  /** @param {HTMLElement} item */
  function stopAt(item) {
    if (current) controlsOf(current).forEach((control) => (control.tabIndex = -1));
    controlsOf(item).forEach((control) => (control.tabIndex = 0));
    current = item;
  }

  root.addEventListener("focusin", (event) => {
    const item = itemAt(event);
    if (item) stopAt(item);
  });
  root.addEventListener("keydown", (event) => {
    const step = { [before]: -1, [after]: 1 }[event.key];
    const item = itemAt(event);
    if (!step || !item) return;
    event.preventDefault();
    event.stopPropagation();
    const items = elements(root, selector);
    const next = items[items.indexOf(item) + step];
    const place = controlsOf(item).indexOf(/** @type {HTMLElement} */ (event.target));
    if (next) controlsOf(next)[place].focus();
  });

  return {
    /** Stop at the first item if the present one is gone. */
    update() {
      const [first] = elements(root, selector);
      if (first && !(current && root.contains(current))) stopAt(first);
    },
  };
}

/** @param {HTMLElement} item */
function controlsOf(item) {
  return item.matches("button") ? [item] : elements(item, "button, input");
}

/** @param {HTMLElement} root @param {string} selector */
function elements(root, selector) {
  return /** @type {HTMLElement[]} */ ([...root.querySelectorAll(selector)]);
}
