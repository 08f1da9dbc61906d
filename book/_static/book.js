/** What the markup of the theme and of Sphinx lacks for readers who use a keyboard or hear the page. */

// What scrolls sideways can be reached: it may begin to when the page gets narrower, or when a font arrives.
const scrollers = [...document.querySelectorAll("div.math, pre, .bd-article table")];
const look = (target) => {
  if (target.scrollWidth > target.clientWidth) target.setAttribute("tabindex", "0");
  else target.removeAttribute("tabindex");
};
const resized = new ResizeObserver((entries) => entries.forEach(({ target }) => look(target)));
scrollers.forEach((target) => resized.observe(target));
document.fonts.addEventListener("loadingdone", () => scrollers.forEach(look));

// A name that differs from the text that is seen.
document.querySelectorAll(".search-button-field, .cell summary").forEach((button) => button.removeAttribute("aria-label"));
document.querySelectorAll("nav summary").forEach((fold) => {
  fold.setAttribute("aria-label", `Pages of ${fold.closest("li").querySelector("a").textContent.trim()}`);
});

// Lists that are none.
document.querySelectorAll(".sig dl, .sig dd").forEach((part) => part.setAttribute("role", "none"));
document.querySelectorAll(".citation-list").forEach((list) => list.removeAttribute("role"));
