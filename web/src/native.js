// The browser as it was when this file ran. Libraries replace globals and
// prototypes, and an image or a form field with a name hides a property of the
// document or of its form. None of that reaches our code: we keep what we use,
// and read the DOM through the getters and methods of its own classes.
//
// runtime.js runs later, and is given what was kept here as its own "window".

/** attempt runs what may throw; the page's code stops nothing of ours. */
export const attempt = (fn, failed = (error) => say("error", error)) => {
  try {
    return fn();
  } catch (error) {
    return failed(error);
  }
};
export const nothing = () => undefined;
/** quiet runs what may throw where that is of no interest. */
export const quiet = (fn) => attempt(fn, nothing);

/** @type {any} */
export const page = window.window;
/** @type {any} */
const own = window;
/** @type {any} as Object.prototype has them, or had when they were kept */
const { hasOwnProperty } = own === page ? {} : own;
/** What we use, and what Go is given in the place of the page's globals. */
export const natives = { __proto__: null, window: page, hasOwnProperty };

// Where a variable of the page's hides what every browser has, an empty frame
// has it. The frame is gone again before the next script of the page runs.
let frame;
const hidden = (name) => {
  const at = natives.document;
  frame ||= at.documentElement.appendChild(at.createElement("iframe"));
  return frame.contentWindow[name];
};
for (const name of (
  "document AbortController Array Blob CSSStyleSheet DataTransfer DataView Date Document Element Error " +
  "Event EventTarget File FormData HTMLButtonElement HTMLElement HTMLFormElement " +
  "HTMLInputElement HTMLOptionElement HTMLScriptElement HTMLSelectElement HTMLTextAreaElement " +
  "JSON Map Math Navigator Node Object Promise Reflect Request Response Storage Symbol TextDecoder " +
  "TextEncoder TypeError URL Uint8Array WebAssembly clearTimeout console crypto " +
  "fetch location navigator performance requestIdleCallback setTimeout"
).split(" ")) {
  // What the window only inherits is an element or a frame with that name.
  const found = quiet(() => (hasOwnProperty.call(own, name) ? own[name] : undefined));
  // Those with a small letter, and these two, are of no use outside their page.
  const isKept =
    name === "URL" // a function of many pages
      ? found?.createObjectURL
      : found?.apply || found?.parse || found?.floor || /^(Abort|Web|[a-z])/.test(name);
  natives[name] = isKept ? found : quiet(() => hidden(name));
}
if (frame) frame.remove();
// The promises of a frame end with it. Those of the language are always there.
natives.Promise = (async () => {})().constructor;
// A library replaces members of these one by one.
const { ownKeys } = natives.Reflect;
for (const name of ["JSON", "Math", "Reflect", "WebAssembly"]) {
  const members = natives[name];
  if (!members) continue;
  natives[name] = { __proto__: null };
  for (const key of ownKeys(members)) natives[name][key] = members[key];
}
export const { apply, defineProperty, getOwnPropertyDescriptor: descriptor, getPrototypeOf } = natives.Reflect;

/** A method of a class, as a function of the object and its arguments. */
/* @__NO_SIDE_EFFECTS__ */ const method = (owner, name) => {
  const fn = owner && owner.prototype[name];
  return (self, ...args) => apply(fn, self, args);
};
/** The getter of a property of a class, as a function of the object. */
/* @__NO_SIDE_EFFECTS__ */ const getter = (owner, name) => {
  const found = owner && descriptor(owner.prototype, name);
  return (self) => found && apply(found.get, self, []);
};

export const { freeze, keys: namesOf } = natives.Object;
export const { isArray } = natives.Array;
export const { abs, ceil, max, min, random } = natives.Math;
export const { stringify } = natives.JSON;
export const hasOwn = (object, name) => apply(hasOwnProperty, object, [name]);
/** Prototype.js has an Object.keys that names what an object inherits, too. */
export const keys = (object) => namesOf(object).filter((name) => hasOwn(object, name));
// Not by includes(), find() and startsWith(): what came after ES5, old libraries have
// in their own way.
export const has = (list, value) => list.indexOf(value) >= 0;
export const first = (list, isIt) => list.filter(isIt)[0];
export const startsWith = (text, start) => text.slice(0, start.length) === start;
export const isObject = (value) => natives.Object(value) === value;

/**
 * Many pages have an Event or a Storage of their own, and MooTools has a
 * Document. The browser's classes are those of its objects.
 */
function recoverClasses(object) {
  for (let at = object; (at = getPrototypeOf(at)); ) {
    const name = at[natives.Symbol.toStringTag];
    if (name in natives) natives[name] = at.constructor;
  }
}
export const { document, location } = natives;
recoverClasses(document);
const create = method(natives.Document, "createElement");
const createEvent = method(natives.Document, "createEvent");
// A page that lets nothing be made any more, when runtime.js runs this, has let
// keepalive.js do it.
quiet(() => recoverClasses(create(document, "script")));
quiet(() => recoverClasses(createEvent(document, "Event")));
quiet(() => recoverClasses(page.localStorage));

export const {
  AbortController, Error, FormData, Promise, TypeError, fetch,
} = natives;
const { Date, Document, Element, Event, EventTarget, HTMLElement, HTMLScriptElement, Node, Storage } = natives;
const { clearTimeout, console, requestIdleCallback, setTimeout } = natives;

// --- Time -----------------------------------------------------------------

const STANDSTILL = 500; // ms, see wasm/session/work.go
const CATCH_UP = 5000; // ms
export const now = () => new Date().getTime();
export const timeOf = (text) => new Date(text).getTime();
export const setTimer = (fn, ms) => apply(setTimeout, page, [fn, ms]);
export const clearTimer = (id) => apply(clearTimeout, page, [id]);
/**
 * A timer for what is given up after a time. Where it fires too late, the page
 * stood still: it was printed, or in a dialog of the browser. What has come
 * meanwhile has its turn first.
 */
export const setLimit = (fn, ms) => {
  const due = now() + ms;
  return setTimer(() => (now() - due > STANDSTILL ? setTimer(fn, min(ms, CATCH_UP)) : fn()), ms);
};
export const whenIdle = (fn) =>
  requestIdleCallback ? apply(requestIdleCallback, page, [fn, { __proto__: null, timeout: 2000 }]) : setTimer(fn, 200);

// --- The document ---------------------------------------------------------

/** @type {(name: string) => () => any} a property of the document, as it is when asked for */
/* @__NO_SIDE_EFFECTS__ */ const ofDocument = (name) => {
  const get = getter(Document, name);
  return () => get(document);
};
export const currentScript = ofDocument("currentScript");
export const readyState = ofDocument("readyState");
export const focused = ofDocument("activeElement");
export const isHidden = ofDocument("hidden");
export const root = ofDocument("documentElement");
/** "" in a sandbox, whatever the page calls "origin". */
export const domain = ofDocument("domain");
const cookie = ofDocument("cookie");
export const cookies = () => quiet(cookie);
const sourceOf = getter(HTMLScriptElement, "src");
export const addressOf = (script) => quiet(() => sourceOf(script)) || "";
const nonce = getter(HTMLElement, "nonce");
export const nonceOf = (script) => nonce(script) || attribute(script, "nonce") || "";
export const attributeNames = method(Element, "getAttributeNames");
export const attribute = method(Element, "getAttribute");
export const setAttribute = method(Element, "setAttribute");
export const find = method(Element, "querySelector");
export const closest = method(Element, "closest");
export const createElement = (tag) => create(document, tag);
export const append = method(Node, "appendChild");
export const remove = method(Element, "remove");
export const targetOf = getter(Event, "target");
export const addListener = method(EventTarget, "addEventListener");
const dispatchEvent = method(EventTarget, "dispatchEvent");
export const dispatch = (target, type) => dispatchEvent(target, new Event(type));

// --- Storage and network --------------------------------------------------

// Where storage is denied, reading window.localStorage throws. A page may have
// put something else there, where the Registration UI keeps its token then.
/* @__NO_SIDE_EFFECTS__ */ const stored = (name) => {
  const call = method(Storage, name);
  return (...args) =>
    attempt(() => call(page.localStorage, ...args), () => quiet(() => page.localStorage[name](...args)));
};
const getItem = stored("getItem");
export const readItem = (key) => getItem(key) || "";
export const writeItem = stored("setItem");
export const removeItem = stored("removeItem");

/** fetch(). A wrapper of a library's may throw, or return no promise of ours. */
export const send = async (input, init) => apply(fetch, page, [input, init]);
/** As the browser writes it; undefined where there is none. */
export const originOf = (address) => quiet(() => new natives.URL(address).origin);
/** A library's console may throw. */
export const say = (level, text) => quiet(() => console[level]("captureKeepalive: " + text));
/** rethrow lets the page's own error reporting hear of what its code threw. */
export const rethrow = (error) =>
  setTimer(() => {
    throw error;
  }, 0);
/** An Error with a code. @param {string} code */
export const failure = (code) => {
  const error = new Error("captureKeepalive: " + code);
  error.code = code;
  return error;
};
