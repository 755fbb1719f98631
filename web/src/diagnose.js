// Looks for what is wrong between the page and the server, when something
// seems to be, and tells the developer. A browser tells a page's code nothing
// but that a call failed.
import { hasCookie, storedToken } from "./mark.js";
import {
  attributeNames, first, isObject, keys, location, nothing, page, send, setTimer, startsWith,
} from "./native.js";

const hostOf = (address) => /^https?:\/\/([^/:]+)/.exec(address)[1];
const siteOf = (host) => host.split(".").slice(-2).join(".");

/** @typedef {(id: import("../keepalive").WarningId, message: string) => void} Warn */

/** What can be seen without a call. @param {Warn} warn */
export function checkPlace(warn, options, version, script) {
  const { endpoint } = options;
  if (script) checkAttributes(warn, keys(options), script);
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

/** Whether one word becomes another by so many letters more, less or changed. */
const isNear = (one, other, edits) =>
  edits >= 0 &&
  (one === other ||
    isNear(one.slice(1), other.slice(1), one[0] === other[0] ? edits : edits - 1) ||
    isNear(one.slice(1), other, edits - 1) ||
    isNear(one, other.slice(1), edits - 1));

/** Attributes of our script that are meant as options and are none. */
function checkAttributes(warn, options, script) {
  const spell = (option) => "data-" + option.replace(/[A-Z]/g, (letter) => "-" + letter.toLowerCase());
  for (const name of attributeNames(script)) {
    if (!startsWith(name, "data-")) continue;
    const plain = name.slice(5).replace(/-/g, "");
    const near = first(options, (each) => isNear(plain, each.toLowerCase(), plain.length > 5 ? 2 : 1));
    if (!near || plain === "start" || options.some((each) => plain === each.toLowerCase())) continue;
    warn("wrong-attribute", `${name} is no option. Did you mean ${spell(near)}?`);
  }
}

/** Looks whether the browser has kept the cookie of a session that is there. @param {Warn} warn */
export function checkCookie(warn, { endpoint }) {
  if (!startsWith(endpoint, location.origin + "/")) return;
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
/** Asks the server why it does not serve this page. @param {Warn} warn */
export function checkRefusal(warn, { endpoint }) {
  if (asked || (page.navigator && page.navigator.onLine === false)) return;
  asked = true;
  const what = `The server at ${endpoint} refuses calls of this page's origin, ${location.origin}`;
  const remedy = "Its operator can add the origin to KEEPALIVE_ORIGINS.";
  const address = endpoint + "/session";
  const read = async (init) => {
    const response = await send(address, { cache: "no-store", ...init });
    return { status: response.status, answer: await response.json().then(null, nothing) };
  };
  const tell = ({ status, answer }) => {
    const { code, detail, requestId } = isObject(answer) ? answer : {};
    if (code === "origin_refused") {
      warn("origin-refused", `${what}: ${detail} (request ${requestId}). ${remedy}`);
    }
    const isOther = status === 404 || status === 405 || (status === 200 && !isObject(answer));
    if (isOther && (!code || code === "not_found")) {
      warn(
        "server-not-found",
        `What answers at ${address} (HTTP ${status}) is not the keepalive server. ` +
          "Have your proxy pass that path to it, or set endpoint to where it is.",
      );
    }
  };
  read({ credentials: "include", headers: { "X-Keepalive": "1" } }).then(tell, () =>
    // Behind a refused preflight the answer cannot be read, only that one came.
    read({ credentials: "omit" }).then(tell, () =>
      send(address, { mode: "no-cors", cache: "no-store", credentials: "omit" }).then(
        () =>
          startsWith(address, location.origin + "/") ||
          warn(
            "origin-refused",
            `${what}, or another program answers there; \`capture-keepalive check --url\` tells which. ${remedy}`,
          ),
        nothing,
      ),
    ),
  );
}
