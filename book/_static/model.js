/**
 * The picture of the model: a part that is pointed at, tapped or focused says below the
 * picture what it is, and where. By keyboard it is one stop; arrows go from part to
 * part. Without this script a part leads to its section.
 */

for (const figure of document.querySelectorAll(".model-picture")) {
  const parts = [...figure.querySelectorAll("svg a")];
  const rows = [...figure.querySelectorAll("li")];

  /** @param {Element} part */
  const choose = (part) => {
    for (const each of [...parts, ...rows])
      each.classList.toggle("chosen", each.dataset.part === part.dataset.part);
    for (const each of parts) each.setAttribute("tabindex", each === part ? "0" : "-1");
  };
  parts.forEach((part, i) => {
    part.addEventListener("pointerenter", () => choose(part));
    part.addEventListener("focus", () => choose(part));
    part.addEventListener("click", (event) => {
      if (event.pointerType !== "touch") return;
      event.preventDefault(); // the row has the links
    });
    part.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      parts[Math.max(0, Math.min(i + step, parts.length - 1))].focus();
    });
  });
  choose(parts.find((part) => part.classList.contains("lit")) ?? parts[0]);
  figure.classList.add("answers");
}
