/* JupyterLab loads this file as any extension. It brings a stylesheet and a plugin. */

const script = /** @type {HTMLScriptElement} */ (document.currentScript);
const sheet = document.createElement("link");
sheet.rel = "stylesheet";
sheet.href = script.src.replace("course.js", "style.css");
document.head.append(sheet);

const CHAPTER = /(^|\/)(\d\d_\w+|questions)\.ipynb$/;

/**
 * Return what a reader can change in a notebook, as text: not the state of its widgets,
 * and in a chapter not the outputs, which come back whenever it is run.
 */
function textOf({ model, path }) {
  const { metadata, cells, ...rest } = model.toJSON();
  const own = { ...rest, metadata: { ...metadata, widgets: null }, cells };
  if (CHAPTER.test(path))
    own.cells = cells.map(({ cell_type, source, metadata: { trusted, ...kept } }) => {
      return { cell_type, source, kept };
    });
  return JSON.stringify(own);
}

/**
 * Take back that a notebook has unsaved changes while it is as it was opened or saved.
 * The manager of widgets says so whenever it makes one, also from a state in the file.
 */
async function watch(context) {
  await context.ready;
  const { model } = context;
  let saved = textOf(context);
  model.stateChanged.connect((_, change) => {
    if (change.name !== "dirty") return;
    if (!change.newValue) saved = textOf(context);
    else if (textOf(context) === saved) model.dirty = false;
  });
  model.dirty = false;
}

const plugin = {
  id: "vaelib:unsaved",
  autoStart: true,
  activate(app) {
    const seen = new WeakSet();
    app.shell.currentChanged.connect(() => {
      const { context } = app.shell.currentWidget ?? {};
      if (!context?.model?.cells || seen.has(context)) return; // a new notebook?
      seen.add(context);
      watch(context);
    });
  },
};

// What JupyterLab asks of each extension: here it has one module.
const modules = { init() {}, get: async () => () => plugin };
Object.assign((window._JUPYTERLAB ??= {}), { vaelib: modules });
