// The promises of token(), renew() and end(). Each settles, whatever becomes
// of the module.
import { Promise, failure, keys } from "./native.js";
import { nextId } from "./guard.js";
import { cancel, later } from "./scope.js";

const LIMIT = 60000; // ms; the module's own limits are shorter

/** @type {any} by id: {ask, resolve, reject, timer} */
const pending = { __proto__: null };

/** A promise, and its id. ask(id) tells the module, now and when it comes. */
export const openPromise = (ask) =>
  new Promise((resolve, reject) => {
    const id = nextId();
    const timer = later(() => settle(id, undefined, "unavailable"), LIMIT);
    pending[id] = { ask, resolve, reject, timer };
    ask(id);
  });

/** Resolves with a value, or rejects with a code. */
export function settle(id, value, code) {
  const promise = pending[id];
  if (!promise) return;
  delete pending[id];
  cancel(promise.timer);
  if (code) promise.reject(failure(code));
  else promise.resolve(value);
}
export const rejectAll = (code) => keys(pending).forEach((id) => settle(+id, undefined, code));
export const askAgain = () => keys(pending).forEach((id) => pending[id].ask(+id));
