/** Accessibility: what the theme and Sphinx lack for keyboards and screen readers. */

// A box that scrolls sideways must be reachable by keyboard. Whether it scrolls can
// change when the page gets narrower, or when a font has loaded.
const scrollers = [...document.querySelectorAll("div.math, pre, .bd-article table")];

/**
 * Set a formula smaller if no break makes it narrow enough for its box.
 * @param {Element} box
 */
function fit(box) {
  const formula = box.querySelector(".katex-display > .katex");
  if (!(formula instanceof HTMLElement)) return;
  formula.style.fontSize = "";
  const ratio = box.clientWidth / box.scrollWidth;
  if (ratio >= 1) return;
  const size = parseFloat(getComputedStyle(formula).fontSize);
  formula.style.fontSize = `${Math.max(ratio * 0.98, 0.5) * size}px`;
}

/**
 * On a phone, show a table that is too wide as a card for each row. Each cell then says
 * which column it is.
 * @param {Element} table
 */
function fold(table) {
  table.classList.remove("cards");
  const isTooWide = table.scrollWidth > table.clientWidth;
  table.classList.toggle("cards", isTooWide && innerWidth < 600);
  const heads = [...table.querySelectorAll("th")].map((head) => head.textContent);
  for (const { cells } of table.querySelectorAll("tbody tr"))
    [...cells].forEach((cell, i) => {
      cell.dataset.column = heads[i] ?? "";
      cell.classList.toggle("blank", !cell.textContent.trim());
    });
}

// A box that is fitted or folded changes its height, and must not be treated again.
/** @type {WeakMap<Element, number>} */
const widths = new WeakMap();

/** @param {Element} box Fit what is in it; make it focusable if it still scrolls. */
function update(box) {
  if (widths.get(box) !== box.clientWidth)
    box instanceof HTMLTableElement ? fold(box) : fit(box);
  widths.set(box, box.clientWidth);
  if (box.scrollWidth > box.clientWidth) box.setAttribute("tabindex", "0");
  else box.removeAttribute("tabindex");
}

// In the next frame: WebKit reports an error if an observer changes what it observes.
const resized = new ResizeObserver((entries) => {
  requestAnimationFrame(() => {
    for (const { target } of entries) update(target);
  });
});
for (const box of scrollers) resized.observe(box);
document.fonts.addEventListener("loadingdone", () => {
  for (const box of scrollers) {
    widths.delete(box);
    update(box);
  }
});

// A printed page is light, and everything on it is unfolded.
matchMedia("print").addEventListener("change", ({ matches }) => {
  const { dataset } = document.documentElement;
  if (matches) {
    dataset.shown = dataset.theme;
    dataset.theme = "light";
    for (const fold of document.querySelectorAll("details")) fold.open = true;
  } else dataset.theme = dataset.shown;
});

// Remove names that differ from the visible text.
for (const named of document.querySelectorAll(".search-button-field, .cell summary"))
  named.removeAttribute("aria-label");

// Name the buttons that unfold the table of contents.
for (const button of document.querySelectorAll("nav summary")) {
  const page = button.closest("li").querySelector("a").textContent.trim();
  button.setAttribute("aria-label", `Pages of ${page}`);
}

// Remove the role of a list where the markup is not one.
for (const part of document.querySelectorAll(".sig dl, .sig dd"))
  part.setAttribute("role", "none");
for (const list of document.querySelectorAll(".citation-list"))
  list.removeAttribute("role");

// Search results quote pages: a formula only once, as it is read. From a disk pages
// cannot be read by a script, so nothing is quoted.
if (typeof Search !== "undefined") {
  const HEADER = ".bd-header-article, #jb-print-docs-body";
  const UNQUOTED = `${HEADER}, .katex-mathml, .tag_code-side .cell_input`;
  DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = location.protocol !== "file:";
  const { htmlToText, performObjectSearch } = Search;
  Search.htmlToText = (html, anchor) => {
    const page = new DOMParser().parseFromString(html, "text/html");
    for (const part of page.querySelectorAll(UNQUOTED)) part.remove();
    return htmlToText(page.documentElement.outerHTML, anchor);
  };
  // A number is that of an equation, not of cifar10; rooms of exercises have answers.
  Search.performObjectSearch = (object, ...others) =>
    performObjectSearch
      .call(Search, object, ...others)
      .filter(([_, name]) => !name.includes("exercises.chapter_"))
      .filter(() => /\p{L}/u.test(object));
}
