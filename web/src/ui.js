// Stands between the page and the Registration UI: hears its events, makes
// start() wait where that helps, and tells why a session was ended. Nothing
// that goes wrong here reaches the UI: each step is an attempt of its own.
import {
  apply, attempt, closest, defineProperty, descriptor, document, isArray, isObject, keys, nothing, now, page, targetOf,
} from "./native.js";
import { KNOWN, isDeadToken, kindOf } from "./events.js";
import { listen } from "./scope.js";
import { warn } from "./warnings.js";
import { wrapEvent } from "./wrap.js";

// How long after a dead token the page may end the session because of it.
const REACTION = 10000; // ms

/**
 * @typedef {object} Handlers
 * @property {(name: string, payload: any) => void} event the UI fired an event
 * @property {(name: string, call: () => void) => void} hold a handler of the page is to be called
 * @property {(start: () => any) => any} start the page starts the UI
 * @property {() => void} found there is a UI
 */
/** @type {Handlers | undefined} while started */
let handlers;
let hooking = false;
/** @type {Function[]} */
let undos = [];
// Events keep their wrappers over stop(), or handlers could not be removed.
const wrapped = new WeakMap();
let hooked = new WeakSet();

const silent = (fn) => attempt(fn, nothing);

// --- Why a session was ended ----------------------------------------------

let deadTokenAt = -Infinity; // when the UI last met a dead token
let personAt = -Infinity; // when a person last did something that can sign out
/** @type {{cause: string, at: number} | undefined} an end that was asked for */
let asked;

const cause = () => (deadTokenAt > personAt && now() - deadTokenAt < REACTION ? "reaction" : "person");

/**
 * Why onCaptureSessionEnded came: "reaction" if the page ended the session
 * because the UI met a dead token and no person has asked for it since.
 */
export function causeOfEnd() {
  const found = asked && now() - asked.at < REACTION ? asked.cause : cause();
  asked = undefined;
  return found;
}

// Who types in a field does not sign out by it.
const isTyping = (event) =>
  event.type === "keydown" && !event.ctrlKey && !event.altKey && !event.metaKey && event.key !== "Enter" &&
  !!silent(() => closest(targetOf(event), 'textarea,select,[contenteditable],input:not([type="button"],[type="submit"],[type="image"],[type="reset"])'));

function sawPerson(event) {
  if (!event.isTrusted || event.repeat || isTyping(event)) return;
  personAt = now();
  if (silent(() => closest(targetOf(event), ".capture_end_session"))) asked = { cause: "person", at: personAt };
}

// --- Hooks ----------------------------------------------------------------

function hookEvent(event, name) {
  if (!isObject(event) || typeof event.addHandler !== "function" || hooked.has(event) || stubbed.includes(event)) return;
  hooked.add(event);
  const add = wrapped.get(event) || event.addHandler;
  const handler = (payload) => silent(() => handlers && hear(name, payload));
  apply(add, event, [handler]);
  undos.push(() => apply(event.removeHandler, event, [handler]));
  if (kindOf(name) === "deadToken" && !wrapped.has(event)) {
    const hold = (call) => (handlers ? handlers.hold(name, call) : call());
    wrapped.set(event, wrapEvent(event, hold));
  }
}

function hear(name, payload) {
  if (isDeadToken(name, payload)) deadTokenAt = now();
  handlers.event(name, payload);
}

/** Replaces a function of the UI by one that may do something before it. */
function hookFunction(ui, name, fn) {
  const original = ui[name];
  if (typeof original !== "function") return;
  const replacement = function (...args) {
    const call = () => apply(original, this, args);
    return handlers ? fn(call, args[0]) : call();
  };
  ui[name] = replacement;
  undos.push(() => ui[name] === replacement && (ui[name] = original));
}

function hookUI(ui) {
  if (!isObject(ui) || hooked.has(ui)) return;
  hooked.add(ui);
  silent(() =>
    hookFunction(ui, "renderScreen", (render, screen) => {
      silent(() => handlers.event("render", { __proto__: null, screen }));
      return render();
    }),
  );
  silent(() =>
    hookFunction(ui, "endCaptureSession", (endSession) => {
      asked = { cause: cause(), at: now() };
      return endSession();
    }),
  );
  silent(() => hookFunction(ui, "start", (start) => handlers.start(start)));
  handlers.found();
}

/** Hooks whatever of the UI is there and is not hooked yet. */
function hook() {
  if (hooking || !handlers) return;
  hooking = true;
  silent(() => {
    const { janrain } = page;
    if (!isObject(janrain)) return;
    const events = janrain.events;
    if (isObject(events)) {
      for (const name of KNOWN.concat(keys(events))) {
        if (name.startsWith("onCapture")) silent(() => hookEvent(events[name], name));
      }
    }
    silent(() => isObject(janrain.capture) && hookUI(janrain.capture.ui));
    silent(() => trap(page, "janrain"));
    silent(() => trap(janrain, "events"));
    silent(() => trap(janrain, "capture"));
    silent(() => isObject(janrain.capture) && trap(janrain.capture, "ui"));
  });
  hooking = false;
}

/**
 * Looks for what is new whenever the page reads or replaces a property. Some
 * pages make the UI, or parts of it, late or again, and go on in the same
 * breath.
 */
function trap(object, name) {
  const found = descriptor(object, name) || { configurable: true, writable: true, enumerable: true, value: undefined };
  if (!found.configurable || !found.writable) return;
  const absent = !descriptor(object, name);
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
    if (absent && value === undefined) delete object[name];
    else defineProperty(object, name, { __proto__: null, configurable: true, enumerable, writable: true, value });
  });
}

/**
 * Puts us first among what the UI runs before it starts, which is the way that
 * its makers documented.
 */
function attach() {
  silent(() => {
    if (!isObject(page.janrain)) page.janrain = {};
    const inner = (object, name) => (isObject(object[name]) ? object[name] : (object[name] = {}));
    const capture = inner(inner(page.janrain, "settings"), "capture");
    const before = capture.beforeJanrainCaptureWidgetOnLoad;
    if (!isArray(before)) capture.beforeJanrainCaptureWidgetOnLoad = [hook];
    else if (!before.includes(hook)) before.unshift(hook);
    else return;
    undos.push(() => {
      const list = capture.beforeJanrainCaptureWidgetOnLoad;
      if (list.includes(hook)) list.splice(list.indexOf(hook), 1);
    });
  });
  hook();
}

/** @param {Handlers} given */
export function watchUI(given) {
  const first = !handlers && !wrapped.has(page);
  handlers = given;
  const late = first && silent(() => keys(page.janrain.events).length > 0);
  wrapped.set(page, nothing);
  attach();
  // A script's load does not bubble.
  listen(document, "load", attach);
  listen(document, "DOMContentLoaded", attach);
  for (const type of ["pointerdown", "click", "keydown"]) {
    listen(page, type, (event) => {
      sawPerson(event);
      hook();
    });
  }
  if (late) {
    warn(
      "script-too-late",
      "keepalive.js ran after the Registration UI. Handlers that the page has added before cannot be held back: " +
        "include keepalive.js, or its stub, before the Registration UI and before the page's own scripts.",
    );
  }
}

export function unwatchUI() {
  handlers = undefined;
  for (const undo of undos.splice(0)) silent(undo);
  hooked = new WeakSet();
}

// --- The stub -------------------------------------------------------------

/** @type {object[]} events that the stub has hooked; it goes on to do so */
let stubbed = [];

/** Takes over from the stub: what it has hooked tells us from now on. */
export function takeOver(stub) {
  stubbed = stub.hooked;
  stub.event = (name, payload) => silent(() => handlers && hear(name, payload));
  stub.hold = (name, call) => (handlers ? handlers.hold(name, call) : call());
}
