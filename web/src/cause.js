// Why a session is ended. A page that ends it in a handler of a dead token does
// so because of the token, and the module undoes it. Everything else, and what
// is in doubt, is a person who signs out.
import { closest, find, focused, now, quiet, setTimer, targetOf } from "./native.js";

const DOUBT = 10000; // ms in which a click may still be at work
const PATIENCE = 30000; // ms that an asynchronous handler is waited for

let depth = 0; // handlers that run at this moment
let waiting = 0; // handlers that have returned a promise
let elsewhereAt = -Infinity; // when a person did something beside the UI's forms
/** @type {{cause: string, at: number}[]} ends that were asked for and have not come yet */
let asked = [];

/** Calls a handler of a dead token or of a failed save. */
export function inHandler(call) {
  depth++;
  try {
    const result = call();
    quiet(() => typeof result.then === "function" && waitFor(result));
    return result;
  } finally {
    depth--;
  }
}

function waitFor(promise) {
  let open = true;
  const done = () => {
    if (open) waiting--;
    open = false;
  };
  waiting++;
  setTimer(done, PATIENCE);
  promise.then(done, (error) => {
    done();
    throw error; // which the page's own error reporting is to hear of
  });
}

// What a person does in a frame is not heard here: it has the focus then.
const inFrame = () => quiet(() => /^i?frame$/i.test(focused().tagName));

const cause = () =>
  depth || (waiting && now() - elsewhereAt > DOUBT && !inFrame()) ? "reaction" : "person";

/** The page, or a link of the UI's, asks for the end. */
export const askEnd = (given = cause()) => void asked.push({ cause: given, at: now() });

/** Why onCaptureSessionEnded came. */
export function causeOfEnd() {
  const recent = asked.filter(({ at }) => now() - at < DOUBT);
  asked = [];
  if (!recent.length) return cause();
  return recent.some((each) => each.cause === "person") ? "person" : "reaction";
}

const inside = (event, selector) => quiet(() => closest(targetOf(event), selector));

export function sawInput(event) {
  if (event.type === "click" && inside(event, ".capture_end_session")) askEnd(event.isTrusted ? "person" : undefined);
  const form = inside(event, "form");
  if (!event.isTrusted || event.repeat || (form && find(form, '[id^="capture_"]'))) return;
  // Who types in a field does not sign out by it.
  const types = event.type === "keydown" && event.key !== "Enter" && !event.ctrlKey && !event.altKey && !event.metaKey;
  if (!types || !inside(event, "input,textarea,select,[contenteditable]")) elsewhereAt = now();
}
