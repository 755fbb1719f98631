// The stub: a page may put it inline, before its own scripts. Until
// keepalive.js is there it keeps what the page asks of it and what the
// Registration UI fires, and holds the page's handlers of a dead token. If
// keepalive.js does not come in time, they run as without us. Its other half
// is adopt.js.
import { wrapEvent } from "./wrap.js";

if (!window.captureKeepalive?.on) {
  /** @type {any} */
  const page = window;
  const janrain = (page.janrain ||= {});
  const off = { phase: "off", signedIn: null, warnings: [] };
  const hooked = [];
  /** @type {any} */
  const stub = (page.captureKeepalive = {});
  const arrival = new Promise((resolve) => {
    // keepalive.js gives what answers from now on, and gets the events that
    // are hooked.
    stub.arrive = (given) => {
      resolve((api = given));
      return hooked;
    };
  });
  /** Rejects where keepalive.js has not come after 4 s. */
  const soon = new Promise((resolve, reject) => {
    arrival.then(resolve);
    setTimeout(reject, 4000, Object.assign(Error(), { code: "unavailable" }));
  });

  // What answers until then.
  let api = {
    user: () => off,
    status: () => off,
    report: String, // ""
    diagnostics: Array, // []
    fetch: (input, init) => soon.then(() => api.fetch(input, init), () => fetch(input, init)),
    // A failed save is no reason to wait.
    hold: (name, call) =>
      /S/.test(name) ? call() : soon.then(() => api.hold(name, call), () => setTimeout(call)),
  };
  for (const name of ["token", "renew", "end"]) {
    api[name] = () => soon.then(() => api[name]());
  }
  for (const name of ["start", "stop", "stay", "on", "subscribe", "event"]) {
    api[name] = (...args) => {
      let undo;
      arrival.then(() => (undo ||= api[name](...args)));
      return () => (undo ||= Boolean)(); // Boolean does nothing
    };
  }
  // The page may keep a method, or freeze the object: it always asks api.
  for (const name in api) stub[name] = (...args) => api[name](...args);
  stub.ready = soon.then(() => api.ready, () => off);

  const hook = (name, event) => {
    if (hooked.indexOf(event) >= 0) return;
    hooked.push(event);
    event.addHandler((payload) => api.event(name, payload));
    if (/dToken|Denied|SaveF/.test(name)) wrapEvent(event, (call) => api.hold(name, call));
  };
  let { events } = janrain;
  // The page reads janrain.events before it adds a handler: then we are first.
  Object.defineProperty(janrain, "events", {
    enumerable: true,
    set: (value) => (events = value),
    get() {
      try {
        for (const name in events) {
          try {
            hook(name, events[name]);
          } catch {}
        }
      } catch {}
      return events;
    },
  });
}
