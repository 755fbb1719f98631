// The npm package: the same loader as a module. On a server, where there is no
// window, it does nothing.

/** @type {import("../keepalive").CaptureKeepalive} */
const captureKeepalive = typeof window === "undefined" ? onServer() : inPage();

function inPage() {
  // The loader looks at the page when it is evaluated: not before this line.
  const { install } = require("./install.js");
  return install().object;
}

function onServer() {
  const none = () => {};
  const unknown = Object.freeze({ signedIn: null });
  const refused = () => {
    const error = Object.assign(new Error("captureKeepalive: unavailable on a server"), { code: "unavailable" });
    return Promise.reject(error);
  };
  return {
    start: none,
    stop: none,
    stay: none,
    on: () => none,
    subscribe: () => none,
    user: () => unknown,
    ready: Promise.resolve({ signedIn: null }),
    token: refused,
    renew: refused,
    end: refused,
    fetch: (input, init) => fetch(input, init),
    status: () => ({ phase: "off", signedIn: null, version: VERSION, warnings: [] }),
    diagnostics: () => [],
    report: () => "",
  };
}

export default captureKeepalive;
export const {
  start, stop, on, subscribe, user, ready, token, renew, stay, end, status, diagnostics, report,
} = captureKeepalive;
const fetchWithToken = captureKeepalive.fetch;
export { fetchWithToken as fetch };
