// keepalive.js, the classic script: starts by its data attributes. Included
// twice, the first one goes on.
import { attribute, find, root } from "./native.js";
import { ownScript } from "./files.js";
import { install } from "./install.js";
import { start } from "./loader.js";
import { readAttributes } from "./options.js";
import { warn } from "./warnings.js";

// The browser does not say which script a module is, and may run it after the
// Registration UI.
const MODULE = '[type="module"][data-start][src*="/keepalive.js"]';

function startByAttributes() {
  if (!ownScript && find(root(), MODULE)) {
    warn("wrong-attribute", 'data-start has no effect with type="module". Remove the type.');
  }
  if (!ownScript || attribute(ownScript, "data-start") === null) return;
  try {
    start(readAttributes(ownScript));
  } catch (error) {
    const what = error.message.replace("captureKeepalive: ", ""); // every warning has that in front
    warn("wrong-attribute", `Nothing was started: ${what}, in a data attribute.`);
  }
}

if (install().isOurs) startByAttributes();
