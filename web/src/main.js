// keepalive.js, the classic script: starts by its data attributes. Included
// twice, the first one goes on.
import { attribute, find, first, keys, root } from "./native.js";
import { ownScript } from "./files.js";
import { install } from "./install.js";
import { start } from "./loader.js";
import { readAttributes } from "./options.js";
import { warn } from "./warnings.js";

// The browser does not say which script a module is, and may run it after the
// Registration UI. In a file with another name we have no folder.
const NOT_OURS = '[data-start][src*="keepalive"]';

const tell = (what) => warn("wrong-attribute", `Nothing was started by data attributes: ${what}.`);

function startByAttributes() {
  if (!ownScript) {
    if (find(root(), NOT_OURS)) tell('the file must be called keepalive.js, without type="module"');
    return;
  }
  const given = readAttributes(ownScript);
  const starts = attribute(ownScript, "data-start");
  if (starts === null) {
    const unread = first(keys(given), (name) => name !== "nonce");
    if (unread) tell(`"${unread}" has no effect without data-start`);
  }
  // A framework writes false as a text.
  if (starts === null || starts === "false") return;
  try {
    start(given);
  } catch (error) {
    tell(error.message.replace("captureKeepalive: ", "")); // every warning has that in front
  }
}

if (install().isOurs) startByAttributes();
