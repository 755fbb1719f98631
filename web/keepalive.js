// capture-keepalive: the loader. It hears the Registration UI from the first
// moment, keeps what happened, and starts the WebAssembly module when the page
// is idle or when something needs it. Without the module the page works as if
// we were not there. Types: keepalive.d.ts.
(() => {
  "use strict";
  if (window.captureKeepalive) return; // included twice

  const script = document.currentScript;
  const TOKEN = "janrainCaptureToken";
  const MARK = "captureKeepalive";
  const HOST = "__captureKeepalive";
  const HOLD_BOUND = 5000; // how long hold delays the UI's start()
  const GUARD_BOUND = 15000; // last resort: the module's own bound is shorter

  // What we hear of the UI: first the events whose handlers of the page the
  // guard keeps back, then others that mean nothing where nobody is signed in,
  // then more that start the module at once, then the rest.
  const EVENTS = (
    "ExpiredToken InvalidToken AccessDenied " +
    "SessionNotFound SessionEnded " +
    "LoginSuccess RegistrationSuccess EmailVerificationSuccess SessionCreated " +
    "FederateRefreshedToken SaveFailed ProfileSaveFailed " +
    "SessionFound SaveSuccess ProfileSaveSuccess ScreenShow RenderComplete"
  ).split(" ").map((name) => "onCapture" + name);
  const rank = (name) => EVENTS.indexOf(name) >>> 0; // last what is not the UI's
  const GUARDED = 3;
  const ENDED = 4;
  const IDLE = 5;
  const NEEDED = 12;
  const NOTICES = "renewed renewerror warning stayed expired signedout identitychanged";

  const flag = [(v) => v === !!v, "true or false"];
  const seconds = [(v) => v === +v && v >= 0 && v <= 86400, "seconds, 0 to 86400"];
  const only = (list) => [(v) => list.split(",").includes(v), "one of " + list];
  const OPTIONS = {
    endpoint: ["/keepalive", (v) => v && typeof v === "string" && url(v), "a URL without query"],
    margin: [0, ...seconds],
    load: ["idle", ...only("idle,due,now")],
    clientSession: ["always", ...only("always,onDemand")],
    hold: [false, ...flag],
    guard: [true, ...flag],
    resubmit: [true, ...flag],
    broadcast: [true, ...flag],
    idleWarning: [0, ...seconds],
    dialog: [false, ...flag],
    debug: [false, ...flag],
  };

  let options; // while started
  let module; // the running module's API
  let loading, manifest, compiled;
  let aside = ""; // why we stand aside
  let restarts = 0;
  let epoch = 0; // tells a module that was stopped from the one that runs
  let lastId = 0;
  let lastInput = -Infinity;
  let open; // the group of guarded calls of the event being dispatched
  let queue = [];
  let undos = [];
  let hooked = new Set();
  const guarded = new WeakMap(); // wrapped once and for all, by what was there before
  const pending = new Map(); // promises of token() and renew(), by id
  const held = new Map(); // what settles the outcome of a group, by id
  const listeners = new Map(NOTICES.split(" ").map((name) => [name, new Set()]));
  const notes = [];

  // attempt runs what may throw: the page's own code stops nothing of ours.
  const attempt = (fn, failed = console.error) => {
    try {
      return fn();
    } catch (error) {
      return failed(error);
    }
  };
  const none = () => "";
  const url = (path) =>
    attempt(() => {
      const { href } = new URL(path, location.href);
      return /^https?:[^?#]*$/.test(href) && href.replace(/\/$/, "");
    }, none);
  const read = (key) => attempt(() => localStorage.getItem(key), none) || "";
  // anonymous: nothing says that this browser has a session. Then there is
  // nothing to load for, and nobody to ask. The cookie is not the session's,
  // which no script can read: it only says that there is one.
  // The mark counts when it names a token or a sign-out still to be seen
  // through; what a sign-out leaves does not.
  const traces = () => read(TOKEN) || /^1 \w|true$/.test(read(MARK));
  const anonymous = () =>
    !loading &&
    !traces() && !/keepalive-here=/.test(document.cookie) && options.endpoint.startsWith(location.origin);
  const note = (message) => {
    notes.push({ at: Date.now(), event: "loader", message: `${message}` });
  };

  // --- The Registration UI -------------------------------------------------

  // group gathers the guarded calls of one event, whichever handler the UI
  // runs first. Its outcome is whether they are to be made after all.
  const group = (name) => {
    if (open?.name !== name) {
      const id = ++lastId;
      open = { id, name, outcome: new Promise((done) => held.set(id, done)) };
      queueMicrotask(() => (open = null));
      later(() => release(id, true), GUARD_BOUND);
    }
    return open;
  };
  const release = (id, deliver) => {
    held.get(id)?.(deliver);
    held.delete(id);
  };
  const guard = (name, event) => {
    const { addHandler: add, removeHandler: remove } = event;
    const wrappers = new Map();
    guarded.set(event, add);
    event.addHandler = function (fn, ...rest) {
      if (typeof fn !== "function") return add.call(this, fn, ...rest);
      const wrapped = function (...args) {
        const call = () => fn.apply(this, args);
        if (!options?.guard || aside || anonymous()) return call();
        group(name).outcome.then((deliver) => deliver && attempt(call));
      };
      wrappers.set(fn, wrapped);
      return add.call(this, wrapped, ...rest);
    };
    event.removeHandler = function (fn, ...rest) {
      return remove?.call(this, wrappers.get(fn) || fn, ...rest);
    };
  };

  const hear = (name, payload) => {
    if (rank(name) < IDLE && anonymous()) return;
    const info = { gesture: performance.now() - lastInput < 1000 };
    if (options.guard && rank(name) < GUARDED) info.held = group(name).id;
    // Before the module is there a sign-out cannot wait for it: most leave the
    // page. After a token event without a gesture it may be the page's own
    // reaction, which the module undoes.
    const after = ([n, p]) => rank(n) < GUARDED || p?.statusMessage === "invalidAccessToken";
    if (rank(name) === ENDED && !module && (info.gesture || !queue.some(after))) info.told = farewell();
    feed(name, payload, info);
  };
  const call = (method, ...args) => module && attempt(() => module[method](...args), failed);
  const feed = (...event) => {
    if (aside) return;
    if (module) call("event", ...event);
    else if (rank(event[0]) < NEEDED || !anonymous()) {
      queue = queue.slice(-30).concat([event]); // what is older cannot matter
      if (rank(event[0]) < NEEDED) load();
    }
  };

  const hook = () => {
    if (!options) return;
    const events = janrain.events || {};
    for (const name of EVENTS) {
      const event = events[name];
      if (typeof event?.addHandler !== "function" || hooked.has(event)) continue;
      hooked.add(event);
      const handler = (payload) => options && hear(name, payload);
      (guarded.get(event) || event.addHandler).call(event, handler);
      undos.push(() => event.removeHandler?.(handler));
      if (rank(name) < GUARDED && !guarded.has(event)) guard(name, event);
    }
    const ui = janrain.capture?.ui;
    if (!ui || hooked.has(ui)) return;
    hooked.add(ui);
    wrap(ui, "renderScreen", (render, screen) => {
      feed("render", { screen });
      return render();
    });
    if (options.hold) wrap(ui, "start", (start) => (stale() ? atMost(HOLD_BOUND, want()).then(start, start) : start()));
    feed("hooked");
  };
  const wrap = (object, name, fn) => {
    const original = object[name];
    if (typeof original !== "function") return;
    const wrapped = function (...args) {
      const call = () => original.apply(this, args);
      return options ? fn(call, ...args) : call();
    };
    object[name] = wrapped;
    undos.push(() => object[name] === wrapped && (object[name] = original));
  };
  // stale: there is a session, and the UI would not find a good token.
  const stale = () => !(Date.parse(read(TOKEN + "_Expires")) > Date.now()) && !anonymous();
  const atMost = (ms, promise) => Promise.race([promise, new Promise((done) => later(done, ms))]);

  // attach puts us first among what runs before the UI starts. The page may
  // replace janrain.settings, so it is done again after every script.
  const attach = () => {
    const capture = (((window.janrain ||= {}).settings ||= {}).capture ||= {});
    const before = (capture.beforeJanrainCaptureWidgetOnLoad ||= []);
    if (!before.includes(hook)) before.unshift(hook);
    hook();
  };
  const later = (fn, ms) => {
    const timer = setTimeout(fn, ms);
    undos.push(() => clearTimeout(timer));
  };
  const listen = (target, type, fn) => {
    target.addEventListener(type, fn, true);
    undos.push(() => target.removeEventListener(type, fn, true));
  };

  const complete = () =>
    new Promise((done) => (document.readyState === "complete" ? done() : listen(window, "load", done)));

  // --- The module ----------------------------------------------------------

  const load = () => options && (loading ||= ofNow(boot, (error) => standAside("not loaded: " + error.message)));
  // ofNow runs what fails later, when it may be stopped and nobody's concern.
  const ofNow = (fn, failed) => {
    const mine = epoch;
    return fn(mine).catch((error) => mine === epoch && failed(error));
  };
  const file = (name) => new URL(name, script ? script.src : options.endpoint + "/");
  const boot = async (mine) => {
    const get = async (name, init) => {
      const response = await fetch(file(name), init);
      if (!response.ok) throw new Error(name + " answered " + response.status);
      return response;
    };
    if (!compiled) {
      manifest = await (await get("manifest.json", { cache: "no-cache" })).json();
      await runtime(manifest.files["wasm_exec.js"]);
      compiled = await WebAssembly.compileStreaming(get(manifest.module.file, manifest.module));
    }
    if (options?.dialog) await include("dialog.js", manifest.files["dialog.js"]).catch(note);
    await run(mine);
  };
  // runtime fetches wasm_exec.js, unless the page's own is still to run.
  const runtime = async (asset) => {
    if (!window.Go && document.querySelector('script[src*="wasm_exec"]')) await complete();
    if (!window.Go) await include("wasm_exec.js", asset);
  };
  const include = (name, { integrity }) =>
    new Promise((onload, reject) => {
      const onerror = () => reject(new Error(name + " did not load"));
      document.head.append(
        Object.assign(document.createElement("script"), { src: file(name), integrity, crossOrigin: "", onload, onerror }),
      );
    });
  const run = async (mine) => {
    const go = new Go();
    const instance = await WebAssembly.instantiate(compiled, go.importObject);
    if (mine !== epoch) return;
    window[HOST] = {
      options,
      emit,
      release,
      settle,
      attach: (api) => {
        module = api;
        for (const event of queue.splice(0)) api.event(...event);
        for (const [id, { fresh }] of pending) api.want(id, fresh);
      },
    };
    const ended = (error) => mine === epoch && failed(error);
    go.run(instance).then(ended, ended);
    delete window[HOST];
  };
  const failed = (error) => {
    const why = "module failed: " + (error?.message || "it exited");
    module = null;
    note(why);
    epoch++;
    if (restarts++) standAside(why);
    else ofNow(run, (error) => standAside(error.message));
  };
  const standAside = (why) => {
    aside = why;
    note(why);
    console.warn("captureKeepalive: " + why);
    letGo("unavailable");
  };
  // letGo hands back what waits for the module.
  const letGo = (code) => {
    module = null;
    queue = [];
    for (const id of held.keys()) release(id, true);
    for (const id of pending.keys()) settle(id, "", code);
  };

  const emit = (type, detail) => {
    for (const fn of [...listeners.get(type)]) attempt(() => fn(detail));
  };
  const settle = (id, token, code) => {
    const promise = pending.get(id);
    pending.delete(id);
    if (token) promise?.resolve(token);
    else promise?.reject(Object.assign(new Error("captureKeepalive: " + code), { code }));
  };
  const want = (fresh) =>
    new Promise((resolve, reject) => {
      const id = ++lastId;
      pending.set(id, { resolve, reject, fresh });
      const code = options ? aside && "unavailable" : "stopped";
      if (code) return settle(id, "", code);
      call("want", id, fresh);
      load();
    });
  // farewell ends the server's session without the module. The mark makes the
  // next page see it through, should this one be gone too soon.
  const farewell = () => {
    attempt(() => {
      localStorage.setItem(MARK, `1 - - ${Date.now()} - - - 0 - - true`);
      localStorage.removeItem(TOKEN); // or, without a UI, the next page finds it
    });
    fetch(options.endpoint + "/session", {
      method: "DELETE",
      headers: { "X-Keepalive": "1" },
      credentials: "include",
      keepalive: true,
    }).catch(none);
    return true;
  };

  // --- The page's API --------------------------------------------------------

  const wrong = (name, what) => {
    throw new TypeError(`captureKeepalive: "${name}" must be ${what}`);
  };
  const check = (given) => {
    const result = {};
    if (Object(given) !== given) wrong("options", "an object");
    for (const key of Object.keys(given)) {
      if (!Object.hasOwn(OPTIONS, key)) wrong(key, "one of " + Object.keys(OPTIONS));
    }
    for (const [key, [fallback, valid, what]] of Object.entries(OPTIONS)) {
      result[key] = given[key] === undefined ? fallback : given[key];
      if (!valid(result[key])) wrong(key, what);
    }
    result.endpoint = url(result.endpoint);
    return result;
  };

  window.captureKeepalive = {
    start(given = {}) {
      const checked = check(given);
      if (options) return; // running already
      options = checked;
      aside = "";
      restarts = 0;
      attach();
      listen(document, "load", attach); // of scripts: they do not bubble
      listen(document, "DOMContentLoaded", attach);
      const { load: when } = options;
      // How long the session does not need us, by its mark, while nobody is
      // there: token and limits.
      const calm = when === "due" && Math.min(...read(MARK).split(" ").slice(4, 7)) - 150000 - Date.now();
      for (const type of ["pointerdown", "keydown"]) {
        listen(document, type, () => {
          lastInput = performance.now();
          if (calm > 0) load();
        });
      }
      listen(document, "submit", (event) => {
        const form = event.target;
        if (form.querySelector('[id^="capture_"]')) feed("submit", { event, data: new FormData(form), token: read(TOKEN), at: Date.now() });
      });
      if (when === "now") load();
      else if (calm > 0) later(load, calm);
      else complete().then(() => options && (anonymous() || (window.requestIdleCallback || setTimeout)(load, { timeout: 5000 })));
    },
    stop() {
      if (!options) return;
      epoch++;
      loading = options = null;
      attempt(() => module?.stop());
      for (const undo of undos.splice(0)) attempt(undo);
      hooked = new Set();
      letGo("stopped");
    },
    on(event, fn) {
      const set = listeners.get(event);
      if (!set) wrong(event, "one of " + NOTICES);
      if (typeof fn !== "function") wrong("listener", "a function");
      set.add(fn);
      return () => void set.delete(fn);
    },
    token: () => want(),
    renew: () => want(true),
    stay: () => call("stay"),
    end() {
      if (!options) return;
      if (module) return call("end");
      attempt(() => janrain.capture.ui.endCaptureSession(), none);
      farewell();
    },
    status: () => call("status") || { phase: options && !aside ? "loading" : "off", reason: aside },
    diagnostics: () => notes.concat(call("diagnostics") || []),
  };
})();
