// Stands between the page and the Registration UI: hears its events, makes
// start() wait where that helps, and tells why a session was ended. Nothing
// that goes wrong here reaches the UI: each step is an attempt of its own.
import {
  apply, defineProperty, descriptor, document, first, has, isArray, isObject, keys, page, quiet,
  root,
} from "./native.js";
import { askEnd, inHandler, sawInput } from "./cause.js";
import { KNOWN, kindOf } from "./events.js";
import { areListenersGone, listen } from "./scope.js";
import { warn } from "./warnings.js";
import { wrapEvent } from "./wrap.js";

/**
 * @typedef {object} Handlers
 * @property {(name: string, payload: any) => void} event the UI fired an event
 * @property {(name: string, call: () => void) => void} hold a handler of the page is to be called
 * @property {(start: () => any) => any} start the page starts the UI
 * @property {() => void} found there is a UI
 * @property {() => void} rewritten the page has written its document anew
 */
/** @type {Handlers | undefined} while started */
let handlers;
let hooking = false;
let hasWatched = false;
/** The element that the document had when we looked last. */
let lastRoot;
/** @type {Function[]} */
let undos = [];
// Events keep their wrappers over stop(), or handlers could not be removed.
/** @type {{event: object, add: Function}[]} */
const wrapped = [];
/** @type {object[]} */
let hooked = [];

// --- Hooks ----------------------------------------------------------------

function hookEvent(event, name) {
  if (typeof event.addHandler !== "function") return;
  if (has(hooked.concat(stubbed), event)) return;
  hooked.push(event);
  const found = first(wrapped, (each) => each.event === event);
  const add = found ? found.add : event.addHandler;
  const handler = (payload) => fired(name, payload);
  apply(add, event, [handler]);
  undos.push(() => apply(event.removeHandler, event, [handler]));
  if (has(["deadToken", "failure"], kindOf(name)) && !found) {
    wrapped.push({ event, add });
    wrapEvent(event, (call) => callHandler(name, call));
  }
}

/** The UI fired an event. */
export const fired = (name, payload) => quiet(() => handlers && handlers.event(name, payload));

/** Calls a handler of the page, now or when it is known that it must be. */
export function callHandler(name, call) {
  const counted = () => inHandler(call);
  return handlers && kindOf(name) === "deadToken" ? handlers.hold(name, counted) : counted();
}

/** Replaces a function of the UI, if it can, by one that does something first. */
const hookFunction = (ui, name, fn) =>
  quiet(() => {
    const original = ui[name];
    if (typeof original !== "function") return;
    const replacement = function (...args) {
      const call = () => apply(original, this, args);
      return handlers ? fn(call, args[0]) : call();
    };
    ui[name] = replacement;
    undos.push(() => ui[name] === replacement && (ui[name] = original));
  });

function hookUI(ui) {
  if (!isObject(ui) || has(hooked, ui)) return;
  hooked.push(ui);
  hookFunction(ui, "renderScreen", (render, screen) => {
    fired("render", { __proto__: null, screen });
    return render();
  });
  hookFunction(ui, "endCaptureSession", (endSession) => {
    askEnd();
    return endSession();
  });
  hookFunction(ui, "start", (start) => handlers.start(start));
  handlers.found();
}

/** Hooks whatever of the UI is there and is not hooked yet. */
function hook() {
  if (hooking || !handlers) return;
  if (lastRoot !== root()) {
    lastRoot = root();
    if (areListenersGone()) return handlers.rewritten();
  }
  hooking = true;
  quiet(() => {
    const { janrain } = page;
    const events = janrain.events;
    const others = quiet(() => keys(events)) || [];
    for (const name of KNOWN.concat(others)) {
      if (/^onCapture/.test(name)) quiet(() => hookEvent(events[name], name));
    }
    quiet(() => hookUI(janrain.capture.ui));
    quiet(() => trap(page, "janrain"));
    quiet(() => trap(janrain, "events"));
    quiet(() => trap(janrain, "capture"));
    quiet(() => trap(janrain.capture, "ui"));
  });
  hooking = false;
}

/**
 * Looks for what is new whenever the page reads or replaces a property. Some
 * pages make the UI, or parts of it, late or again, and go on in the same
 * breath.
 */
function trap(object, name) {
  const before = descriptor(object, name);
  const found = { __proto__: null, ...(before || { configurable: true, writable: true, enumerable: true }) };
  if (!found.configurable || !found.writable) return;
  let { value } = found;
  const get = () => {
    hook();
    return value;
  };
  const set = (given) => {
    value = given;
    hook();
  };
  const { enumerable } = found;
  defineProperty(object, name, { __proto__: null, configurable: true, enumerable, get, set });
  undos.push(() => {
    const current = descriptor(object, name);
    if (!current || current.get !== get) return;
    if (!before && value === undefined) delete object[name];
    else defineProperty(object, name, { __proto__: null, configurable: true, enumerable, writable: true, value });
  });
}

/**
 * Puts us first among what the UI runs before it starts, which is the way that
 * its makers documented.
 */
function attach() {
  quiet(() => {
    if (!isObject(page.janrain)) page.janrain = {};
    const inner = (object, name) => (isObject(object[name]) ? object[name] : (object[name] = {}));
    const capture = inner(inner(page.janrain, "settings"), "capture");
    const before = capture.beforeJanrainCaptureWidgetOnLoad;
    if (!isArray(before)) capture.beforeJanrainCaptureWidgetOnLoad = [hook];
    else if (!has(before, hook)) before.unshift(hook);
    else return;
    undos.push(() => {
      const list = capture.beforeJanrainCaptureWidgetOnLoad;
      if (has(list, hook)) list.splice(list.indexOf(hook), 1);
    });
  });
  hook();
}

/** @param {Handlers} given */
export function watchUI(given) {
  const late = !hasWatched && quiet(() => keys(page.janrain.events).length > 0);
  hasWatched = true;
  handlers = given;
  lastRoot = root();
  attach();
  // A script's load does not bubble.
  listen(document, "load", attach);
  listen(document, "DOMContentLoaded", attach);
  for (const type of ["pointerdown", "click", "keydown"]) {
    listen(page, type, (event) => {
      quiet(() => sawInput(event));
      hook();
    });
  }
  if (late) {
    warn(
      "script-too-late",
      "keepalive.js ran after the Registration UI: earlier handlers of the page cannot be held back. " +
        "Include it, or its stub, first.",
    );
  }
}

export function unwatchUI() {
  handlers = undefined;
  for (const undo of undos.splice(0)) quiet(undo);
  hooked = [];
}

// --- The stub -------------------------------------------------------------

/** @type {object[]} events that the stub has hooked; it goes on to do so */
let stubbed = [];
export const setHooked = (events) => void (stubbed = events);
