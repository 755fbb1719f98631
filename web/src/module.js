// The module's life. A file that does not come is temporary: it is asked for
// again, more and more seldom, and at once when the network is back, the page
// is looked at, or something needs the module.
import { abs, attempt, ceil, document, isHidden, max, min, nothing, now, page, random } from "./native.js";
import { fetchManifest, fetchModule, include } from "./files.js";
import { cancel, later, listen } from "./scope.js";
import { warn, warnNotStarted } from "./warnings.js";

const LONGEST = 300; // seconds between attempts, which double from one
const LEAST = 500; // ms between attempts, even when asked
const MOST_CRASHES = 1;

/**
 * @typedef {object} Owner
 * @property {string} endpoint
 * @property {(signal: AbortSignal) => object} host what a run of the module is given
 * @property {(failed: boolean) => void} changed the module came, failed to come, or went
 * @property {(message: string) => void} note
 */
/** @type {Owner | undefined} while started */
let owner;
/** @type {any} what was loaded, for as long as the page lives */
let files;
/** @type {any} what came with it: see runtime.js */
export let runtime;
/** @type {any} what the running module offers */
export let api;
/** @type {import("./go.js").Program | undefined} */
let program;
let loading = false;
/** Whether the server has answered anything. */
export let hasAnswered = false;
let failures = 0;
let failedAt = 0;
let retryAt = 0;
let retry;
let crashes = 0;
/** @type {string | undefined} why there is no module */
let why;
/** Whether there will be none, for good. */
export let isOff = false;

export const isWanted = () => loading || !!program || failures > 0;

/** Why there is none, and seconds until the next attempt. */
export const trouble = () => ({
  reason: why,
  retryIn: failures ? max(0, ceil((retryAt - now()) / 1000)) : 0,
});

/** @param {Owner} given */
export function openModule(given) {
  owner = given;
  const again = () => failures && !isHidden() && load();
  listen(page, "online", again);
  listen(page, "pageshow", again);
  listen(document, "visibilitychange", again);
}

export function closeModule() {
  owner = undefined;
  loading = false;
  const mine = program;
  program = undefined; // what ends now is no crash
  if (api) attempt(() => api.stop());
  if (mine) mine.stop();
  api = why = undefined;
  failures = crashes = failedAt = 0;
  isOff = false;
}

/**
 * Loads the module, unless it is there, on its way, or not to come at all. The
 * clock may have been set back since the last attempt.
 */
export function load() {
  if (!owner || isOff || loading || program || abs(now() - failedAt) < LEAST) return;
  cancel(retry);
  loading = true;
  const mine = owner;
  const ofNow = (fn) => (value) => mine === owner && fn(value);
  bring(mine.endpoint)
    .then(ofNow(start))
    .then(nothing, ofNow(fail));
}

async function bring(endpoint) {
  if (files) return;
  const manifest = await fetchManifest(endpoint);
  hasAnswered = true;
  const coming = include(manifest, "runtime.js");
  coming.then(nothing, nothing); // it may fail while nothing waits for it yet
  const compiled = await fetchModule(manifest, coming);
  runtime = await coming;
  files = { manifest, compiled };
}

/** The dialog's own script. */
export const bringDialog = () => include(files.manifest, "dialog.js");

function start() {
  loading = false;
  const mine = (program = runtime.createProgram((error) => mine === program && crash(error)));
  return mine.start(files.compiled, {
    __proto__: null,
    ...owner.host(mine.signal),
    signal: mine.signal,
    attach: (offered) => {
      if (mine !== program) return;
      api = offered;
      failures = 0;
      why = undefined;
      attempt(() => owner.changed(false));
    },
  });
}

function fail(error) {
  const message = (error && error.message) || String(error);
  loading = false;
  program = undefined;
  why = "not loaded: " + message;
  owner.note(why);
  if (error && error.warning) warn(error.warning, message);
  if (error && error.final) isOff = true;
  else {
    const wait = min(LONGEST, 2 ** failures++) * 1000 * (0.8 + 0.4 * random());
    failedAt = now();
    retryAt = failedAt + wait;
    retry = later(load, wait);
  }
  owner.changed(true);
}

/** A module that died is started again, once. */
function crash(error) {
  api = program = undefined;
  why = "the module failed: " + ((error && error.message) || "it exited");
  owner.note(why);
  isOff = crashes++ >= MOST_CRASHES;
  if (isOff) warnNotStarted(why);
  owner.changed(isOff);
  if (!isOff) load();
}

/** Calls the module; a call that throws is its end. */
export function call(method, ...args) {
  const mine = program;
  if (!api) return undefined;
  return attempt(
    () => api[method](...args),
    (error) => void (mine === program && mine && (mine.stop(), crash(error))),
  );
}
