// Keeps the page's own handlers of a dead token back until it is known whether
// the session could be saved. Most of them sign the user out, and what was
// typed is lost.
import { Promise, attempt, rethrow } from "./native.js";
import { later } from "./scope.js";

const LAST_RESORT = 15000; // ms; the module's own limit is shorter

/** @typedef {{id: number, name: string, outcome: Promise<boolean>}} Group */

let lastId = 0;
export const nextId = () => ++lastId;
/** @type {Map<string, Group>} one for each event whose failure is open */
const open = new Map();
/** @type {Map<number, (deliver: boolean) => void>} */
const waiting = new Map();

/**
 * The group of the failure that an event tells of. It takes every call for
 * that event until its outcome is known, so that a second event of the same
 * failure is no second failure.
 */
export function groupOf(name) {
  let group = open.get(name);
  if (!group) {
    const id = nextId();
    group = { id, name, outcome: new Promise((settle) => waiting.set(id, settle)) };
    open.set(name, group);
    later(() => release(id, true), LAST_RESORT);
  }
  return group;
}

/** Calls the handlers of a group, or drops their calls. */
export function release(id, deliver) {
  open.forEach((group, name) => group.id === id && open.delete(name));
  const settle = waiting.get(id);
  waiting.delete(id);
  if (settle) settle(deliver);
}

export const releaseAll = () => waiting.forEach((settle, id) => release(id, true));

/** Makes the call when the outcome of its group asks for it. */
export const holdCall = (name, call) =>
  groupOf(name).outcome.then((deliver) => deliver && attempt(call, rethrow));
