/**
 * Slides of a chapter: a new one at each heading, and where one is full. Arrow keys,
 * Page Up and Down, Space, Home and End move; the address has the number.
 */

const WIDTH = 1600;
const HEIGHT = 900;
const LEAST_ZOOM = 0.5; // of a block that is too high for a slide by itself
const LEAST_PICTURE = 380; // pixels
const UNSEEN = "script, .model-picture, .in-jupyter, .reading-time";

const main = document.querySelector("main");
const slides = [];

/** Return an element. @param {string} tag @param {string} className */
function element(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

/** Return the blocks of a section, each with the heading it is under. */
function blocksOf(section, heading = "") {
  const found = [];
  for (const child of [...section.children]) {
    if (child.matches("section")) found.push(...blocksOf(child, heading));
    else if (/^H[1-4]$/.test(child.tagName)) heading = child;
    else if (child.matches(UNSEEN)) continue;
    else found.push([heading, child]);
  }
  return found;
}

/** Join an equation and the listing beside it. */
function paired(blocks) {
  const found = [];
  for (const [heading, block] of blocks) {
    const last = found.at(-1)?.[1];
    const isSide = block.matches(".tag_code-side") && last?.matches(".eq-side");
    if (isSide) {
      block.querySelector(".cell_input")?.remove();
      found.at(-1)[1] = element("div", "pair", last, block);
    } else found.push([heading, block]);
  }
  return found;
}

/** Of a cell that checks an equation only what it prints; no cell without content. */
function prepared(block) {
  if (block.matches("[class*='tag_check-']"))
    block.querySelector(".cell_input")?.remove();
  block.querySelector(".tag_code-side > .cell_input")?.remove();
  return block.textContent.trim() || block.querySelector("img") ? block : null;
}

/** Start a slide. */
function open(heading, part) {
  const more = part > 1 ? ` <small>${part}</small>` : "";
  const title = element(heading.matches("h1") && part === 1 ? "h1" : "h2", "");
  title.innerHTML = heading.innerHTML + more;
  const body = element("div", "body");
  const slide = element("section", "slide", title, body);
  main.append(slide);
  slides.push(slide);
  return body;
}

/** Set a formula smaller if it is wider than its box. */
function fitFormulas(slide) {
  for (const box of slide.querySelectorAll("div.math")) {
    const formula = box.querySelector(".katex");
    const ratio = box.clientWidth / box.scrollWidth;
    if (formula && ratio < 1) formula.style.fontSize = `${ratio * 1.15}em`;
  }
}

/** How much of its room the content of a slide takes. */
function fullness(body) {
  const last = body.lastElementChild;
  if (!last) return 0;
  const [inner, outer] = [last, body].map((each) => each.getBoundingClientRect());
  return (inner.bottom - outer.top) / outer.height;
}

/** Let a figure have the room that the text above it leaves, if that is enough. */
function shrinkPicture(body, block) {
  const image = block.querySelector("img");
  if (!image) return;
  const height = image.getBoundingClientRect().height;
  const over = (fullness(body) - 1) * body.getBoundingClientRect().height;
  if (height - over > LEAST_PICTURE) image.style.maxHeight = `${height - over - 4}px`;
}

function build() {
  const article = main.querySelector("article");
  const chapter = article.querySelector("h1");
  for (const references of article.querySelectorAll("section[id$='--references']"))
    references.remove();
  const blocks = paired(blocksOf(article))
    .map(([heading, block]) => [heading, prepared(block)])
    .filter(([, block]) => block);
  article.remove();
  document.body.classList.add("has-slides");
  let [shown, part, body] = ["", 0, null];
  for (const [heading, block] of blocks) {
    if (heading !== shown) [shown, part, body] = [heading, 1, null];
    body ??= open(heading || chapter, part);
    body.append(block);
    fitFormulas(body);
    if (fullness(body) > 1) shrinkPicture(body, block);
    if (fullness(body) > 1 && body.childElementCount > 1) {
      for (const image of block.querySelectorAll("img")) image.style.maxHeight = "";
      body = open(heading, ++part);
      body.append(block);
      fitFormulas(body);
    }
    const full = fullness(body);
    if (full > 1) body.style.zoom = Math.max(0.98 / full, LEAST_ZOOM);
  }
}

// Which slide is shown

let current = 0;
const place = element("output", "");

/** @param {number} number */
function show(number) {
  current = Math.min(Math.max(number, 0), slides.length - 1);
  slides.forEach((slide, i) => slide.classList.toggle("shown", i === current));
  place.textContent = `${current + 1} / ${slides.length}`;
  try {
    history.replaceState(null, "", `#${current + 1}`);
  } catch {
    // Some browsers do not allow this for a file. Everything else works.
  }
}

function fit() {
  const scale = Math.min(innerWidth / WIDTH, innerHeight / HEIGHT);
  const [x, y] = [innerWidth - scale * WIDTH, innerHeight - scale * HEIGHT];
  main.style.transform = `translate(${x / 2}px, ${y / 2}px) scale(${scale})`;
}

const MOVES = {
  ArrowRight: () => current + 1,
  ArrowDown: () => current + 1,
  PageDown: () => current + 1,
  " ": () => current + 1,
  ArrowLeft: () => current - 1,
  ArrowUp: () => current - 1,
  PageUp: () => current - 1,
  Home: () => 0,
  End: () => slides.length - 1,
};

const images = [...document.images].map((image) => image.decode().catch(() => {}));
Promise.all([document.fonts.ready, ...images]).then(() => {
  build();
  fit();
  show(Number(location.hash.slice(1)) - 1 || 0);
  const buttons = [
    ["‹", "Previous slide", -1],
    ["›", "Next slide", 1],
  ].map(([text, label, step]) => {
    const made = element("button", "", text);
    made.setAttribute("aria-label", label);
    made.onclick = () => show(current + step);
    return made;
  });
  document.body.append(element("nav", "", buttons[0], place, buttons[1]));
  addEventListener("resize", fit);
  addEventListener("hashchange", () => show(Number(location.hash.slice(1)) - 1 || 0));
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const move = MOVES[event.key];
    if (!move) return;
    event.preventDefault();
    show(move());
  });
  document.documentElement.dataset.ready = "";
});
