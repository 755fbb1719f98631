// The promises of token(), renew() and end(). Each settles, whatever becomes
// of the module.
import { Promise, failure, first } from "./native.js";
import { nextId } from "./guard.js";
import { cancel, later } from "./scope.js";

const LIMIT = 60000; // ms; the module's own limits are shorter

/** @type {{id: number, ask: (id: number) => void, resolve: Function, reject: Function, timer: any}[]} */
let pending = [];

/** A promise, and its id. ask(id) tells the module, now and when it comes. */
export const openPromise = (ask) =>
  new Promise((resolve, reject) => {
    const id = nextId();
    const timer = later(() => settle(id, undefined, "unavailable"), LIMIT);
    pending.push({ id, ask, resolve, reject, timer });
    ask(id);
  });

/** Resolves with a value, or rejects with a code. */
export function settle(id, value, code) {
  const promise = first(pending, (each) => each.id === id);
  if (!promise) return;
  pending = pending.filter((each) => each !== promise);
  cancel(promise.timer);
  if (code) promise.reject(failure(code));
  else promise.resolve(value);
}
export const rejectAll = (code) => pending.forEach(({ id }) => settle(id, undefined, code));
export const askAgain = () => pending.forEach(({ id, ask }) => ask(id));
