/**
 * Symbols that answer: the one that is pointed at lights up in the formulas, listings
 * and texts of its section, and a card says what it is. Classes that begin with s- come
 * from book/symbols.py; what the card says, from the notation tables.
 */

const MARKED = '[class^="s-"], [class*=" s-"]';
const DELAY = 120; // milliseconds for which a pointer that passes by lights nothing

const card = document.createElement("div");
card.className = "symbol-card";
card.role = "status";
document.body.append(card);

const isJapanese = document.documentElement.lang === "ja";

let shown = null;
let timer = 0;
let loading = null;

/** Load what is said of the symbols, once. @returns {Promise<void>} */
function load() {
  loading ??= new Promise((resolve) => {
    const script = document.createElement("script");
    const own = document.querySelector('script[src*="symbols.js"]');
    script.src = own.src.replace(/symbols\.js.*/, "symbols-rows.js");
    script.onload = () => resolve();
    document.head.append(script);
  });
  return loading;
}

/** @param {Element} mark @returns {string[]} The symbols that an element stands for. */
function keysOf(mark) {
  return [...mark.classList].filter((name) => name.startsWith("s-"));
}

/** Light nothing, and hide the card. */
function clear() {
  clearTimeout(timer);
  shown = null;
  for (const mark of document.querySelectorAll(".symbol-lit"))
    mark.classList.remove("symbol-lit");
  card.replaceChildren();
}

/** @param {Element} mark Light its symbols in its section, and say what they are. */
async function show(mark) {
  if (mark === shown) return;
  clear();
  shown = mark;
  const keys = keysOf(mark);
  const section = mark.closest("section") ?? document.body;
  for (const key of keys)
    for (const other of section.querySelectorAll(`.${CSS.escape(key)}`))
      other.classList.add("symbol-lit");
  await load();
  if (mark !== shown) return;
  for (const key of keys) {
    const [symbol, code, ...says] = window.symbolRows[key];
    const [meaning, shape] = isJapanese ? says.slice(-2) : says;
    const row = document.createElement("div");
    row.innerHTML = `<span>${symbol}</span> ${code}<br>${meaning}<br><i>${shape}</i>`;
    card.append(row);
  }
  place(mark);
}

/** @param {Element} mark Put the card below its formula or listing, or above. */
function place(mark) {
  const { left } = mark.getBoundingClientRect();
  const around = mark.closest(".katex-display, .highlight") ?? mark;
  const { top, bottom } = around.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = card;
  const isRoom = bottom + 8 + height <= innerHeight;
  card.style.left = `${Math.max(8, Math.min(left, innerWidth - width - 8))}px`;
  card.style.top = `${isRoom ? bottom + 8 : Math.max(8, top - height - 8)}px`;
}

document.addEventListener("pointerover", ({ target, pointerType }) => {
  if (pointerType === "touch") return;
  const mark = target.closest(MARKED);
  if (mark === shown) return;
  clearTimeout(timer);
  timer = setTimeout(() => (mark ? show(mark) : clear()), DELAY);
});
document.addEventListener("click", ({ target }) => {
  const mark = target.closest(MARKED);
  if (mark && mark !== shown) show(mark);
  else if (mark !== shown) clear();
});
document.addEventListener("keydown", ({ key }) => key === "Escape" && clear());
addEventListener("scroll", () => shown && clear(), { passive: true });

// By keyboard: a formula that has its own line is one stop; arrows go through it.
for (const formula of document.querySelectorAll(".bd-article .katex-display")) {
  const marks = [...formula.querySelectorAll(MARKED)];
  if (marks.length === 0) continue;
  let at = -1;
  formula.tabIndex = 0;
  formula.role = "group";
  formula.ariaLabel = isJapanese
    ? "数式。矢印キーで記号をたどれます"
    : "Formula; arrow keys go through its symbols";
  formula.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    at = Math.max(0, Math.min(at + step, marks.length - 1));
    show(marks[at]);
  });
  formula.addEventListener("blur", () => {
    at = -1;
    clear();
  });
}
