// The stub: a page may put it inline, before its own scripts. Until
// keepalive.js is there it keeps what the page asks of it and what the
// Registration UI fires, and holds the page's handlers of a dead token. If
// keepalive.js does not come in time, they run as without us. Its other half
// is adopt.js.
import { wrapEvent } from "./wrap.js";

/** @type {any} */
const w = window;
const LIMIT = 4000; // ms

if (!(w.captureKeepalive || 0).on) {
  const janrain = (w.janrain ||= {});
  const user = { phase: "off", signedIn: null, warnings: [] };
  const hooked = [];
  let arrived;
  const loaded = new Promise((resolve) => (arrived = resolve));
  const soon = new Promise((resolve, reject) => {
    loaded.then(resolve);
    setTimeout(reject, LIMIT, Object.assign(Error("unavailable"), { code: "unavailable" }));
  });
  // keepalive.js replaces every method here. What waits for it calls the stub
  // again.
  const stub = (w.captureKeepalive = {
    arrived,
    hooked,
    // After start(), which the page may call later than the event.
    event: (...event) => loaded.then().then(() => stub.event(...event)),
    // By a timer, so that what a handler throws is an error as ever.
    hold: (name, call) =>
      /Save/.test(name) ? call() : soon.catch(() => 0).then(() => setTimeout(() => stub.hold(name, call))),
    status: () => user,
    user: () => user,
    ready: soon.then(() => stub.ready, () => user),
    // Without us it is the plain one.
    fetch: (input, init) => soon.then(() => stub.fetch(input, init), () => fetch(input, init)),
  });
  soon.catch(() => (stub.hold = (name, call) => call()));
  for (const name of ["token", "renew", "end"]) {
    stub[name] = (...args) => soon.then(() => stub[name](...args));
  }
  for (const name of ["start", "stop", "stay", "on", "subscribe"]) {
    stub[name] = (...args) => {
      let undo;
      loaded.then(() => (undo ||= stub[name](...args)));
      return () => (undo ? undo() : (undo = 1));
    };
  }

  // The page reads janrain.events before it adds a handler: then we are first.
  let { events } = janrain;
  Object.defineProperty(janrain, "events", {
    configurable: true,
    enumerable: true,
    set: (value) => (events = value),
    get() {
      for (const name in events) {
        const event = events[name];
        if (hooked.includes(event)) continue;
        hooked.push(event);
        try {
          event.addHandler((payload) => stub.event(name, payload));
          if (/Expired|Invalid|Denied|SaveFailed/.test(name)) wrapEvent(event, (call) => stub.hold(name, call));
        } catch {}
      }
      return events;
    },
  });
}
