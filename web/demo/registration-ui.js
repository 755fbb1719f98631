// A stand-in for the Janrain / Akamai Registration UI, for the demo page and
// the browser tests. It is our own code and follows what is known of the real
// one: the keys in localStorage, the events and when they come, the functions
// under janrain.capture.ui, the ids of the forms. What is unknown of the real
// one is a setting here, under janrain.settings.capture.standIn:
//
//   onDeadToken                what a refused token makes known:
//                              "save"  onCaptureProfileSaveFailed (default)
//                              "event" onCaptureExpiredToken or onCaptureInvalidToken
//                              "both"  the two of them
//   redraw                     draw the form again after that, so that what
//                              the user typed is lost (default false)
//   sessionCreatedFirst        onCaptureSessionCreated before
//                              onCaptureLoginSuccess (default false)
//   createFiresSessionCreated  createCaptureSession() fires
//                              onCaptureSessionCreated (default true)
//   formSubmit                 forms are sent by a submit event (default true),
//                              or by the click of a plain button
//   decorate(form, screen)     what another version of the UI, or the site, adds
//                              to a form, each time that it is drawn
//   afterFailure(form, screen) what another version does to a form after a save
//                              has failed: reset it, empty its passwords
//   apart                      call each handler in a task of its own
//                              (default false)
//   tell(name, payload)        what another version tells instead of an event:
//                              [name, payload], or nothing
//
// With responseType "code" a sign-in yields a one-time code and no token: from
// then on no user has a session here until createCaptureSession() brings one.
//
// Settings are read when they are needed, never remembered.
(() => {
  "use strict";

  const EVENTS = [
    "onCaptureAccessDenied",
    "onCaptureChangePasswordSuccess",
    "onCaptureEmailVerificationSuccess",
    "onCaptureError",
    "onCaptureExpiredToken",
    "onCaptureFederateRefreshedToken",
    "onCaptureInvalidToken",
    "onCaptureLoginFailed",
    "onCaptureLoginSuccess",
    "onCaptureProfileSaveFailed",
    "onCaptureProfileSaveSuccess",
    "onCaptureRegistrationSuccess",
    "onCaptureRenderComplete",
    "onCaptureSaveFailed",
    "onCaptureSaveSuccess",
    "onCaptureScreenShow",
    "onCaptureSessionCreated",
    "onCaptureSessionEnded",
    "onCaptureSessionFound",
    "onCaptureSessionNotFound",
    "onCaptureTransactionTimeout",
  ];

  const TOKEN = "janrainCaptureToken";
  const PROFILE = "janrainCaptureProfileData";
  const RETURNING = "janrainCaptureReturnExperienceData";
  const EXPIRES = "_Expires";

  const HOUR = 3_600_000;
  const RETURNING_LIFE = 30 * 24 * HOUR;
  const TRANSACTION_TIMEOUT = 10_000;

  const janrain = (window.janrain = window.janrain || {});
  const settings = () => janrain.settings?.capture ?? {};
  const standIn = () => settings().standIn ?? {};
  const flow = () => settings().flowName ?? "standIn";

  // Nothing the UI does is answered within the call that asked for it: pages
  // add handlers after start(), and call createCaptureSession() in handlers.
  const later = (work) => setTimeout(work, 0);

  // --- Events -------------------------------------------------------------

  const handlers = new Map(EVENTS.map((name) => [name, []]));

  const newEvent = (list) => ({
    addHandler(handler) {
      list.push(handler);
    },
    removeHandler(handler) {
      const at = list.indexOf(handler);
      if (at >= 0) list.splice(at, 1);
    },
  });

  function fire(name, payload) {
    const told = standIn().tell ? standIn().tell(name, payload) : [name, payload];
    if (told) dispatch(...told);
  }

  function dispatch(name, payload) {
    later(() => {
      for (const handler of [...(handlers.get(name) ?? [])]) {
        const call = () => guarded(`a handler of ${name}`, () => handler(payload));
        if (standIn().apart) later(call);
        else call();
      }
    });
  }

  // One faulty function of the page must not keep the others from running.
  function guarded(what, work) {
    try {
      work();
    } catch (error) {
      console.warn(`Registration UI (stand-in): ${what} threw`, error);
    }
  }

  // --- Storage ------------------------------------------------------------

  // Reading window.localStorage throws where the browser denies it.
  function storage() {
    try {
      return window.localStorage ?? null;
    } catch {
      return null;
    }
  }

  function setCookie(key, value, expires) {
    const domain = settings().cookieDomain;
    document.cookie =
      `${key}=${encodeURIComponent(value)}; path=/; SameSite=Lax; expires=${expires.toUTCString()}` +
      (domain ? `; domain=${domain}` : "");
  }

  function cookie(key) {
    const pair = document.cookie.split("; ").find((each) => each.startsWith(`${key}=`));
    return pair === undefined ? null : decodeURIComponent(pair.slice(key.length + 1));
  }

  function read(key) {
    const local = storage();
    return local ? local.getItem(key) : cookie(key);
  }

  function write(key, value, life) {
    const expires = new Date(Date.now() + life);
    const local = storage();
    for (const [name, text] of [[key, value], [key + EXPIRES, expires.toUTCString()]]) {
      local?.setItem(name, text);
      if (!local || settings().cookieDomain) setCookie(name, text, expires);
    }
  }

  function forget(key) {
    const local = storage();
    for (const name of [key, key + EXPIRES]) {
      local?.removeItem(name);
      if (!local || settings().cookieDomain) setCookie(name, "", new Date(0));
    }
  }

  function readJSON(key) {
    try {
      return JSON.parse(read(key)) ?? {};
    } catch {
      return {};
    }
  }

  // --- Session ------------------------------------------------------------

  // The browser's own estimate. The service may kill the token sooner.
  function tokenLife() {
    const hours = Number(settings().accessTokenLifeHours);
    return (hours > 0 ? hours : 1) * HOUR;
  }

  function hasActiveSession() {
    return Boolean(read(TOKEN)) && Date.parse(read(TOKEN + EXPIRES)) > Date.now();
  }

  function createCaptureSession(token) {
    if (typeof token !== "string" || token === "") {
      throw new TypeError("createCaptureSession: token must be a string that is not empty");
    }
    write(TOKEN, token, tokenLife());
    if (standIn().createFiresSessionCreated ?? true) {
      fire("onCaptureSessionCreated", { accessToken: token });
    }
  }

  function endCaptureSession() {
    forget(TOKEN);
    forget(PROFILE);
    loaded.clear();
    fire("onCaptureSessionEnded");
  }

  function findSession() {
    if (hasActiveSession()) {
      fire("onCaptureSessionFound", { accessToken: read(TOKEN) });
      return;
    }
    forget(TOKEN);
    fire("onCaptureSessionNotFound");
  }

  // --- Service ------------------------------------------------------------

  // Always settles with an answer: the service's own, or an error without a
  // number when it gave none that can be read.
  async function call(path, body) {
    const { captureServer = "", transactionTimeout = TRANSACTION_TIMEOUT } = settings();
    try {
      const response = await fetch(captureServer + path, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(transactionTimeout),
      });
      const answer = await response.json();
      if (answer.stat === "ok" || answer.stat === "error") return answer;
    } catch (error) {
      if (error.name === "TimeoutError") return { stat: "error", timedOut: true };
    }
    return { stat: "error" };
  }

  const tokenExpired = (answer) => answer.code === 414;

  const tokenRefused = (answer) =>
    tokenExpired(answer) ||
    answer.code === 413 ||
    ((answer.code === 100 || answer.code === 200) && answer.argument_name === "access_token");

  // Says why a call failed, on the screen and as events. `failed` is the
  // event to fire when the token is not to blame.
  function reportFailure(answer, screen, failed) {
    if (tokenRefused(answer)) {
      const { onDeadToken = "save" } = standIn();
      say(screen, "error", "Your session has expired. Please sign in again.");
      if (onDeadToken !== "event") {
        fire("onCaptureProfileSaveFailed", { status: "error", statusMessage: "invalidAccessToken", screen });
      }
      if (onDeadToken !== "save") {
        fire(tokenExpired(answer) ? "onCaptureExpiredToken" : "onCaptureInvalidToken", {});
      }
      return;
    }
    if (answer.timedOut) fire("onCaptureTransactionTimeout", { screen });
    if (answer.code) {
      say(screen, "error", `The service did not accept this (error ${answer.code}).`);
      fire(failed, { status: "error", statusMessage: "refused", screen });
      return;
    }
    say(screen, "error", "The service cannot be reached right now. Please try again in a moment.");
    fire(failed, { status: "error", statusMessage: "serviceUnavailable", screen });
  }

  // --- Screens ------------------------------------------------------------

  const screens = {
    signIn: {
      title: "Sign in",
      submit: "Sign in",
      fields: [
        { name: "email", label: "Email", type: "email", autocomplete: "username", required: true },
        { name: "displayName", label: "Display name", autocomplete: "nickname", required: true },
        { name: "password", label: "Password", type: "password", autocomplete: "current-password", required: true },
      ],
      load: async () => ({ stat: "ok", profile: readJSON(RETURNING) }),
      send: signIn,
    },
    editProfile: {
      title: "Edit your profile",
      submit: "Save",
      needsSession: true,
      fields: [
        { name: "displayName", label: "Display name", autocomplete: "nickname", required: true },
        { name: "email", label: "Email", type: "email", autocomplete: "email", readOnly: true },
        { name: "aboutMe", label: "About me", rows: 4 },
        { name: "city", label: "City", autocomplete: "address-level2" },
      ],
      load: () => call("/ui/profile", { accessToken: read(TOKEN) ?? "" }),
      send: saveProfile,
    },
    publicProfile: {
      title: "Your profile",
      fields: [
        { name: "displayName", label: "Display name" },
        { name: "email", label: "Email" },
        { name: "aboutMe", label: "About me" },
        { name: "city", label: "City" },
      ],
      load: async () => ({ stat: "ok", profile: { ...readJSON(PROFILE), ...loaded.get("editProfile") } }),
    },
  };

  const DENIED = "accessDenied";

  // What each screen was last filled with, for drawing it again.
  const loaded = new Map();

  // Only the latest renderScreen() may draw: an earlier one that is still
  // loading has been overtaken.
  let turn = 0;

  function renderScreen(name) {
    const screen = screens[name];
    if (!screen) {
      throw new RangeError(`renderScreen: no screen "${name}"; there are ${Object.keys(screens).join(", ")}`);
    }
    turn += 1;
    if (screen.needsSession && !hasActiveSession()) {
      showDenied(name);
      fire("onCaptureAccessDenied", { screen: name });
      return;
    }
    const mine = turn;
    const focused = hasFocus();
    show(name);
    container(name).setAttribute("aria-busy", "true");
    fire("onCaptureScreenShow", { screen: name, flow: flow() });
    later(async () => {
      const answer = await screen.load();
      container(name).removeAttribute("aria-busy");
      if (mine !== turn) return;
      if (answer.stat === "ok") {
        draw(name, answer.profile, focused);
        return;
      }
      drawLoadFailure(name, focused);
      reportFailure(answer, name, "onCaptureError");
    });
  }

  // With the values at hand: loading them again would meet the same dead
  // token.
  function redraw(name) {
    if (!loaded.has(name)) return; // the session has been ended meanwhile
    turn += 1;
    fire("onCaptureScreenShow", { screen: name, flow: flow() });
    draw(name, loaded.get(name), hasFocus());
  }

  function draw(name, values, focused) {
    loaded.set(name, values);
    fill(name, focused, screens[name].send ? drawForm(name, values) : drawFacts(name, values));
    fire("onCaptureRenderComplete", { screen: name, flow: flow() });
  }

  function drawForm(name, values) {
    const { fields, submit, send } = screens[name];
    const { formSubmit = true, decorate } = standIn();
    const save = button(submit, { id: `capture_${name}_submit`, type: formSubmit ? "submit" : "button" });
    const form = element("form", { id: `capture_${name}_form`, className: "capture_form" }, [
      ...fields.map((field) => drawField(name, field, values[field.name] ?? "")),
      save,
      element("p", { className: "capture_message", role: "status" }),
    ]);
    if (!formSubmit) save.addEventListener("click", () => void submitForm(form, name, send));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void submitForm(form, name, send);
    });
    decorate?.(form, name);
    return form;
  }

  function drawFacts(name, values) {
    const known = screens[name].fields.filter((field) => values[field.name]);
    return element("dl", { className: "capture_facts" }, known.map((field) =>
      element("div", {}, [
        element("dt", { textContent: field.label }),
        element("dd", { textContent: values[field.name] }),
      ])));
  }

  // Without the profile there is nothing to edit: an empty form would only
  // invite to overwrite it.
  function drawLoadFailure(name, focused) {
    const again = button("Try again");
    again.addEventListener("click", () => renderScreen(name));
    fill(name, focused, element("p", { className: "capture_message", role: "status" }), again);
  }

  // The keyboard focus of a screen moves to the top of the next.
  function fill(name, focused, ...content) {
    const heading = element("h3", { className: "capture_header", textContent: screens[name].title, tabIndex: -1 });
    container(name).replaceChildren(heading, ...content);
    if (focused) heading.focus();
  }

  const hasFocus = () => Boolean(document.activeElement?.closest(".capture-screen"));

  const button = (textContent, properties) =>
    element("button", { type: "button", className: "capture_primary", textContent, ...properties });

  function drawField(screen, field, value) {
    const { name, label, type = "text", autocomplete = "off", required = false, readOnly = false, rows } = field;
    const id = `capture_${screen}_${name}`;
    const input = rows
      ? element("textarea", { id, name, rows, value, required })
      : element("input", { id, name, type, value, autocomplete, required, readOnly });
    return element("div", { className: "capture_field" }, [
      element("label", { htmlFor: id, textContent: label }),
      input,
    ]);
  }

  async function submitForm(form, screen, send) {
    if (form.hasAttribute("aria-busy")) return;
    form.setAttribute("aria-busy", "true");
    say(screen, "", "");
    const report = await send(Object.fromEntries(new FormData(form)));
    // Free again before anyone is told, so that the answer to a failure may
    // be another submit.
    form.removeAttribute("aria-busy");
    report();
  }

  async function signIn({ email, displayName }) {
    const { responseType = "token", redirectUri } = settings();
    const byCode = responseType === "code";
    const answer = await call("/ui/signin", { email, displayName, ...(byCode && { responseType, redirectUri }) });
    return () => {
      if (answer.stat !== "ok") {
        reportFailure(answer, "signIn", "onCaptureLoginFailed");
        return;
      }
      const { accessToken, authorizationCode, userData } = answer;
      const grant = byCode ? { authorizationCode } : { accessToken };
      if (!byCode) write(TOKEN, accessToken, tokenLife());
      loaded.clear();
      write(PROFILE, JSON.stringify(userData), tokenLife());
      write(RETURNING, JSON.stringify({ displayName: userData.displayName, email: userData.email }), RETURNING_LIFE);
      const login = [
        ["onCaptureLoginSuccess", loginResult(grant, userData)],
        ["onCaptureSessionCreated", grant],
      ];
      if (standIn().sessionCreatedFirst) login.reverse();
      for (const [name, payload] of login) fire(name, payload);
    };
  }

  // The recorded shape of the real one's payload.
  const loginResult = (grant, userData) => ({
    ...result("signIn", "signedIn"),
    ...grant,
    oneTime: false,
    keepMeLoggedIn: false,
    userData,
    ssoImplicitLogin: false,
    authProvider: null,
  });

  const result = (screen, statusMessage) => ({
    screen,
    transactionId: Math.random().toString(36).slice(2),
    status: "success",
    statusMessage,
    flow: flow(),
    action: screen,
    renders: null,
    version: "standIn",
  });

  async function saveProfile(profile) {
    const answer = await call("/ui/profile/save", { accessToken: read(TOKEN) ?? "", profile });
    return () => {
      if (answer.stat !== "ok") {
        reportFailure(answer, "editProfile", "onCaptureProfileSaveFailed");
        standIn().afterFailure?.(container("editProfile").querySelector("form"), "editProfile");
        if (tokenRefused(answer) && standIn().redraw) later(() => redraw("editProfile"));
        return;
      }
      loaded.set("editProfile", profile);
      say("editProfile", "success", "Saved.");
      fire("onCaptureProfileSaveSuccess", result("editProfile", "profileSaved"));
    };
  }

  // The one screen that the page does not bring along.
  function showDenied(wanted) {
    if (!document.getElementById(DENIED)) {
      container(wanted).after(element("div", { id: DENIED, className: "capture-screen" }));
    }
    const signInInstead = button("Sign in");
    signInInstead.addEventListener("click", () => renderScreen("signIn"));
    show(DENIED);
    container(DENIED).replaceChildren(
      element("h3", { className: "capture_header", textContent: "Please sign in" }),
      element("p", { textContent: "This page is only for people who are signed in." }),
      signInInstead,
    );
    fire("onCaptureScreenShow", { screen: DENIED, flow: flow() });
  }

  // A hidden screen is emptied: the next user must not see, even for
  // the moment of loading, what the last one typed.
  function show(name) {
    for (const each of [...Object.keys(screens), DENIED]) {
      const place = document.getElementById(each);
      if (!place) continue;
      place.hidden = each !== name;
      if (place.hidden) place.replaceChildren();
    }
  }

  function say(screen, kind, text) {
    const message = container(screen).querySelector(".capture_message");
    if (!message) return;
    message.dataset.kind = kind;
    message.textContent = text;
  }

  function container(name) {
    const place = document.getElementById(name);
    if (!place) {
      throw new Error(`Registration UI (stand-in): the page has no element with id="${name}". Add one.`);
    }
    return place;
  }

  function element(tag, properties, children = []) {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
  }

  // --- Start --------------------------------------------------------------

  let started = false;

  function start() {
    if (started) return;
    started = true;
    document.addEventListener("click", (event) => {
      const link = event.target.closest(".capture_end_session");
      if (!link) return;
      if (link.getAttribute("href") === "#") event.preventDefault();
      endCaptureSession();
    });
    later(findSession);
  }

  janrain.events = {
    ...janrain.events,
    ...Object.fromEntries([...handlers].map(([name, list]) => [name, newEvent(list)])),
  };
  janrain.capture = {
    ...janrain.capture,
    ui: { createCaptureSession, endCaptureSession, hasActiveSession, renderScreen, start },
  };

  later(() => {
    for (const prepare of settings().beforeJanrainCaptureWidgetOnLoad ?? []) {
      guarded("a function of beforeJanrainCaptureWidgetOnLoad", prepare);
    }
    window.janrainCaptureWidgetOnLoad?.();
  });
})();
