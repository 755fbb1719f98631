// What must reach the server although the module is not there, or never comes,
// or the page is being left: one-time codes and sign-outs. Both are posted with
// keepalive, which outlives the page.
import { send } from "./native.js";
import { writeSignOut } from "./mark.js";

const UNREACHABLE = { __proto__: null, status: 0, body: null };
// JSON.stringify calls toJSON of strings, which Prototype.js defines.
const quote = (text) =>
  '"' + text.replace(/[\\"\u0000-\u001f]/g, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0")) + '"';

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
export const isPosted = (code) => posted.includes(code);

/**
 * Posts a one-time code, once. @returns the server's answer, status 0 where
 * there is none.
 */
export function postCode(endpoint, code, redirectUri) {
  posted.push(code);
  const redirect = typeof redirectUri === "string" && redirectUri ? `,"redirectUri":${quote(redirectUri)}` : "";
  return call(endpoint, "POST", `{"authorizationCode":${quote(code)}${redirect}}`).then(
    (response) => {
      const answer = (body) => ({ __proto__: null, status: response.status, body });
      return response.json().then(answer, () => answer(null));
    },
    () => UNREACHABLE,
  );
}

/** Ends the server's session. @returns whether the server has answered. */
export function endSession(endpoint) {
  writeSignOut();
  return call(endpoint, "DELETE").then(() => true, () => false);
}
