// What the page is told: who is signed in, and events.
import { Promise, attempt, freeze, has, rethrow, setTimer } from "./native.js";
import { wrong } from "./options.js";

export const ENDS = ["expired", "signedout", "identitychanged"];
export const EVENTS = [
  "renewed", "renewerror", "warning", "stayed", "signedin", "holding", "released", "unfinished", "ended", ...ENDS,
];

/** @type {Record<string, Function[]>} */
const listeners = { __proto__: null };
for (const name of EVENTS) listeners[name] = [];
/** @type {Function[]} */
let subscribers = [];

/** @type {import("../keepalive").User} */
let snapshot = freeze({ signedIn: null });
/** @type {{name: string, detail: object} | undefined} the end that holds until a user signs in */
let end;
let settleReady;
/** @type {import("../keepalive").CaptureKeepalive["ready"]} */
export const ready = new Promise((resolve) => (settleReady = resolve));

export const user = () => snapshot;
/** Settles ready with what is known, if only that nothing is. */
export const readyAnyway = () => settleReady({ signedIn: snapshot.signedIn });

const notify = (fn, ...args) => attempt(() => fn(...args), rethrow);

/** Whether a signedin is due as soon as a user is known. */
let visitor = false;
export const isVisitor = () => visitor;

/** @param {boolean | null} signedIn @param {string} [uuid] */
export function setUser(signedIn, uuid) {
  if (signedIn === false) visitor = true;
  const known = signedIn && uuid ? uuid : undefined;
  if (snapshot.signedIn !== signedIn || snapshot.uuid !== known) {
    snapshot = freeze(known ? { signedIn, uuid: known } : { signedIn });
    subscribers.forEach((fn) => has(subscribers, fn) && notify(fn, snapshot));
  }
  if (signedIn !== null) readyAnyway();
}

export function subscribe(fn) {
  if (typeof fn !== "function") wrong("listener", "a function");
  const own = (state) => fn(state); // the same function may subscribe twice
  subscribers.push(own);
  notify(own, snapshot);
  return () => void (subscribers = subscribers.filter((each) => each !== own));
}

/** Tells the page of an event; of an end, by its own name and as "ended". */
export function emit(name, detail) {
  if (name === "signedin") visitor = false;
  if (name === "signedin" || name === "renewed") forgetEnd();
  const isEnd = has(ENDS, name);
  if (isEnd) {
    if (end && end.name === name) return; // told already
    end = { name, detail };
  }
  const tell = (event) => listeners[event].forEach((fn) => has(listeners[event], fn) && notify(fn, detail));
  tell(name);
  if (isEnd) tell("ended");
}

/** What was told of an end is of the past. */
const forgetEnd = () => void (end = undefined);

/** A person signs in, maybe before it is known whether somebody was. */
export function sawLogin() {
  forgetEnd();
  if (!snapshot.signedIn) visitor = true;
}

export function on(name, fn) {
  if (!listeners[name]) wrong(name, "one of " + EVENTS.join(", "));
  if (typeof fn !== "function") wrong("listener", "a function");
  if (!has(listeners[name], fn)) listeners[name].push(fn);
  // Who listens late is told the end that holds.
  if (end && (name === "ended" || name === end.name)) {
    const late = end;
    setTimer(() => late === end && has(listeners[name], fn) && notify(fn, late.detail), 0);
  }
  return () => void (listeners[name] = listeners[name].filter((each) => each !== fn));
}
