// The demo page, in two parts: what a site does to have capture-keepalive,
// and the instruments that show what it is doing.

import { span } from "./format.js";
import { writeLog } from "./log.js";
import { watchCalls } from "./calls.js";
import { Timeline } from "./timeline.js";
import { SIGNED_IN, TokenWatch, storedToken } from "./token.js";

const SERVICE = "/capture";
const TOKEN_LIFE = 40; // seconds

const $ = (id) => document.getElementById(id);
const parameters = new URLSearchParams(location.search);
const without = parameters.has("without");
const byCode = !without && parameters.get("mode") === "code";
const onDemand = byCode && parameters.get("clientSession") === "onDemand";
const keepalive = without ? undefined : window.captureKeepalive;

// --- The site ---------------------------------------------------------------

window.janrain = window.janrain ?? {};
janrain.settings = {
  capture: {
    captureServer: SERVICE,
    clientId: "demo-page",
    responseType: byCode ? "code" : "token",
    redirectUri: `${location.origin}/`,
    accessTokenLifeHours: TOKEN_LIFE / 3600,
  },
};

const INSIDE = ["editProfile", "publicProfile"];

let shown = "";

// Rendering a screen that is already there would throw away what was typed.
// Before the Registration UI is there, its start() will find out by itself.
function show(screen) {
  const ui = janrain.capture?.ui;
  if (!ui || screen === shown) return;
  shown = screen;
  ui.renderScreen(screen);
}

// Whoever is looking at a screen of theirs stays there. With a code there is
// no token yet right after the login: capture-keepalive brings it, because the
// screen is asked for.
function letIn() {
  if (!INSIDE.includes(shown)) show("editProfile");
}

window.janrainCaptureWidgetOnLoad = () => {
  const { capture: { ui }, events } = janrain;
  const on = (name, handler) => events[name].addHandler(handler);

  on("onCaptureScreenShow", ({ screen }) => (shown = screen));
  on("onCaptureSessionFound", letIn);
  on("onCaptureSessionCreated", letIn);
  on("onCaptureLoginSuccess", letIn);
  on("onCaptureSessionNotFound", () => show("signIn"));
  on("onCaptureSessionEnded", () => show("signIn"));
  on("onCaptureRenderComplete", ({ screen }) => screen === "signIn" && suggestVisitor());
  observe(on);

  ui.start();
};

// To try other options: /?options={"hold":true}
keepalive?.start({
  endpoint: "/keepalive",
  ...(byCode && { clientSession: onDemand ? "onDemand" : "always" }),
  ...JSON.parse(parameters.get("options") ?? "{}"),
});
keepalive?.on("renewed", letIn);
keepalive?.on("identitychanged", () => janrain.capture?.ui.renderScreen("editProfile"));
for (const ending of ["expired", "signedout"]) {
  keepalive?.on(ending, () => {
    const ui = janrain.capture?.ui;
    if (ui?.hasActiveSession()) ui.endCaptureSession();
    else show("signIn");
  });
}

$("btn-edit").addEventListener("click", () => show("editProfile"));
$("btn-view").addEventListener("click", () => show("publicProfile"));

const registrationUI = document.createElement("script");
registrationUI.src = "registration-ui.js";
document.head.append(registrationUI);

// A visitor of a demo should not have to think of a name.
function suggestVisitor() {
  for (const [field, value] of Object.entries({ email: "ada@example.com", displayName: "Ada Lovelace", password: "any will do" })) {
    const input = $(`capture_signIn_${field}`);
    if (input && !input.value) input.value = value;
  }
}

// --- The instruments --------------------------------------------------------

const timeline = new Timeline($("timeline"));
const watch = new TokenWatch(TOKEN_LIFE * 1000);
const stats = { tokens: 0, renewals: 0, saves: 0 };
let signedInSince;
let serviceIsOff = false;
let switchedAt = Date.now(); // what the service answered before says nothing

// source is also the lane of the picture.
function note(source, kind, text, reason) {
  writeLog($("log"), { source, kind, text, reason });
  timeline.mark({ lane: source, kind, at: Date.now(), title: text });
  tick();
}

function observe(on) {
  const tell = (name, kind, text) => on(name, (payload) => note("UI", kind, text, payload?.statusMessage));
  tell("onCaptureSessionFound", "plain", "A stored session was found.");
  tell("onCaptureSessionNotFound", "plain", "No stored session was found.");
  tell("onCaptureLoginSuccess", "plain", "Somebody signed in.");
  on("onCaptureSessionCreated", ({ accessToken }) =>
    note("UI", "plain", accessToken ? "The Registration UI took a token." : "The Registration UI got a one-time code."));
  tell("onCaptureSessionEnded", "plain", "The session was ended.");
  tell("onCaptureProfileSaveFailed", "bad", "The save was refused.");
  tell("onCaptureExpiredToken", "bad", "The Registration UI met an expired token.");
  tell("onCaptureInvalidToken", "bad", "The Registration UI met an invalid token.");
  tell("onCaptureAccessDenied", byCode ? "plain" : "bad", "The profile was asked for without a token.");
  tell("onCaptureLoginFailed", "bad", "The sign-in failed.");
  tell("onCaptureTransactionTimeout", "bad", "The service took too long to answer.");
  tell("onCaptureError", "bad", "The profile could not be loaded.");
  tell("onCaptureProfileSaveSuccess", "good", "The profile was saved.");
  on("onCaptureProfileSaveSuccess", () => (stats.saves += 1));
}

const KEEPALIVE_EVENTS = {
  renewed: ["good", "A new token is in place"],
  renewerror: ["bad", "No new token for now"],
  warning: ["plain", "The session is near one of its limits"],
  stayed: ["plain", "The visitor chose to stay"],
  expired: ["bad", "The session is over"],
  signedout: ["plain", "The session was closed"],
  identitychanged: ["bad", "Another person signed in"],
};
for (const [name, [kind, text]] of Object.entries(KEEPALIVE_EVENTS)) {
  keepalive?.on(name, ({ reason, message }) => note("keepalive", kind, message ? `${text}: ${message.replace(/\.$/, "")}.` : `${text}.`, reason));
}
keepalive?.on("renewed", () => (stats.renewals += 1));

// On window, ahead of any listener that may hold a submit back.
window.addEventListener("submit", ({ target }) => {
  if (target.closest("#editProfile")) note("you", "plain", "The profile form is sent.");
}, { capture: true });

// Another page may have switched the service: its answers tell.
function serviceIs(off, at) {
  if (off === serviceIsOff) return;
  serviceIsOff = off;
  timeline.outage(off, at);
}

watchCalls($("calls"), SERVICE, ({ seq, at, endpoint, outcome, status }) => {
  timeline.mark({ lane: "Capture", kind: outcome === "ok" ? "call" : "bad", at, title: `${seq}: ${endpoint}, ${outcome}` });
  if (at > switchedAt) serviceIs(outcome === "fault" && status === 503, at);
});

async function control(name, body, done) {
  try {
    const response = await fetch(`${SERVICE}/control/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    done();
  } catch (error) {
    note("you", "bad", `The demo’s server did not do it (${error.message}).`);
  }
}

function killToken(name, text) {
  void control(name, { accessToken: storedToken() }, () => {
    watch.kill(Date.now());
    note("you", "you", text);
  });
}

$("btn-expire").addEventListener("click", () => killToken("expire", "You expired the token at the service."));
$("btn-invalid").addEventListener("click", () => killToken("invalidate", "You made the service forget the token."));
$("btn-signout").addEventListener("click", () => note("you", "you", "You signed out."));
$("btn-outage").addEventListener("click", () => {
  const on = !serviceIsOff;
  void control("outage", { on }, () => {
    switchedAt = Date.now();
    serviceIs(on, switchedAt);
    note("you", "you", on ? "You switched the Capture service off." : "You switched the Capture service on again.");
  });
});

function hint(now, life, signedIn) {
  if (serviceIsOff) return "Capture is off. Let a renewal come due, then switch it on and watch it catch up.";
  if (onDemand && signedIn && !watch.stored) return "No token is in the page, so none can be stolen from it. Press Edit, and one is put there.";
  if (life?.killed) return "The service refuses this token now, and nothing on this page knows it yet. Press Save.";
  if (life && life.dies <= now) return "The token has died of old age. Press Save and see.";
  if (life) return "Change something in the form, expire the token, then press Save.";
  return "Sign in to begin. Any details will do: they stay in this demo.";
}

// Written only when it is different, so that a screen reader hears it once.
function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function tick() {
  const now = Date.now();
  const status = keepalive?.status() ?? { phase: "off" };
  if (watch.look(now, status)) stats.tokens += 1;
  const life = watch.current;
  const signedIn = life !== undefined || SIGNED_IN.has(status.phase);
  signedInSince = signedIn ? (signedInSince ?? life?.born ?? now) : undefined;
  drawToken(now, life);
  timeline.draw(now, watch);
  $("timeline").setAttribute("aria-label", `${stats.tokens} tokens used on this page, ${stats.renewals} renewals, ${stats.saves} saves`);

  put($("status-phase"), status.phase === "signedout" ? "signed out" : status.phase);
  $("status-phase").dataset.phase = status.phase;
  put($("stat-signed-in"), span(signedInSince === undefined ? 0 : (now - signedInSince) / 1000));
  put($("stat-tokens"), String(stats.tokens));
  put($("stat-renewals"), String(stats.renewals));
  put($("stat-saves"), String(stats.saves));

  $("btn-expire").disabled = $("btn-invalid").disabled = !watch.stored || life?.killed !== undefined;
  $("btn-signout").hidden = $("screens").hidden = !signedIn;
  $("btn-edit").setAttribute("aria-pressed", String(shown === "editProfile"));
  $("btn-view").setAttribute("aria-pressed", String(shown === "publicProfile"));
  for (const id of ["mode-token", "mode-code"]) $(id).classList.toggle("capture_end_session", signedIn && !current($(id)));
  $("btn-outage").setAttribute("aria-pressed", String(serviceIsOff));
  put($("btn-outage"), serviceIsOff ? "Switch the service on" : "Switch the service off");
  put($("hint"), hint(now, life, signedIn));
}

function drawToken(now, life) {
  const bar = $("token-bar");
  const whole = life ? (life.dies - life.born) / 1000 : TOKEN_LIFE;
  const left = life ? Math.max(0, (life.dies - now) / 1000) : 0;
  const state = !life ? "none" : life.killed ? "refused" : left === 0 ? "over" : left <= whole / 5 ? "due" : "alive";
  bar.dataset.state = state;
  bar.setAttribute("aria-valuemax", String(Math.round(whole)));
  bar.setAttribute("aria-valuenow", String(Math.round(left)));
  bar.querySelector(".token-left").style.transform = `translateX(${((left / whole - 1) * 101).toFixed(2)}%)`;

  const notch = bar.querySelector(".token-due");
  notch.hidden = life?.due === undefined || state === "refused";
  if (!notch.hidden) notch.style.left = `${Math.max(0, (life.dies - life.due) / 10 / whole).toFixed(2)}%`;

  $("token-life").dataset.state = state;
  put($("token-life"), {
    none: "No token",
    alive: `${Math.ceil(left)} s left`,
    due: `${Math.ceil(left)} s left`,
    over: "Expired",
    refused: "Refused by the service",
  }[state]);
  put($("token-name"), life?.name ?? "");
  $("token-stored").dataset.stored = String(watch.stored);
  put($("token-stored"), watch.stored ? "in localStorage" : "not in localStorage");
}

// Five times a second moves the picture by a pixel or less. Once is enough to
// keep the record right where motion is unwelcome or nobody looks.
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let ticking;
function pace() {
  clearInterval(ticking);
  tick();
  ticking = setInterval(tick, document.hidden || calm.matches ? 1000 : 200);
}
calm.addEventListener("change", pace);
document.addEventListener("visibilitychange", pace);

// --- The modes --------------------------------------------------------------

function current(link) {
  return link.getAttribute("aria-current") === "true";
}

// Each mode is an address, so that it outlives a reload. What else the address
// says, goes along.
function offer(id, chosen, changes) {
  const address = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "") address.searchParams.delete(name);
    else address.searchParams.set(name, value);
  }
  $(id).href = address.href;
  $(id).setAttribute("aria-current", String(chosen));
}

offer("mode-token", !byCode, { mode: "", clientSession: "" });
offer("mode-code", byCode, { mode: "code" });
offer("client-always", !onDemand, { clientSession: "" });
offer("client-ondemand", onDemand, { clientSession: "onDemand" });

const SAYS = {
  token: "The sign-in gives the page an access token. The server learns whose it is, and has Capture issue the next ones.",
  always: "The sign-in gives the page a one-time code. The server exchanges it, and the refresh token never leaves the server.",
  onDemand: "The refresh token never leaves the server, and the page has an access token only while a screen needs it. Press View, then Edit.",
};
put($("mode-says"), SAYS[onDemand ? "onDemand" : byCode ? "always" : "token"]);

$("modes").hidden = without;
$("client-session").hidden = !byCode;
$("with").hidden = without;
$("without").hidden = !without;
pace();
