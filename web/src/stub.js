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
  const off = () => ({ phase: "off", signedIn: null, warnings: [] });
  const hooked = [];
  /** Calls for keepalive.js, which it makes when it comes, be it late. */
  const waiting = [];
  /** Settles when keepalive.js has taken over, or rejects after 4 s. */
  const soon = new Promise((resolve, reject) => {
    waiting.push(resolve);
    setTimeout(reject, 4000, Object.assign(Error("unavailable"), { code: "unavailable" }));
  });
  // keepalive.js replaces each method, and what waited calls it again.
  const stub = (page.captureKeepalive = {
    hooked,
    waiting,
    user: off,
    status: off,
    report: String, // ""
    diagnostics: Array, // []
    ready: soon.then(() => stub.ready, off),
    fetch: (input, init) => soon.then(() => stub.fetch(input, init), () => fetch(input, init)),
    // A failed save is no reason to wait.
    hold: (name, call) =>
      /S/.test(name) ? call() : soon.then(() => stub.hold(name, call), () => setTimeout(call)),
  });
  for (const name of ["token", "renew", "end"]) {
    stub[name] = () => soon.then(() => stub[name]());
  }
  for (const name of ["start", "stop", "stay", "on", "subscribe", "event"]) {
    stub[name] = (...args) => {
      let undo;
      waiting.push(() => (undo ||= stub[name](...args)));
      return () => (undo ? undo() : (undo = 1));
    };
  }

  const hook = (name, event) => {
    if (hooked.includes(event)) return;
    hooked.push(event);
    event.addHandler((payload) => stub.event(name, payload));
    if (/dToken|Denied|SaveF/.test(name)) wrapEvent(event, (call) => stub.hold(name, call));
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
