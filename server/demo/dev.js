// dev.js: everything that a page needs to try capture-keepalive, from
// "capture-keepalive dev": a stand-in for the Registration UI that signs anyone
// in, and keepalive.js. It is for development only; in production the page
// loads the real Registration UI and keepalive.js from its own site.
(() => {
  "use strict";
  const base = new URL(document.currentScript.src).origin;
  const janrain = (window.janrain = window.janrain || {});
  const settings = (janrain.settings = janrain.settings || {});
  const capture = (settings.capture = settings.capture || {});
  capture.captureServer = `${base}/capture`;
  capture.clientId = "demo-page";

  // A page that has its own janrainCaptureWidgetOnLoad starts the UI itself.
  window.janrainCaptureWidgetOnLoad ??= () => {
    const { ui } = janrain.capture;
    const show = (screen) => () => document.getElementById(screen) && ui.renderScreen(screen);
    janrain.events.onCaptureSessionNotFound.addHandler(show("signIn"));
    janrain.events.onCaptureSessionEnded.addHandler(show("signIn"));
    janrain.events.onCaptureSessionFound.addHandler(show("editProfile"));
    janrain.events.onCaptureLoginSuccess.addHandler(show("editProfile"));
    ui.start();
  };

  const load = (path, attributes) => {
    const script = Object.assign(document.createElement("script"), { src: base + path, async: false });
    for (const [name, value] of Object.entries(attributes)) script.setAttribute(name, value);
    document.head.append(script);
  };
  load("/keepalive/keepalive.js", { "data-start": "", "data-endpoint": `${base}/keepalive` });
  load("/registration-ui.js", {});
})();
