/**
 * ?only=explorer, or ?only= and the name of any place: the page shows this part of it
 * alone, to stand in an <iframe>. What else the address says is the state of the part.
 */

/**
 * Show one part of the page, and below it a link to the whole page.
 * @param {string} name of a widget, or the id of a figure, a section, a listing
 */
function showOnly(name) {
  const widgets = [...document.querySelectorAll(".live[data-widget]")];
  const part =
    widgets.find(({ dataset }) => dataset.widget === name) ??
    document.getElementById(name);
  const address = new URL(location.href);
  address.searchParams.delete("only");
  const whole = Object.assign(document.createElement("a"), {
    href: address.href.replaceAll("%2C", ","),
    target: "_top",
    textContent: document.title,
  });
  const [main, article, from] = ["main", "article", "p"].map((tag) =>
    document.createElement(tag),
  );
  main.className = "bd-content only";
  article.className = "bd-article";
  from.className = "from";
  article.append(part ?? `This page has no part of the name ${name}.`);
  from.append(whole);
  main.append(article, from);
  // The rest stays, hidden: scripts of the theme look for it.
  document.documentElement.classList.add("one-part");
  document.body.append(main);
}

const only = new URLSearchParams(location.search).get("only");
if (only) showOnly(only);
