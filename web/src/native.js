// The browser as it was when this file ran. Libraries replace globals and
// prototypes, and an image or a form field with a name hides a property of the
// document or of its form. None of that reaches our code: we keep what we use,
// and read the DOM through the getters and methods of its own classes.
//
// runtime.js runs later, and is given what was kept here as its own "window".

/** @type {any} */
export const page = window.window;
/** @type {any} */
const own = window;
/** What we use, and what Go is given in the place of the page's globals. */
export const natives = { __proto__: null, window: page };
for (const name of (
  "AbortController Array Blob CSSStyleSheet DataTransfer DataView Date Document Element Error " +
  "Event EventTarget File FormData HTMLButtonElement HTMLElement HTMLFormElement " +
  "HTMLInputElement HTMLOptionElement HTMLScriptElement HTMLSelectElement HTMLTextAreaElement " +
  "JSON Map Math Navigator Node Object Promise Reflect Request Storage SyntaxError TextDecoder " +
  "TextEncoder TypeError URL Uint8Array WeakSet WebAssembly clearTimeout console crypto " +
  "document fetch location navigator performance requestIdleCallback setTimeout"
).split(" ")) {
  // What the window only inherits is an element or a frame with that name.
  natives[name] = window.Object.prototype.hasOwnProperty.call(own, name) ? own[name] : undefined;
}
// A library replaces members of it one by one. runtime.js gets the copy.
const reflect = { __proto__: null };
const { ownKeys } = natives.Reflect;
for (const name of ownKeys(natives.Reflect)) reflect[name] = natives.Reflect[name];
natives.Reflect = reflect;
export const {
  AbortController, Error, FormData, Promise, SyntaxError, TypeError, WeakSet,
} = natives;
export const { document, location } = natives;
const { Date, Document, Element, Event, EventTarget, HTMLElement, HTMLScriptElement, Node, Reflect, Storage } = natives;
const { clearTimeout, console, fetch, requestIdleCallback, setTimeout } = natives;
export const { apply, defineProperty, getOwnPropertyDescriptor: descriptor } = Reflect;
export const { freeze, keys } = natives.Object;
export const { isArray } = natives.Array;
export const { random } = natives.Math;

/** A method of a class, as a function of the object and its arguments. */
export const method = (owner, name) => {
  const fn = owner && owner.prototype[name];
  return (self, ...args) => apply(fn, self, args);
};
/** The getter of a property of a class, as a function of the object. */
const getter = (owner, name) => {
  const found = owner && descriptor(owner.prototype, name);
  return (self) => found && apply(found.get, self, []);
};

export const hasOwn = method(natives.Object, "hasOwnProperty");
export const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

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

// --- Time -----------------------------------------------------------------

export const now = () => new Date().getTime();
export const timeOf = (text) => new Date(text).getTime();
export const setTimer = (fn, ms) => apply(setTimeout, page, [fn, ms]);
export const clearTimer = (id) => apply(clearTimeout, page, [id]);
export const whenIdle = (fn) =>
  requestIdleCallback ? apply(requestIdleCallback, page, [fn, { __proto__: null, timeout: 2000 }]) : setTimer(fn, 200);

// --- The document ---------------------------------------------------------

export const currentScript = () => getter(Document, "currentScript")(document);
export const readyState = () => getter(Document, "readyState")(document);
export const focused = () => getter(Document, "activeElement")(document);
export const isHidden = () => getter(Document, "hidden")(document);
export const cookies = () => quiet(() => getter(Document, "cookie")(document)) || "";
export const addressOf = (script) => quiet(() => getter(HTMLScriptElement, "src")(script)) || "";
export const nonceOf = (script) =>
  quiet(() => getter(HTMLElement, "nonce")(script) || method(Element, "getAttribute")(script, "nonce")) || "";
export const attributeNames = method(Element, "getAttributeNames");
export const attribute = method(Element, "getAttribute");
export const setAttribute = method(Element, "setAttribute");
export const find = method(Element, "querySelector");
export const closest = method(Element, "closest");
export const createElement = (tag) => method(Document, "createElement")(document, tag);
export const root = () => getter(Document, "documentElement")(document);
export const append = method(Node, "appendChild");
export const remove = method(Element, "remove");
export const targetOf = getter(Event, "target");
export const addListener = method(EventTarget, "addEventListener");
export const dispatch = (target, type) => method(EventTarget, "dispatchEvent")(target, new Event(type));

// --- Storage and network --------------------------------------------------

// Where storage is denied, reading window.localStorage throws.
const stored = (name, ...args) =>
  quiet(() => apply(Storage.prototype[name], page.localStorage, args));
export const readItem = (key) => stored("getItem", key) || "";
export const writeItem = (key, value) => stored("setItem", key, value);
export const removeItem = (key) => stored("removeItem", key);

/** ask is fetch(), with what a page adds to Object.prototype left out. */
export const ask = (address, init) => apply(fetch, page, [address, { __proto__: null, ...init }]);
export const send = (input, init) => apply(fetch, page, [input, init]);
/** A library's console may throw. */
export const say = (level, text) =>
  quiet(() => apply(console[level], console, ["captureKeepalive: " + text]));
/** rethrow lets the page's own error reporting hear of what its code threw. */
export const rethrow = (error) =>
  setTimer(() => {
    throw error;
  }, 0);
/** An Error with a code. @param {string} code @param {string} [message] */
export const failure = (code, message) => {
  const error = new Error("captureKeepalive: " + (message || code));
  error.code = code;
  return error;
};
