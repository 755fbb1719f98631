// The demo page: a site that has capture-keepalive, beside the same site
// without it, and the instruments that show what happens.

import { Bar } from "./bar.js";
import { watchCalls } from "./calls.js";
import { put, span } from "./format.js";
import { writeLog } from "./log.js";
import { isCurrent, offerModes, readMode } from "./modes.js";
import { SERVICE, Site, TOKEN_LIFE } from "./site.js";
import { Timeline } from "./timeline.js";
import { SIGNED_IN, TokenWatch, storedToken } from "./token.js";
import { KEEPALIVE_EVENTS, UI_EVENTS, hint, statusWords, step } from "./words.js";

const $ = (id) => document.getElementById(id);
const mode = readMode();
// Where keepalive.js is blocked the site works as it does without.
const keepalive = window.captureKeepalive ?? {
  start() {},
  on() {},
  status: () => ({ phase: "off" }),
  user: () => ({ signedIn: true }), // there is no server to wait for
  report: () => "keepalive.js did not load.",
};

// --- The site, with capture-keepalive ---------------------------------------

const site = new Site({ responseType: mode.byCode ? "code" : "token", observe });

keepalive.start({
  endpoint: "/keepalive",
  ...(mode.byCode && { clientSession: mode.onDemand ? "onDemand" : "always" }),
  ...mode.options,
});
keepalive.on("renewed", () => site.letIn());
keepalive.on("identitychanged", () => janrain.capture?.ui.renderScreen("editProfile"));
for (const ending of ["expired", "signedout"]) {
  keepalive.on(ending, () => {
    const ui = janrain.capture?.ui;
    if (ui?.hasActiveSession()) ui.endCaptureSession();
    else site.show("signIn");
  });
}

$("btn-edit").addEventListener("click", () => site.show("editProfile"));
$("btn-view").addEventListener("click", () => site.show("publicProfile"));
site.load();

// --- The instruments --------------------------------------------------------

const timeline = new Timeline($("timeline"));
const watch = new TokenWatch(TOKEN_LIFE * 1000);
const bars = {
  with: new Bar($("token-bar"), $("token-life"), TOKEN_LIFE),
  without: new Bar($("without-bar"), $("without-life"), TOKEN_LIFE),
};
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
  for (const [name, [kind, text]] of Object.entries(UI_EVENTS)) {
    on(name, (payload) => note("UI", kind, text, payload?.statusMessage));
  }
  on("onCaptureSessionCreated", ({ accessToken }) =>
    note("UI", "plain", `The Registration UI ${accessToken ? "took a token" : "got a one-time code"}.`));
  on("onCaptureRenderComplete", ({ screen }) => screen === "editProfile" && signInOtherSide());
  on("onCaptureSessionEnded", () => otherSide()?.signOut());
  on("onCaptureProfileSaveFailed", () => (attempt.askedAt = performance.now()));
  on("onCaptureProfileSaveSuccess", saved);
}

for (const [name, [kind, text]] of Object.entries(KEEPALIVE_EVENTS)) {
  keepalive.on(name, ({ reason, message }) =>
    note("keepalive", kind, message ? `${text}: ${message.replace(/\.$/, "")}.` : `${text}.`, reason));
}
keepalive.on("renewed", () => {
  stats.renewals += 1;
  attempt.renewedAt ??= performance.now();
});

watchCalls($("calls"), SERVICE, ({ seq, at, endpoint, outcome, status }) => {
  const kind = outcome === "ok" ? "call" : "bad";
  timeline.mark({ lane: "Capture", kind, at, title: `${seq}: ${endpoint}, ${outcome}` });
  if (at > switchedAt) serviceIs(outcome === "fault" && status === 503, at);
});

// Another page may have switched the service: its answers tell.
function serviceIs(off, at) {
  if (off === serviceIsOff) return;
  serviceIsOff = off;
  timeline.outage(off, at);
}

// --- The three steps, on both sides -----------------------------------------

let edited = false;
let done = false;
// The save under way: when it was sent, met a dead token, and had a new one.
let attempt = {};

window.demo = { says };

// The form says who is signed in here, also after a reload.
function signInOtherSide() {
  const field = (name) => $(`capture_editProfile_${name}`)?.value;
  const person = { email: field("email"), displayName: field("displayName"), password: "any will do" };
  if (person.email) otherSide()?.signIn(person);
}

$("without").addEventListener("load", signInOtherSide);

function otherSide() {
  return $("without")?.contentWindow?.side;
}

function says(side, kind, text) {
  $(`${side}-says`).dataset.kind = kind;
  put($(`${side}-says`), text);
}

document.addEventListener("input", ({ target }) => {
  if (!target.closest("#editProfile")) return;
  edited = true;
  if (done) {
    done = false;
    says("with", "", "");
    says("without", "", "");
    signInOtherSide();
  }
  otherSide()?.write(target.name, target.value);
});

// On window, ahead of any listener that may hold a submit back.
window.addEventListener("submit", ({ target }) => {
  if (!target.closest("#editProfile")) return;
  note("you", "plain", "The profile form is sent.");
  if (attempt.killed && !attempt.askedAt) otherSide()?.save();
  attempt.askedAt ??= performance.now();
}, { capture: true });

function saved() {
  stats.saves += 1;
  done = Boolean(attempt.killed);
  edited = false;
  says("with", "good", savedWords());
  attempt = {};
}

function savedWords() {
  if (!done || !attempt.renewedAt) return "Saved.";
  const took = Math.round(attempt.renewedAt - attempt.askedAt);
  if (took < 1) return "Saved. The token had died, and was replaced before you pressed Save.";
  return `Saved. The token had died and was replaced in ${took} ms.`;
}

// --- The buttons ------------------------------------------------------------

async function control(name, body) {
  try {
    const response = await fetch(`${SERVICE}/control/${name}`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`HTTP ${response.status}`);
    return true;
  } catch (error) {
    note("you", "bad", `The demo’s server did not do it (${error.message}).`);
    return false;
  }
}

async function killTokens(name, text) {
  const other = otherSide();
  if (!(await control(name, { accessToken: storedToken() }))) return;
  watch.kill(Date.now());
  attempt = { killed: true };
  says("with", "", "");
  const life = other?.look(Date.now());
  if (life?.dies > Date.now() && (await control(name, { accessToken: other.token() }))) {
    other.kill(Date.now());
    says("without", "", "");
  }
  note("you", "you", text);
}

$("btn-expire").addEventListener("click", () => killTokens("expire", "You expired the tokens at the service."));
$("btn-invalid").addEventListener("click", () => killTokens("invalidate", "You made the service forget the tokens."));
$("btn-signout").addEventListener("click", () => note("you", "you", "You signed out."));
$("btn-outage").addEventListener("click", async () => {
  const on = !serviceIsOff;
  if (!(await control("outage", { on }))) return;
  switchedAt = Date.now();
  serviceIs(on, switchedAt);
  note("you", "you", on ? "You switched the Capture service off." : "You switched the Capture service on again.");
});
// An hour away from the page leaves a dead token and nothing typed.
$("btn-away").addEventListener("click", async () => {
  if (await control("expire", { accessToken: storedToken() })) location.reload();
});

async function copy(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    put($("copied"), `${what} is copied.`);
  } catch {
    put($("copied"), "This browser does not let the page copy.");
  }
}

$("btn-copy").addEventListener("click", () => copy($("snippet").textContent, "The tag"));
$("btn-report").addEventListener("click", () => copy(keepalive.report(), "The report"));

// --- The picture ------------------------------------------------------------

function tick() {
  const now = Date.now();
  const status = keepalive.status();
  if (watch.look(now, status)) stats.tokens += 1;
  const life = watch.current;
  const signedIn = life !== undefined || SIGNED_IN.has(status.phase);
  signedInSince = signedIn ? (signedInSince ?? life?.born ?? now) : undefined;
  bars.with.draw(now, life);
  bars.without.draw(now, otherSide()?.look(now));
  timeline.draw(now, watch);
  const { tokens, renewals, saves } = stats;
  const summary = `${tokens} tokens used on this page, ${renewals} renewals, ${saves} saves`;
  $("timeline").setAttribute("aria-label", summary);
  drawStatus(now, status, life, signedIn);
  drawStats(now);
  drawButtons(life, signedIn);
}

function drawStatus(now, status, life, signedIn) {
  const [words, tone] = statusWords(status, watch.stored);
  put($("status-phase"), words);
  $("status-phase").dataset.tone = tone;
  const at = step({ signedIn, edited: edited || attempt.killed, saved: done });
  [...$("steps").children].forEach((item, i) => {
    item.dataset.state = i + 1 < at ? "done" : i + 1 === at ? "now" : "later";
    if (i + 1 === at) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  });
  put($("hint"), hint({
    status, signedIn, at,
    killed: life?.killed !== undefined,
    expired: life !== undefined && life.dies <= now,
    serviceOff: serviceIsOff,
    tokenHidden: mode.onDemand && signedIn && !watch.stored,
  }));
}

function drawStats(now) {
  put($("stat-signed-in"), span(signedInSince === undefined ? 0 : (now - signedInSince) / 1000));
  put($("stat-tokens"), String(stats.tokens));
  put($("stat-renewals"), String(stats.renewals));
  put($("stat-saves"), String(stats.saves));
  $("token-stored").dataset.stored = String(watch.stored);
  put($("token-stored"), watch.stored ? "yes" : "no");
}

function drawButtons(life, signedIn) {
  // The server can replace no token that dies before it has seen it.
  const isSeen = keepalive.user().signedIn === true;
  const nothingToKill = !watch.stored || !isSeen || life?.killed !== undefined;
  $("btn-expire").disabled = $("btn-invalid").disabled = nothingToKill;
  $("btn-away").disabled = !watch.stored;
  $("screens").hidden = !signedIn;
  $("btn-edit").setAttribute("aria-pressed", String(site.shown === "editProfile"));
  $("btn-view").setAttribute("aria-pressed", String(site.shown === "publicProfile"));
  for (const id of ["mode-token", "mode-code"]) {
    $(id).classList.toggle("capture_end_session", signedIn && !isCurrent($(id)));
  }
  $("btn-outage").setAttribute("aria-pressed", String(serviceIsOff));
  put($("btn-outage"), serviceIsOff ? "Switch the service on" : "Switch the service off");
}

// Five times a second moves the picture by a pixel or less. Once is enough to
// keep the record right where motion is unwelcome or the page is hidden.
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let ticking;
function pace() {
  clearInterval(ticking);
  tick();
  ticking = setInterval(tick, document.hidden || calm.matches ? 1000 : 200);
}
calm.addEventListener("change", pace);
document.addEventListener("visibilitychange", pace);

offerModes($, mode);
pace();
