// What the events of the Registration UI mean to the loader.

import { has, keys, quiet } from "./native.js";

const KINDS = {
  __proto__: null,
  // The guard keeps the page's own handlers of these back.
  onCaptureExpiredToken: "deadToken",
  onCaptureInvalidToken: "deadToken",
  onCaptureAccessDenied: "deadToken",
  onCaptureSessionNotFound: "notFound",
  onCaptureSessionEnded: "ended",
  onCaptureLoginSuccess: "login",
  onCaptureRegistrationSuccess: "login",
  onCaptureEmailVerificationSuccess: "login",
  onCaptureSessionCreated: "login",
  onCaptureFederateRefreshedToken: "login",
  onCaptureSaveFailed: "failure",
  onCaptureProfileSaveFailed: "failure",
  submit: "submit",
};

export const KNOWN = keys(KINDS);

/** @returns {"deadToken"|"notFound"|"ended"|"login"|"failure"|"submit"|"other"} */
export const kindOf = (name) => KINDS[name] || "other";

/** Whether an event says that the UI met a dead token. */
export const isDeadToken = (name, payload) =>
  kindOf(name) === "deadToken" || quiet(() => payload.statusMessage) === "invalidAccessToken";

/** Those that mean nothing where no user is signed in. */
export const needsSession = (name) => has(["deadToken", "notFound", "ended"], kindOf(name));

/** Those that the module is loaded for at once. */
export const needsModule = (name, payload) =>
  needsSession(name) || kindOf(name) === "login" || isDeadToken(name, payload);
