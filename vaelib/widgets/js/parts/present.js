/** A button that fills the screen with a widget alone; it or Escape leaves. */

import { button } from "./controls.js";
import { words } from "./words.js";

export function presentButton() {
  const rootOf = () => /** @type {HTMLElement} */ (presenter.closest(".vaelib"));
  /** @type {HTMLElement[]} */
  let others = []; // what the keyboard does not reach meanwhile

  async function present() {
    const root = rootOf();
    show(root, true);
    others = elementsBeside(root).filter((element) => !element.inert);
    for (const element of others) element.inert = true;
    document.addEventListener("keydown", leaveByKey, true);
    root.addEventListener("fullscreenchange", leaveFullscreen);
    try {
      await root.requestFullscreen();
    } catch {
      // Not allowed in this frame, or unknown to this browser: the window is covered.
      root.popover = "manual";
      root.showPopover();
    }
    if (!isPresented(root)) leave(); // it was clicked again meanwhile
  }

  function leave() {
    const root = rootOf();
    document.removeEventListener("keydown", leaveByKey, true);
    root.removeEventListener("fullscreenchange", leaveFullscreen);
    if (document.fullscreenElement) document.exitFullscreen();
    root.removeAttribute("popover"); // which also closes it
    for (const element of others) element.inert = false;
    show(root, false);
    presenter.scrollIntoView({ block: "nearest" });
  }

  /** @param {HTMLElement} root @param {boolean} isWhole */
  function show(root, isWhole) {
    root.classList.toggle("presented", isWhole);
    // Without this property, a browser gives places in a zoomed part in other units.
    root.classList.toggle("enlarged", isWhole && "currentCSSZoom" in root);
    presenter.setAttribute("aria-pressed", String(isWhole));
  }
  const leaveFullscreen = () => document.fullscreenElement || leave();
  const leaveByKey = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Escape") leave();
  };
  const isPresented = (/** @type {HTMLElement} */ root) =>
    root.classList.contains("presented");
  const toggle = () => (isPresented(rootOf()) ? leave() : present());
  const presenter = button(words`Present`, toggle, {
    className: "presenter",
    title: words`Fill the screen with this alone; Escape leaves`,
    "aria-pressed": "false",
  });
  return presenter;
}

/** Return all elements of the page that neither contain an element nor are in it. */
function elementsBeside(/** @type {HTMLElement} */ element) {
  const found = [];
  for (let inner = element; inner.parentElement; inner = inner.parentElement)
    for (const other of inner.parentElement.children)
      if (other !== inner && other instanceof HTMLElement) found.push(other);
  return found;
}
