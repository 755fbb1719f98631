// What lives from start() to stop(): listeners and timers.
import { AbortController, addListener, clearTimer, dispatch, document, setLimit } from "./native.js";

const PROBE = "captureKeepaliveProbe";

let controller;
let timers = [];
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
  timers.splice(0).forEach(clearTimer);
};
const forget = (id) => void (timers = timers.filter((each) => each !== id));
export const later = (fn, ms) => {
  const id = setLimit(() => {
    forget(id);
    fn();
  }, ms);
  timers.push(id);
  return id;
};
export const cancel = (id) => {
  clearTimer(id);
  forget(id);
};
export const listen = (target, type, fn) => {
  const { signal } = controller;
  // A library's addEventListener may know nothing of signals.
  const whileOpen = (event) => signal.aborted || fn(event);
  addListener(target, type, whileOpen, { __proto__: null, capture: true, signal });
};
