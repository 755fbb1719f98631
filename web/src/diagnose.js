// Looks for what is wrong between the page and the server, when something
// seems to be, and tells the developer. A browser tells a page's code nothing
// but that a call failed.
import { hasCookie, storedToken } from "./mark.js";
import { ask, isObject, location, nothing, page, setTimer } from "./native.js";

const hostOf = (address) => /^https?:\/\/([^/:]+)/.exec(address)[1];
const siteOf = (host) => host.split(".").slice(-2).join(".");

/** @typedef {(id: import("../keepalive").WarningId, message: string) => void} Warn */

/** What can be seen without a call. @param {Warn} warn */
export function checkPlace(warn, endpoint, version) {
  if (version !== VERSION) {
    warn(
      "version-mismatch",
      `This page has version ${version} of keepalive.js or its package, the server ${VERSION}. ` +
        "Use the server's.",
    );
  }
  if (page.isSecureContext === false) {
    warn(
      "insecure-page",
      "This page came over plain http. " +
        "Browsers keep the session's cookie for https and for localhost only. Use https.",
    );
  }
  const host = hostOf(endpoint);
  if (siteOf(host) !== siteOf(location.hostname)) {
    warn(
      "endpoint-on-another-site",
      `The endpoint is on ${host}, another site than ${location.hostname}: ` +
        "browsers keep no cookie for it. Serve it from this site, through a proxy or a sub-domain.",
    );
  }
}

/** Looks whether the browser has kept the cookie of a session that is there. @param {Warn} warn */
export function checkCookie(warn, endpoint) {
  if (!endpoint.startsWith(location.origin + "/")) return;
  setTimer(() => {
    // Without the token it may be over already.
    if (storedToken() && !hasCookie()) {
      warn(
        "cookie-not-kept",
        "The server has opened a session, and the browser did not keep its cookie: " +
          "cookies are blocked, or a proxy drops Set-Cookie. `capture-keepalive check --url` says which header.",
      );
    }
  }, 1000);
}

let asked = false;
/** Asks the server why it refuses this page. @param {Warn} warn */
export function checkRefusal(warn, endpoint) {
  if (asked || (page.navigator && page.navigator.onLine === false)) return;
  asked = true;
  const what = `The server at ${endpoint} refuses calls of this page's origin, ${location.origin}`;
  const remedy = "Its operator can add the origin to KEEPALIVE_ORIGINS.";
  const read = (init) => ask(endpoint + "/session", { cache: "no-store", ...init }).then((response) => response.json());
  const tell = (problem) => {
    if (!isObject(problem) || problem.code !== "origin_refused") return;
    warn("origin-refused", `${what}: ${problem.detail} (request ${problem.requestId}). ${remedy}`);
  };
  read({ credentials: "include", headers: { __proto__: null, "X-Keepalive": "1" } }).then(tell, () =>
    // Behind a refused preflight the answer cannot be read, only that one came.
    read({ credentials: "omit" }).then(tell, () =>
      ask(endpoint + "/session", { mode: "no-cors", cache: "no-store", credentials: "omit" }).then(
        () => endpoint.startsWith(location.origin + "/") || warn("origin-refused", `${what}. ${remedy}`),
        nothing,
      ),
    ),
  );
}
