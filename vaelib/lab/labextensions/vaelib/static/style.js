/* JupyterLab loads this file as any extension. It brings a stylesheet alone. */

const script = /** @type {HTMLScriptElement} */ (document.currentScript);
const sheet = document.createElement("link");
sheet.rel = "stylesheet";
sheet.href = script.src.replace("style.js", "style.css");
document.head.append(sheet);

// What JupyterLab asks of each extension: here it has no modules.
Object.assign((window._JUPYTERLAB ??= {}), { vaelib: { init() {}, get() {} } });
