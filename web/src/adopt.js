// Takes over from the stub: see stub.js. The object that the page has stays
// the same, and answers as our own does.
import { keys, quiet, setTimer } from "./native.js";
import { api } from "./api.js";
import { callHandler, fired, setHooked } from "./ui.js";

/** @throws TypeError if it is no stub. */
export function adoptStub(stub) {
  // What the UI has fired comes after start(), which the page may call as soon
  // as it has us.
  let isReady = false;
  const afterStart = (fn) => (...args) => (isReady ? fn(...args) : void setTimer(() => fn(...args), 0));
  setHooked(stub.arrive({ ...api, event: afterStart(fired), hold: afterStart(callHandler) }));
  setTimer(() => (isReady = true), 0);
  // The stub may be older than we are, or the page may have frozen it.
  for (const name of keys(api)) quiet(() => (stub[name] = api[name]));
  return true;
}
