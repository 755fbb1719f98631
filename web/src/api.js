// The public object.
import { location, nothing, page, send, stringify } from "./native.js";
import * as module from "./module.js";
import { call } from "./module.js";
import { end, isIdle, notes, options, publish, start, stop, want } from "./loader.js";
import { on, ready, subscribe, user } from "./session.js";
import { warnings } from "./warnings.js";

/** The version of this file, which the build puts here. */
export const version = VERSION;

function phaseWithout() {
  if (!options || module.isOff) return "off";
  if (module.trouble().retryIn) return "waiting";
  return isIdle() ? "signedout" : "loading";
}

/** @returns {import("../keepalive").Status} */
function status() {
  const { phase, ...times } = call("status") || { phase: phaseWithout(), ...module.trouble() };
  return { phase, signedIn: user().signedIn, ...times, version, warnings: warnings.slice() };
}

const diagnostics = () => notes.concat(call("diagnostics") || []);

/** One block of text for a ticket: no secret, and no uuid. */
function report() {
  const lines = [status(), ...diagnostics().slice(-30)].map((each) => stringify(each));
  const place = location.origin + location.pathname;
  return [`capture-keepalive ${version}`, place, page.navigator.userAgent, ...lines].join("\n");
}

/** fetch(), with the token for the origins that may have it. */
async function fetchWithToken(input, init) {
  const needed = options && options.apiOrigins.length && !isIdle();
  if (needed && !module.runtime) await want(false).then(nothing, nothing);
  if (!needed || !module.runtime) return send(input, init);
  return module.runtime.fetchWithToken(options.apiOrigins, want, input, init);
}

/** @type {import("../keepalive").CaptureKeepalive} */
export const api = {
  start,
  stop,
  on,
  subscribe,
  user,
  ready,
  token: () => want(false),
  renew: () => want(true),
  fetch: fetchWithToken,
  stay: () => void call("stay"),
  end: () => {
    const ended = end();
    ended.then(null, nothing); // who does not listen is not told on the console
    return ended;
  },
  status,
  diagnostics,
  report,
};
publish(api);
