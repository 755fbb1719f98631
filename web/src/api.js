// The public object.
import {
  Promise, addListener, has, location, natives, nothing, originOf, page, send, stringify,
} from "./native.js";
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

/**
 * fetch(), with the token for the origins that may have it. A request that has
 * an Authorization of its own keeps it. Who aborts it does not wait for a token.
 */
async function fetchWithToken(input, init) {
  if (!options || !options.apiOrigins.length || isIdle()) return send(input, init);
  const request = new natives.Request(input, init);
  const { signal } = request;
  if (!has(options.apiOrigins, originOf(request.url)) || request.headers.has("Authorization")) return send(request);
  const ask = (fresh) =>
    new Promise((resolve) => {
      const none = () => resolve();
      if (signal.aborted) none();
      addListener(signal, "abort", none);
      want(fresh).then(resolve, none);
    });
  const token = await ask(false);
  return token ? module.runtime.fetchWithToken(request, token, ask) : send(request);
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
