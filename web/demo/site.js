// What a site does to have the Registration UI on its page. Both sides of the
// demo do it; only one of them has capture-keepalive as well.

export const SERVICE = "/capture";
export const TOKEN_LIFE = 40; // seconds
export const INSIDE = ["editProfile", "publicProfile"];

export class Site {
  shown = "";

  // observe(on) adds handlers of the UI's events, before the UI starts.
  constructor({ responseType, observe }) {
    window.janrain = window.janrain ?? {};
    janrain.settings = {
      capture: {
        captureServer: SERVICE,
        clientId: "demo-page",
        responseType,
        redirectUri: `${location.origin}/`,
        accessTokenLifeHours: TOKEN_LIFE / 3600,
      },
    };
    window.janrainCaptureWidgetOnLoad = () => this.#start(observe);
  }

  #start(observe) {
    const { capture: { ui }, events } = janrain;
    const on = (name, handler) => events[name].addHandler(handler);
    on("onCaptureScreenShow", ({ screen }) => (this.shown = screen));
    on("onCaptureSessionFound", () => this.letIn());
    on("onCaptureSessionCreated", () => this.letIn());
    on("onCaptureLoginSuccess", () => this.letIn());
    on("onCaptureSessionNotFound", () => this.show("signIn"));
    on("onCaptureSessionEnded", () => this.show("signIn"));
    on("onCaptureRenderComplete", ({ screen }) => screen === "signIn" && suggestVisitor());
    observe(on);
    ui.start();
  }

  // The script is added once everything that hears it is in place.
  load() {
    const script = document.createElement("script");
    script.src = "registration-ui.js";
    document.head.append(script);
  }

  // To render a screen that is shown already would throw away what was typed.
  // Before the Registration UI is there, its start() finds out by itself.
  show(screen) {
    const ui = janrain.capture?.ui;
    if (!ui || screen === this.shown) return;
    this.shown = screen;
    ui.renderScreen(screen);
  }

  // A visitor who looks at a screen of theirs stays there. With a code there
  // is no token yet right after the login: capture-keepalive brings it,
  // because the screen is asked for.
  letIn() {
    if (!INSIDE.includes(this.shown)) this.show("editProfile");
  }
}

// A visitor of a demo should not have to think of a name.
function suggestVisitor() {
  const visitor = { email: "ada@example.com", displayName: "Ada Lovelace", password: "any will do" };
  for (const [field, value] of Object.entries(visitor)) {
    const input = document.getElementById(`capture_signIn_${field}`);
    if (input && !input.value) input.value = value;
  }
}
