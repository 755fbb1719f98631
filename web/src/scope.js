// What lives from start() to stop(): listeners and timers.
import { AbortController, addListener, clearTimer, dispatch, document, setLimit } from "./native.js";

const PROBE = "captureKeepaliveProbe";

let controller;
const timers = new Set();
let isHeard = false;

export const openScope = () => {
  controller = new AbortController();
  listen(document, PROBE, () => (isHeard = true));
};
/** Whether the listeners are gone: document.open() drops all of a page. */
export const areListenersGone = () => {
  isHeard = false;
  dispatch(document, PROBE);
  return !isHeard;
};
export const closeScope = () => {
  controller.abort();
  timers.forEach(clearTimer);
  timers.clear();
};
export const later = (fn, ms) => {
  const id = setLimit(() => {
    timers.delete(id);
    fn();
  }, ms);
  timers.add(id);
  return id;
};
export const cancel = (id) => {
  clearTimer(id);
  timers.delete(id);
};
export const listen = (target, type, fn) => {
  const { signal } = controller;
  // A library's addEventListener may know nothing of signals.
  const whileOpen = (event) => signal.aborted || fn(event);
  addListener(target, type, whileOpen, { __proto__: null, capture: true, signal });
};
