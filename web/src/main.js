// keepalive.js, the classic script: puts window.captureKeepalive there, in the
// place of the stub if the page has it, and starts by data attributes.
import { attribute, isObject, page } from "./native.js";
import { adoptStub, isStub } from "./adopt.js";
import { api } from "./api.js";
import { ownScript } from "./files.js";
import { start } from "./loader.js";
import { readAttributes } from "./options.js";
import { warn } from "./warnings.js";

function startByAttributes() {
  if (!ownScript || attribute(ownScript, "data-start") === null) return;
  try {
    start(readAttributes(ownScript));
  } catch (error) {
    warn("wrong-attribute", `${error.message}, in a data attribute of the script. Nothing was started.`);
  }
}

const found = page.captureKeepalive;
if (isStub(found)) {
  const catchUp = adoptStub(found);
  startByAttributes();
  catchUp();
} else if (!isObject(found) || typeof found.diagnostics !== "function") {
  // Not there yet, or an element with that id.
  page.captureKeepalive = api;
  startByAttributes();
} // Or included twice: the first one goes on.
