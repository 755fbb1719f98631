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
  const user = { phase: "off", signedIn: null };
  const calls = []; // [method, arguments, resolve, reject] or [event, payload]
  const held = []; // [event, call]
  const hooked = [];
  const stub = (w.captureKeepalive = {
    calls,
    held,
    hooked,
    event: (...event) => calls.push(event),
    hold: (name, call) => (/Save/.test(name) ? call() : held.push([name, call])),
    status: () => user,
    user: () => user,
    ready: new Promise((resolve) => calls.push(["ready", 0, 0, resolve])),
  });
  "start stop stay on subscribe token renew fetch end".split(" ").map((name, i) => {
    stub[name] = (...args) => {
      /** @type {any[]} */
      const call = [name, args];
      calls.push(call);
      return i < 5 ? () => (call[2] ? call[2]() : (call[0] = 0)) : new Promise((...settle) => call.push(...settle));
    };
  });

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
  setTimeout(() => {
    if (stub.held) {
      stub.hold = (name, call) => call();
      held.splice(0).map((call) => setTimeout(call[1]));
      const error = Object.assign(Error("unavailable"), { code: "unavailable" });
      calls.map(([, args, , settle]) => settle && settle(args ? error : user));
    }
  }, LIMIT);
}
