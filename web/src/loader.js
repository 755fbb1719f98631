// Between the page, the Registration UI and the module: what the UI does goes
// to the module, or waits for it, and what the module says goes to the page.
import {
  FormData, Promise, attempt, document, domain, failure, fetch, find, has, location, now, page, quiet,
  readyState, rethrow, setLimit, startsWith, targetOf, whenIdle,
} from "./native.js";
import { causeOfEnd } from "./cause.js";
import { kindOf, needsModule, needsSession } from "./events.js";
import { ownScript, place, setPlace } from "./files.js";
import { groupOf, holdCall, release, releaseAll } from "./guard.js";
import { endSession, isPosted, postCode } from "./handoff.js";
import { isAnonymous, isStale, storedToken } from "./mark.js";
import * as module from "./module.js";
import { bringDialog, call, closeModule, load, openModule } from "./module.js";
import { checkOptions } from "./options.js";
import { askAgain, openPromise, rejectAll, settle } from "./promises.js";
import { drain, enqueue } from "./queue.js";
import { closeScope, later, listen, openScope } from "./scope.js";
import { ENDS, emit, isVisitor, readyAnyway, sawLogin, setUser, user } from "./session.js";
import { unwatchUI, watchUI } from "./ui.js";
import { warn, warnNotStarted } from "./warnings.js";

const HOLD_LIMIT = 5000; // ms that the UI's start() waits for a token
const ANSWER_LIMIT = 1000; // ms in which the server must have said something
const READY_LIMIT = 15000; // ms until ready settles with what is known

/** @type {any} the checked options, while started */
export let options;
/** @type {import("../keepalive").Diagnostic[]} */
export const notes = [];

/** @type {object} for the dialog: the page's own variable may be another */
let publicApi;
export const publish = (api) => void (publicApi = api);

const note = (message) => void notes.push({ at: now(), event: "loader", message });
/** Whether there is no module, and no need of one. */
export const isIdle = () => !module.isWanted() && isAnonymous();

// --- What the Registration UI does ----------------------------------------

/** Answers to codes that were posted before the module was there. */
let answers = [];

function postOnce(payload, info) {
  const code = quiet(() => payload.authorizationCode);
  if (typeof code !== "string" || !code) return;
  info.posted = true;
  if (isPosted(code)) return;
  const redirectUri = quiet(() => page.janrain.settings.capture.redirectUri);
  const mine = options;
  postCode(mine.endpoint, code, redirectUri).then((answer) => {
    if (mine !== options) return;
    if (answer.status === 0 || answer.status === 403) check("checkRefusal");
    if (module.api) call("answered", answer);
    else answers.push(answer);
  });
}

/** @type {Promise<boolean> | undefined} */
let ending;
/** Ends the session without the module. @returns whether the server knows. */
function endAlone(reason, message) {
  ending ||= endSession(options.endpoint).then((done) => {
    ending = undefined;
    return done;
  });
  setUser(false);
  emit("signedout", { reason, message, at: now() });
  return ending;
}

function hear(name, payload) {
  if (needsSession(name) && isIdle()) return;
  const info = { __proto__: null };
  if (kindOf(name) === "deadToken" && options.guard && !module.isOff) info.held = groupOf(name).id;
  if (name === "onCaptureLoginSuccess") sawLogin();
  if (kindOf(name) === "login") postOnce(payload, info);
  if (kindOf(name) === "ended") {
    info.cause = causeOfEnd();
    if (info.cause === "person" && !module.api) {
      info.told = true;
      endAlone("signed_out", "A person signed out.");
    }
  }
  feed(name, payload, info);
}

function feed(name, payload, info = { __proto__: null }) {
  if (module.isOff) return;
  if (module.api) {
    call("event", name, payload, info);
    return;
  }
  const needed = needsModule(name, payload);
  if (needed || !isIdle()) enqueue([name, payload, info]);
  if (needed) load();
}

function hold(name, handler) {
  return !options.guard || module.isOff || isIdle() ? handler() : void holdCall(name, handler);
}

/** Lets the UI start, once there is a token if that helps. */
function startUI(start) {
  if (!options.hold || module.isOff || !isStale()) return start();
  let started = false;
  const once = () => {
    if (started) return;
    started = true;
    attempt(start, rethrow);
  };
  want(false).then(once, once);
  later(once, HOLD_LIMIT);
  later(() => module.hasAnswered || once(), ANSWER_LIMIT);
  return undefined;
}

function sawSubmit(event) {
  attempt(() => {
    const form = targetOf(event);
    if (!find(form, '[id^="capture_"]')) return;
    feed("submit", { __proto__: null, event, data: new FormData(form), token: storedToken(), at: now() });
  });
}

// --- What the module does -------------------------------------------------

const TROUBLE = ["offline", "unintelligible", "refused", "refused_again"];

function host(signal) {
  const whileAlive = (fn) => (...args) => {
    if (!signal.aborted) fn(...args);
  };
  const tell = (type, detail) => {
    // What becomes of a form is told after stop(), too.
    if (signal.aborted && !has(["released", "unfinished"], type)) return;
    if (type === "renewerror" && has(TROUBLE, detail.reason)) check("checkRefusal");
    if (type === "renewed" || type === "signedin") check("checkCookie");
    if (has(ENDS, type) && user().signedIn) setUser(false);
    emit(type, detail);
  };
  return {
    options,
    release: whileAlive(release),
    settle: whileAlive(settle),
    state: whileAlive((state) => {
      setUser(state.signedIn, state.uuid);
      // To a module that was loaded for a login, the session was always there.
      if (state.signedIn && isVisitor()) {
        tell("signedin", { reason: "signed_in", message: "A user signed in.", at: now() });
      }
    }),
    emit: tell,
  };
}

/** Looks for wrong use, where there is what looks for it. */
const check = (name) => module.runtime && module.runtime[name](warn, options, VERSION, ownScript);

function sawViolation({ disposition, blockedURI, effectiveDirective }) {
  const isOurs = [place(), options.endpoint].some((ours) => startsWith(`${blockedURI}`, ours));
  if (disposition === "enforce" && isOurs) {
    warn("blocked-by-policy", `The page's ${effectiveDirective} blocks ${blockedURI}. Allow it.`);
  }
}

/** The module came (or died), or an attempt to load it failed. */
function moduleChanged(failed) {
  if (failed) {
    releaseAll();
    rejectAll("unavailable");
    if (module.isOff) readyAnyway();
    return;
  }
  if (!module.api) return;
  check("checkPlace");
  for (const event of drain()) call("event", ...event);
  answers.splice(0).forEach((answer) => call("answered", answer));
  askAgain();
  if (options.dialog) module.runtime.showDialog(bringDialog, publicApi);
}

// --- For the page ---------------------------------------------------------

/** @throws TypeError that names the option that is wrong. */
export function start(given = {}) {
  startWith(given);
  // Also where the page stops us before it is known.
  setLimit(readyAnyway, options ? READY_LIMIT : 0);
}

function startWith(given) {
  if (!/^https?:$/.test(location.protocol) || !domain()) {
    warn("not-http", "Nothing was started: this page is a file, or in a sandbox. Serve it over http or https.");
    return;
  }
  // The page's own start goes on, whatever it has done to the browser.
  const checked = attempt(() => checkOptions(given), (error) => {
    if (/^captureKeep/.test(error.message)) throw error;
    warnNotStarted(error);
  });
  if (options || !checked) return; // it runs already
  options = checked;
  attempt(begin, (error) => {
    quiet(stop);
    options = undefined;
    warnNotStarted(error);
  });
}

function begin() {
  const mine = options;
  fetch.bind(page); // throws where the page has made it something else
  openScope();
  setPlace(options.endpoint, options.nonce);
  openModule({ endpoint: options.endpoint, host, changed: moduleChanged, note });
  watchUI({ event: hear, hold, start: startUI, found: () => feed("hooked"), rewritten: restart });
  listen(document, "submit", sawSubmit);
  listen(page, "securitypolicyviolation", sawViolation);
  // Another tab has a session now.
  const wake = () => module.isWanted() || isAnonymous() || load();
  listen(page, "storage", wake);
  listen(page, "pageshow", wake);
  if (options.load === "now") load();
  const parsed = () => {
    if (mine !== options || module.isWanted()) return;
    if (isAnonymous()) setUser(false);
    else whenIdle(() => mine === options && load());
  };
  if (readyState() === "loading") listen(document, "DOMContentLoaded", parsed);
  else parsed();
}

export function stop() {
  if (!options) return;
  closeModule();
  if (module.runtime) module.runtime.hideDialog();
  releaseAll();
  rejectAll("stopped");
  unwatchUI();
  drain();
  answers = [];
  options = undefined;
  closeScope();
}

function restart() {
  const same = options;
  stop();
  start(same);
}

const rejected = async (code) => {
  throw failure(code);
};

/** A token, asked of the server if fresh. */
export function want(fresh) {
  if (!options) return rejected("stopped");
  if (module.isOff) return rejected("unavailable");
  return openPromise((id) => {
    if (module.api) call("want", id, fresh);
    else load();
  });
}

export function end() {
  if (!options) return rejected("stopped");
  if (module.api) return openPromise((id) => call("end", id));
  quiet(() => page.janrain.capture.ui.endCaptureSession());
  return endAlone("end", "The page signed out.").then((done) => {
    if (!done) throw failure("unavailable");
  });
}
