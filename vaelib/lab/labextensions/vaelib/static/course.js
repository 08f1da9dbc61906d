/* JupyterLab loads this file as any extension. It brings a stylesheet and a plugin. */

const script = /** @type {HTMLScriptElement} */ (document.currentScript);
const sheet = document.createElement("link");
sheet.rel = "stylesheet";
sheet.href = script.src.replace("course.js", "style.css");
document.head.append(sheet);

/** Return a notebook as text, without the state of its widgets. */
function textOf(model) {
  const { metadata, ...rest } = model.toJSON();
  return JSON.stringify({ ...rest, metadata: { ...metadata, widgets: null } });
}

/**
 * Take back that a notebook has unsaved changes while it is as it was opened or saved.
 * The manager of widgets says so whenever it makes one, also from a state in the file.
 */
async function watch(context) {
  await context.ready;
  const { model } = context;
  let saved = textOf(model);
  model.stateChanged.connect((_, change) => {
    if (change.name !== "dirty") return;
    if (!change.newValue) saved = textOf(model);
    else if (textOf(model) === saved) model.dirty = false;
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
