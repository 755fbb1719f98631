// What must reach the server although the module is not there, or never comes,
// or the page is being left: one-time codes and sign-outs. Both are posted with
// keepalive, which outlives the page.
import { Promise, has, nothing, send, setLimit, stringify } from "./native.js";
import { writeSignOut } from "./mark.js";

const LIMIT = 10000; // ms, as the module has it

const call = (endpoint, method, body) =>
  send(endpoint + "/session", {
    method,
    body,
    headers: {
      "X-Keepalive": "1",
      Accept: "application/json",
      ...(body && { "Content-Type": "application/json" }),
    },
    credentials: "include",
    cache: "no-store",
    redirect: "error",
    keepalive: true,
  });

/** @type {string[]} */
const posted = [];
export const isPosted = (code) => has(posted, code);

/**
 * Posts a one-time code, once. @returns the server's answer, status 0 where
 * there is none.
 */
export async function postCode(endpoint, code, redirectUri) {
  posted.push(code);
  // Without a prototype: a page's may have a toJSON.
  /** @type {any} */
  const body = { __proto__: null, authorizationCode: code };
  if (redirectUri && typeof redirectUri === "string") body.redirectUri = redirectUri;
  try {
    const response = await call(endpoint, "POST", stringify(body));
    return { __proto__: null, status: response.status, body: await response.json().then(null, nothing) };
  } catch {
    return { __proto__: null, status: 0 };
  }
}

/** Ends the server's session. @returns whether the server has answered in time. */
export function endSession(endpoint) {
  writeSignOut();
  return new Promise((resolve) => {
    call(endpoint, "DELETE").then(() => resolve(true), () => resolve(false));
    setLimit(() => resolve(false), LIMIT); // the call goes on
  });
}
