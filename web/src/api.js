// The public object.
import { location, nothing, page, send, stringify } from "./native.js";
import { isAnonymous } from "./mark.js";
import * as module from "./module.js";
import { call } from "./module.js";
import { end, notes, options, publish, start, stay, stop, told, want } from "./loader.js";
import { on, ready, subscribe, user } from "./session.js";
import { warnings } from "./warnings.js";

/** The version of this file, which the build puts here. */
export const version = VERSION;

const TIMES = ["expiresIn", "dueIn", "retryIn", "idleExpiresIn", "absoluteExpiresIn", "clockSkew"];

function phaseWithout() {
  if (!options || module.isOff) return "off";
  if (module.trouble().retryIn) return "waiting";
  return module.isWanted() || !isAnonymous() ? "loading" : "signedout";
}

/** @returns {import("../keepalive").Status} with its keys always in this order */
function status() {
  const said = call("status");
  /** @type {any} */
  const result = { phase: said ? said.phase : phaseWithout(), signedIn: user().signedIn };
  const trouble = module.trouble();
  if (!said && options && trouble.reason) result.reason = trouble.reason;
  const times = said ? { ...told, ...said } : trouble;
  for (const name of TIMES) if (typeof times[name] === "number") result[name] = times[name];
  result.version = version;
  result.warnings = warnings.map(({ id, message }) => ({ id, message }));
  return result;
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
  const needed = options && options.apiOrigins.length && (module.isWanted() || !isAnonymous());
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
  stay,
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
