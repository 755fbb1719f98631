// What the demo says, for each state.

// The phases of capture-keepalive, in words and in the colour of the dot.
export function statusWords({ phase, retryIn }, hasToken) {
  switch (phase) {
    case "active":
      return ["Protected", "good"];
    case "renewing":
    case "opening":
    case "restoring":
      return ["Renewing", "busy"];
    case "waiting":
      return [retryIn > 0 ? `Waiting ${retryIn} s` : "Waiting", "busy"];
    case "off":
      return ["Off", "none"];
    case "loading":
      return hasToken ? ["Starting", "busy"] : ["Signed out", "none"];
    default:
      return ["Signed out", "none"];
  }
}

// Which of the three steps is next: 1, 2, 3, or 4 when all are done.
export function step({ signedIn, edited, saved }) {
  if (!signedIn) return 1;
  if (saved) return 4;
  return edited ? 3 : 2;
}

export function hint({ status, signedIn, killed, expired, serviceOff, tokenHidden, at }) {
  if (serviceOff) return "The service is off. Let a renewal come due, then switch it on and watch it catch up.";
  if (tokenHidden) return "No token is in the page, so none can be stolen from it. Press Edit, and one is put there.";
  if (status.phase === "waiting" && status.retryIn > 0) {
    return `The next attempt is in ${status.retryIn} s: attempts are spread, so that no page can flood the service.`;
  }
  if (status.phase === "renewing" && (killed || expired)) {
    return "A new token is on its way, and the form goes with it.";
  }
  if (killed) return "The service refuses both tokens now, and nothing on this page knows it yet. Press Save.";
  if (expired) return "The token has died of old age. Press Save and see.";
  if (!signedIn) return "Any details will do: they stay in this demo. The other side signs in with you.";
  return {
    2: "Both sides get what you type.",
    3: "Now expire both tokens.",
    4: "Same form, same moment. Once more? Change something, expire, save.",
  }[at];
}

export const UI_EVENTS = {
  onCaptureSessionFound: ["plain", "A stored session was found."],
  onCaptureSessionNotFound: ["plain", "No stored session was found."],
  onCaptureLoginSuccess: ["plain", "A visitor signed in."],
  onCaptureSessionEnded: ["plain", "The session was ended."],
  onCaptureProfileSaveFailed: ["bad", "The save was refused."],
  onCaptureExpiredToken: ["bad", "The Registration UI met an expired token."],
  onCaptureInvalidToken: ["bad", "The Registration UI met an invalid token."],
  onCaptureAccessDenied: ["plain", "The profile was asked for without a token."],
  onCaptureLoginFailed: ["bad", "The sign-in failed."],
  onCaptureTransactionTimeout: ["bad", "The service took too long to answer."],
  onCaptureError: ["bad", "The profile could not be loaded."],
  onCaptureProfileSaveSuccess: ["good", "The profile was saved."],
};

export const KEEPALIVE_EVENTS = {
  signedin: ["good", "The session is protected"],
  renewed: ["good", "A new token is in place"],
  renewerror: ["bad", "No new token for now"],
  holding: ["plain", "The form waits for a new token"],
  released: ["plain", "The form goes on"],
  unfinished: ["bad", "The form was not sent again; its values stay on screen"],
  warning: ["plain", "The session is near one of its limits"],
  stayed: ["plain", "The visitor chose to stay"],
  expired: ["bad", "The session is over"],
  signedout: ["plain", "The session was closed"],
  identitychanged: ["bad", "Another person signed in"],
};
