/** What the markup of the theme and of Sphinx lacks for readers who use a keyboard or hear the page. */

// What scrolls sideways can be reached.
const look = new ResizeObserver((entries) => {
  for (const { target } of entries)
    if (target.scrollWidth > target.clientWidth) target.setAttribute("tabindex", "0");
    else target.removeAttribute("tabindex");
});
document.querySelectorAll("div.math, pre, .bd-article table").forEach((target) => look.observe(target));

// A name that differs from the text that is seen.
document.querySelectorAll(".search-button-field, .cell summary").forEach((button) => button.removeAttribute("aria-label"));
document.querySelectorAll("nav summary").forEach((fold) => {
  fold.setAttribute("aria-label", `Pages of ${fold.closest("li").querySelector("a").textContent.trim()}`);
});

// Lists that are none.
document.querySelectorAll(".sig dl, .sig dd").forEach((part) => part.setAttribute("role", "none"));
document.querySelectorAll(".citation-list").forEach((list) => list.removeAttribute("role"));
