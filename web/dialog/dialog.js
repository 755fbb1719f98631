// capture-keepalive: the ready-made warning before the idle or the absolute
// limit, for pages that do not want to write one. It uses nothing but the
// public API, and any page could do the same. Texts, parts and colours:
// keepalive.d.ts.
import STYLE from "./dialog.css";

(() => {
  // An element may hide a property of the document, and a library its class.
  const own = Object.getPrototypeOf(Object.getPrototypeOf(document));
  const ofDocument = (name) => Object.getOwnPropertyDescriptor(own, name).get.call(document);
  const script = ofDocument("currentScript");
  // What keepalive.js has kept, before a library could replace it.
  const { AbortController, CSSStyleSheet, Date, EventTarget, clearTimeout, setTimeout } =
    script?.captureKeepalive ?? window;
  /** @type {any} the public API, while the dialog is in use */
  let api;

  const TEXTS = {
    __proto__: null,
    lang: "en",
    idleTitle: "Are you still there?",
    idleText: "You have not used this page for a while. To protect your account, you will soon be signed out.",
    absoluteTitle: "Your session is about to end",
    absoluteText: "To protect your account, everyone has to sign in again after a time. Please save your work.",
    endedTitle: "You have been signed out",
    endedText: "Please sign in again to go on.",
    checking: "Checking your session…",
    stay: "Stay signed in",
    signOut: "Sign out",
    close: "Close",
  };
  // What stays inside the dialog.
  const INSIDE = (
    "keydown keypress keyup click dblclick auxclick contextmenu wheel " +
    "touchstart touchmove touchend touchcancel " +
    "pointerdown pointerup pointermove pointerover pointerout pointercancel " +
    "mousedown mouseup mousemove mouseover mouseout"
  ).split(" ");
  // Seconds left that are spoken. A timer that speaks every second cannot be
  // listened to.
  const SPOKEN = [600, 300, 120, 60, 30, 10, 0];
  // The key that tells the other tabs. It is removed at once: the event is the
  // message. A BroadcastChannel could cost the page the back/forward cache.
  const STAYED = "captureKeepaliveStayed";

  // What was warned of and not answered yet: a kind, when it ends by both
  // clocks, and the seconds of the warning. One clock stops while a laptop
  // sleeps, the other can be set.
  /** @type {Record<string, {at: number[], warned: number}>} */
  let ends = { __proto__: null };
  /** @type {any} the dialog, while it is open */
  let ui = null;
  let shown = ""; // the kind it is about, or "ended"
  let texts = TEXTS;
  let whole = 1; // seconds that make the ring full
  let spoken = 0;
  let timer = 0;
  let pressed = ""; // the key that is down

  const forget = () => void (ends = { __proto__: null });
  const clocks = (seconds) => [performance.now(), Date.now()].map((now) => now + seconds * 1000);
  const left = (kind) => {
    const now = clocks(0);
    return Math.max(0, Math.min(...ends[kind].at.map((end, i) => end - now[i])) / 1000);
  };
  // correct takes the module's word, which has it from the server. More time
  // than was warned of means that another tab was used, or a new sign-in.
  const correct = (kind) => {
    const told = api.status()[kind + "ExpiresIn"];
    const end = ends[kind];
    if (!told || Math.abs(told - left(kind)) < 3) return;
    if (told > end.warned) delete ends[kind];
    else end.at = clocks(told);
  };

  // translated reads the page's texts each time, since a page may change its
  // language.
  const translated = () => {
    const result = { ...TEXTS };
    for (const [key, text] of Object.entries(window.captureKeepaliveDialog || {})) {
      if (key in TEXTS && text && typeof text === "string" && (key !== "lang" || isLanguage(text))) result[key] = text;
      else {
        const names = Object.keys(TEXTS);
        console.warn(`captureKeepaliveDialog: "${key}" must be one of ${names}, with a text (lang: a language tag)`);
      }
    }
    return result;
  };
  const isLanguage = (tag) => {
    try {
      return Intl.getCanonicalLocales(tag);
    } catch {} // as it says of a malformed one
  };
  const inWords = (seconds) => {
    const [value, unit] = seconds > 90 ? [Math.round(seconds / 60), "minute"] : [seconds, "second"];
    return value.toLocaleString(texts.lang, { style: "unit", unit, unitDisplay: "long" });
  };

  const create = (tag) => own.createElement.call(document, tag);
  // A library's addEventListener may know nothing of signals.
  const listenUntil = (signal, target, type, fn) =>
    EventTarget.prototype.addEventListener.call(target, type, (event) => signal.aborted || fn(event), {
      capture: true,
      signal,
    });
  const open = () => {
    const undo = new AbortController();
    const host = create("capture-keepalive-dialog");
    const root = host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    ui = { host, undo };
    const add = (tag, id, parent, role) => {
      const element = create(tag);
      element.id = id;
      element.part = id;
      if (role) element.setAttribute("role", role);
      parent.append(element);
      ui[id] = element;
      return element;
    };
    const dialog = add("dialog", "dialog", root, "alertdialog");
    dialog.tabIndex = -1;
    dialog.setAttribute("aria-labelledby", "title");
    dialog.setAttribute("aria-describedby", "text status");
    add("div", "time", dialog, "timer");
    add("h2", "title", dialog);
    add("p", "text", dialog);
    add("p", "status", dialog, "status");
    const row = add("div", "actions", dialog);
    const actions = { __proto__: null, signout: signOut, close: done, stay };
    for (const id of ["signout", "close", "stay"]) add("button", id, row).type = "button";
    // A phone's way back. A browser may close the dialog in spite of us.
    dialog.oncancel = dialog.onclose = (event) => {
      event.preventDefault();
      if (ui?.dialog === dialog) answer();
    };
    const listen = (target, type, fn) => listenUntil(undo.signal, target, type, fn);
    // What happens on the dialog is not for the page: its search does not open,
    // its menu does not close, and no limit moves but by a button. Keys go to
    // body while Tab is between the last button and the first.
    for (const type of INSIDE) {
      listen(window, type, (event) => {
        const isKey = /^key/.test(type);
        if (event.target !== host && !(isKey && event.target === ofDocument("body"))) return;
        event.stopImmediatePropagation();
        if (type === "keyup") pressed = "";
        if (type === "keydown") pressed = event.key;
        // Left to the browser, one Escape may close a modal of the page's too:
        // Chromium takes those opened without a gesture for one.
        if (type === "keydown" && event.key === "Escape") {
          event.preventDefault();
          if (!event.repeat) answer();
        }
        const button = type === "click" && event.composedPath()[0];
        if (button && actions[button.id]) actions[button.id]();
      });
    }
    listen(window, "storage", ({ key, newValue }) => key === STAYED && newValue && api.stay());
    listen(window, "pageshow", look);
    listen(document, "visibilitychange", look);
    // Beside body: what a page hides or makes inert there is no matter.
    ofDocument("documentElement").append(host);
  };
  const shut = () => {
    if (!ui) return;
    const { dialog, host, undo } = ui;
    ui = null;
    shown = "";
    clearTimeout(timer);
    undo.abort();
    dialog.close(); // gives the focus back
    host.remove();
    if (pressed) swallow(pressed);
    pressed = "";
  };
  // swallow keeps the rest of the key that has closed the dialog, its
  // repetitions and its end, from the page, which has the focus again.
  const swallow = (key) => {
    const undo = new AbortController();
    for (const type of ["keydown", "keypress", "keyup"]) {
      listenUntil(undo.signal, window, type, (event) => {
        if (event.key !== key || (type === "keydown" && !event.repeat)) return undo.abort();
        event.stopImmediatePropagation();
        event.preventDefault();
        if (type === "keyup") undo.abort();
      });
    }
  };

  const show = (kind) => {
    texts = translated();
    if (!ui) open();
    const idle = kind === "idle";
    shown = kind;
    ui.host.lang = texts.lang;
    for (const id of ["stay", "close"]) ui[id].textContent = texts[id];
    ui.signout.textContent = texts.signOut;
    ui.title.textContent = texts[kind + "Title"];
    ui.text.textContent = texts[kind + "Text"];
    ui.stay.hidden = !idle;
    ui.close.hidden = idle;
    ui.time.hidden = ui.signout.hidden = kind === "ended";
    if (kind !== "ended") {
      whole = spoken = Math.ceil(left(kind));
      count();
      ui.status.textContent = inWords(whole);
    }
    // A screen reader does not read an open dialog's new text by itself.
    if (ui.dialog.open) ui.status.textContent = ui.title.textContent + " " + ui.text.textContent;
    else ui.dialog.showModal();
    // The absolute limit comes to people who are typing: their next space or
    // Enter must not close what they have not read.
    (idle ? ui.stay : ui.dialog).focus();
  };
  const count = () => {
    const seconds = Math.ceil(left(shown));
    const checking = !seconds;
    ui.time.classList.toggle("words", checking);
    ui.time.style.setProperty("--left", Math.min(100, (seconds / whole) * 100) + "%");
    const clock = new Date(seconds * 1000).toISOString().slice(seconds < 3600 ? 14 : 11, 19);
    ui.time.textContent = checking ? texts.checking : clock;
    const due = SPOKEN.filter((at) => seconds <= at).pop();
    if (due < spoken) {
      spoken = due;
      ui.status.textContent = checking ? texts.checking : inWords(seconds);
    }
  };

  // update shows what there is to show: the limit that comes first. On a tie
  // that is the absolute one, as to stay would not help.
  const update = () => {
    if (!api) return;
    const off = api.status().phase === "off"; // the page has stopped us
    if (off) forget();
    const warned = () => ["absolute", "idle"].filter((kind) => ends[kind]);
    warned().forEach(correct);
    const [first] = warned().sort((a, b) => Math.round(left(a) - left(b)));
    if (!first && (off || shown !== "ended")) return shut();
    if (first === shown) count();
    else if (first) show(first);
    clearTimeout(timer);
    const second = (first && left(first) % 1) || 1;
    if (!ofDocument("hidden")) timer = setTimeout(update, second * 1000 + 20);
  };
  // look asks the server: the person may have come from another tab.
  const look = () => {
    update();
    if (ui && !ofDocument("hidden")) api.renew().then(update, update);
  };

  const done = () => {
    delete ends[shown];
    shown = "";
    update();
  };
  const stay = () => {
    delete ends.idle;
    api.stay();
    try {
      localStorage.setItem(STAYED, "1");
      localStorage.removeItem(STAYED);
    } catch {} // denied: the other tabs ask the server when they are looked at
    update();
  };
  const signOut = () => {
    over();
    api.end();
  };
  const over = () => {
    forget();
    shut();
  };
  // A person who presses Escape is there.
  const answer = () => (shown === "idle" ? stay() : done());

  let undos = [];
  const start = (given) => {
    if (api || !("adoptedStyleSheets" in document)) return;
    api = given;
    undos = [
      api.on("warning", ({ kind, expiresIn }) => {
        ends[kind] = { at: clocks(expiresIn), warned: expiresIn };
        update();
      }),
      api.on("stayed", () => {
        delete ends.idle;
        update();
      }),
      api.on("renewed", () => {
        if (shown === "ended") shut(); // a new sign-in
        update();
      }),
      api.on("expired", () => {
        forget();
        // Who comes back to the page learns why it asks them to sign in.
        if (!ui) return;
        show("ended");
        update();
      }),
      api.on("signedout", over),
      api.on("identitychanged", over),
    ];
    translated(); // says what is wrong with the page's texts when the page is written
  };
  const stop = () => {
    if (!api) return;
    over();
    for (const undo of undos) undo();
    api = undefined;
  };

  /** @type {any} */
  const found = window.captureKeepalive;
  // keepalive.js asks for it by the option dialog; a page may include it, too.
  if (script?.captureKeepalive) script.captureKeepalive.receive({ start, stop });
  else if (!found) throw new Error("dialog.js: include keepalive.js before it");
  else if (!found.__dialog) {
    found.__dialog = true;
    start(found);
  }
})();
