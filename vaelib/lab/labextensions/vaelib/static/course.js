/* JupyterLab loads this file as any extension. It brings a stylesheet and a plugin. */

const script = /** @type {HTMLScriptElement} */ (document.currentScript);
const sheet = document.createElement("link");
sheet.rel = "stylesheet";
sheet.href = script.src.replace("course.js", "style.css");
document.head.append(sheet);

// What the manager of widgets shows in the place of a widget that it does not know.
const LOST = "Error displaying widget: model not found";

/** Return whether some cell imports this library. */
function usesVaelib(cells) {
  return cells.some(({ source }) => /^(from|import) vaelib\b/m.test(source));
}

/** Return whether a notebook is of the course, by its name and what it imports. */
function isChapter(path, cells) {
  return /(^|\/)(\d\d_\w+|questions)\.ipynb$/.test(path) && usesVaelib(cells);
}

/**
 * Return what a reader can change in a notebook, as text: not the state of its widgets,
 * and in a chapter not the outputs, which come back whenever it is run.
 */
function textOf({ model, path }) {
  const { metadata, cells, ...rest } = model.toJSON();
  const own = { ...rest, metadata: { ...metadata, widgets: null }, cells };
  if (isChapter(path, cells))
    own.cells = cells.map(({ cell_type, source, metadata: { trusted, ...kept } }) => {
      return { cell_type, source, kept };
    });
  return JSON.stringify(own);
}

/** Let the stylesheet know what a notebook is. */
function style({ context: { model, path }, node }) {
  const { cells } = model.toJSON();
  node.classList.toggle("vaelib-notebook", usesVaelib(cells));
  node.classList.toggle("vaelib-chapter", isChapter(path, cells));
}

/**
 * Take back that a notebook has unsaved changes while it is as it was opened or saved.
 * The manager of widgets says so whenever it makes one, also from a state in the file.
 */
function watchChanges(panel) {
  const { model } = panel.context;
  let saved = textOf(panel.context);
  model.stateChanged.connect((_, change) => {
    if (change.name !== "dirty") return;
    if (!change.newValue) {
      saved = textOf(panel.context);
      style(panel);
    } else if (textOf(panel.context) === saved) model.dirty = false;
  });
  model.dirty = false;
}

/** Return the picture or text that an output stores beside its widget, or nothing. */
function stillOf(panel, place) {
  for (const { outputArea } of panel.content.widgets) {
    const i = outputArea?.widgets.findIndex(({ node }) => node.contains(place)) ?? -1;
    if (i < 0) continue;
    const { data } = outputArea.model.get(i);
    const { "image/png": png, "text/markdown": text, "text/plain": name } = data;
    if (text) {
      const question = document.createElement("pre");
      question.textContent = text.replaceAll("**", "");
      return question;
    }
    if (!png) return;
    const picture = new Image();
    picture.src = `data:image/png;base64,${png}`;
    picture.alt = name;
    return picture;
  }
}

/**
 * Show pictures in the places of widgets that are gone. JupyterLab and Notebook save no
 * widget without a kernel, unless `vaelib lab` starts them.
 */
function watchWidgets(panel) {
  const observer = new MutationObserver((changes) => {
    for (const { target } of changes) {
      const [text, ...others] = target.childNodes;
      if (others.length || text?.data !== LOST) continue;
      const still = stillOf(panel, target);
      if (still) target.replaceChildren(still);
    }
  });
  observer.observe(panel.content.node, { childList: true, subtree: true });
  panel.disposed.connect(() => observer.disconnect());
}

const plugin = {
  id: "vaelib:course",
  autoStart: true,
  activate(app) {
    const seen = new WeakSet();
    app.shell.currentChanged.connect(async () => {
      const panel = app.shell.currentWidget;
      if (!panel?.context?.model?.cells || seen.has(panel)) return; // a new notebook?
      seen.add(panel);
      watchWidgets(panel);
      await panel.context.ready;
      style(panel);
      watchChanges(panel);
    });
  },
};

// What JupyterLab asks of each extension: here it has one module.
const modules = { init() {}, get: async () => () => plugin };
Object.assign((window._JUPYTERLAB ??= {}), { vaelib: modules });
