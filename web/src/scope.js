// What lives from start() to stop(): listeners and timers.
import { AbortController, addListener, clearTimer, setTimer } from "./native.js";

let controller;
const timers = new Set();

export const openScope = () => {
  controller = new AbortController();
};
export const closeScope = () => {
  controller.abort();
  timers.forEach(clearTimer);
  timers.clear();
};
export const later = (fn, ms) => {
  const id = setTimer(() => {
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
export const listen = (target, type, fn) =>
  addListener(target, type, fn, { __proto__: null, capture: true, signal: controller.signal });
