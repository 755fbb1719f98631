// The side without capture-keepalive: the same site and the same form, which
// follow what the visitor does on the other side.

import { Site, TOKEN_LIFE } from "./site.js";
import { TokenWatch, storedToken } from "./token.js";

const $ = (id) => document.getElementById(id);
const watch = new TokenWatch(TOKEN_LIFE * 1000);
let visitor; // who signed in on the other side
let written = {}; // what was typed there since
// The page around this one; absent where this one stands alone.
const says = (kind, text) => window.parent.demo?.says("without", kind, text);

const site = new Site({
  responseType: "token",
  observe(on) {
    on("onCaptureRenderComplete", ({ screen }) => {
      if (screen === "signIn" && visitor) signIn();
      if (screen === "editProfile") for (const name in written) put(name, written[name]);
    });
    on("onCaptureProfileSaveSuccess", () => says("good", "Saved."));
    // Most sites do this when a save meets a dead token.
    on("onCaptureProfileSaveFailed", ({ statusMessage }) => {
      if (statusMessage !== "invalidAccessToken") return;
      says("bad", "Refused. Signed out, and the text is gone.");
      visitor = undefined;
      written = {};
      janrain.capture.ui.endCaptureSession();
    });
  },
});

function put(name, value) {
  const input = $(`capture_editProfile_${name}`);
  if (input) input.value = value;
}

// Does nothing where the form is not drawn yet: then it is done when it is.
function signIn() {
  for (const [name, value] of Object.entries(visitor)) {
    const input = $(`capture_signIn_${name}`);
    if (input) input.value = value;
  }
  $("capture_signIn_form")?.requestSubmit();
}

window.side = {
  token: storedToken,
  // The token's life, as TokenWatch has it; undefined without a token.
  look(now) {
    watch.look(now, { phase: "off" });
    return watch.current;
  },
  kill: (now) => watch.kill(now),
  // person is {email, displayName, password}.
  signIn(person) {
    visitor = person;
    if (!storedToken()) signIn();
  },
  signOut() {
    visitor = undefined;
    written = {};
    if (storedToken()) janrain.capture.ui.endCaptureSession();
  },
  write(name, value) {
    written[name] = value;
    put(name, value);
  },
  save: () => $("capture_editProfile_form")?.requestSubmit(),
};

site.load();
