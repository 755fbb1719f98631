// Keeps the page's own handlers of a dead token back until it is known whether
// the session could be saved. Most of them sign the user out, and what was
// typed is lost.
import { Promise, attempt, first, rethrow } from "./native.js";
import { later } from "./scope.js";

const LAST_RESORT = 15000; // ms; the module's own limit is shorter

/**
 * @typedef {object} Group
 * @property {number} id
 * @property {string} name of the event
 * @property {Promise<boolean>} outcome whether the handlers are to be called
 * @property {(deliver: boolean) => void} settle
 */

let lastId = 0;
export const nextId = () => ++lastId;
/** @type {Group[]} one for each event that told of a failure which is open */
let open = [];

/**
 * The group of the failure that an event tells of. It takes every call for
 * that event until its outcome is known, so that a second event of the same
 * failure is no second failure.
 */
export function groupOf(name) {
  let group = first(open, (each) => each.name === name);
  if (!group) {
    const id = nextId();
    let settle;
    const outcome = new Promise((resolve) => (settle = resolve));
    group = { id, name, outcome, settle };
    open.push(group);
    later(() => release(id, true), LAST_RESORT);
  }
  return group;
}

/** Calls the handlers of a group, or drops their calls. */
export function release(id, deliver) {
  const group = first(open, (each) => each.id === id);
  open = open.filter((each) => each !== group);
  if (group) group.settle(deliver);
}

export const releaseAll = () => open.forEach(({ id }) => release(id, true));

/** Makes the call when the outcome of its group asks for it. */
export const holdCall = (name, call) =>
  groupOf(name).outcome.then((deliver) => deliver && attempt(call, rethrow));
