// Runs a compiled Go program with globals of its own. To Go the window is the
// page's, except for the names that we provide: the host, Go's own fs, process
// and path, and the browser's classes as they were when keepalive.js ran.
import { wasmExec } from "wasm_exec.js"; // see scripts/build
import {
  AbortController, Error, apply, attempt, clearTimer, defineProperty, natives, nothing, page, quiet,
  setTimer,
} from "./native.js";
import { watchHeld } from "./held.js";

const { Response, WebAssembly } = natives;

const HOST = "__captureKeepalive";
const GRACE = 1000; // ms in which a program that was stopped may end by itself

/** Compiles the module that a response brings. */
export async function compile(response) {
  if (!WebAssembly || !WebAssembly.compile) {
    throw blocked("There is no WebAssembly: the browser, or a script, has switched it off.");
  }
  try {
    // Only a module that is compiled while it comes is kept compiled. It needs
    // the right type, which not every host of files sends, and the browser's
    // own Response, which not every fetch() of a library's returns.
    const isStreamed =
      WebAssembly.compileStreaming &&
      response instanceof Response &&
      /^application\/wasm$/i.test(response.headers.get("Content-Type"));
    return await (isStreamed
      ? WebAssembly.compileStreaming(response)
      : WebAssembly.compile(await response.arrayBuffer()));
  } catch (error) {
    if (!/unsafe-eval|Content.?Security|\bCSP\b/i.test(error.message)) throw error;
    throw blocked("The page's Content-Security-Policy blocks WebAssembly. Add 'wasm-unsafe-eval' to its script-src.");
  }
}

/** An error that a developer has to mend: there will be no other attempt. */
function blocked(message) {
  const error = new Error(message);
  error.warning = "wasm-blocked";
  error.final = true;
  return error;
}

/**
 * @typedef {object} Program one run of the module
 * @property {AbortSignal} signal aborted when the program was stopped or died
 * @property {() => void} stop
 * @property {(compiled: object, host: any) => Promise<void>} start
 */

/** @param {(error?: Error) => void} ended the program has died @returns {Program} */
export function createProgram(ended) {
  const controller = new AbortController();
  let gone = false;
  let letGo = nothing;
  const end = () => {
    gone = true;
    letGo();
  };
  const die = (error) => {
    if (gone) return;
    end();
    controller.abort();
    ended(error);
  };
  return {
    signal: controller.signal,
    stop() {
      controller.abort();
      setTimer(end, GRACE);
    },
    async start(compiled, host) {
      const held = watchHeld(host);
      letGo = held.letGo;
      const go = attempt(() => makeGo(held.host, (fn) => gone || fn()), die);
      if (!go) return;
      const resume = go._resume;
      // What the program listened to may still call it after its end.
      go._resume = () => {
        if (!gone) attempt(() => apply(resume, go, []), die);
        if (go.exited) die();
        // A timer's function goes on in a loop until its program has heard it.
        if (gone) go._scheduledTimeouts = { __proto__: null, has: () => false };
      };
      const instance = await WebAssembly.instantiate(compiled, go.importObject);
      if (!controller.signal.aborted) go.run(instance).then(() => die(), die);
    },
  };
}

/** For a page that calls something else Map, such as the map of its shops. */
class PlainMap {
  /** @param {[any, any][]} [entries] */
  constructor(entries = []) {
    this.keys = entries.map((entry) => entry[0]);
    this.values = entries.map((entry) => entry[1]);
  }
  at(key) {
    let at = this.keys.length - 1;
    while (at >= 0 && this.keys[at] !== key && (key === key || this.keys[at] === this.keys[at])) at--;
    return at;
  }
  has(key) {
    return this.at(key) >= 0;
  }
  get(key) {
    return this.values[this.at(key)];
  }
  set(key, value) {
    this.delete(key);
    this.keys.push(key);
    this.values.push(value);
  }
  delete(key) {
    const at = this.at(key);
    if (at < 0) return;
    this.keys.splice(at, 1);
    this.values.splice(at, 1);
  }
}

function makeGo(host, unlessGone) {
  const own = makeGlobals(host, unlessGone);
  const go = new own.Go();
  go.exit = nothing;
  showWindow(go, own);
  return go;
}

/** Runs wasm_exec.js, and returns the globals that it left, Go among them. */
function makeGlobals(host, unlessGone) {
  const { crypto, performance, TextEncoder, TextDecoder } = natives;
  const own = { __proto__: null, crypto, performance, TextEncoder, TextDecoder };
  const given = { __proto__: null, [HOST]: host };
  for (const name in natives) given[name] = natives[name];
  const get = (object, name) =>
    object === page && name in given ? given[name] : natives.Reflect.get(object, name);
  const reflect = (given.Reflect = { __proto__: null, ...natives.Reflect, get });
  wasmExec({
    __proto__: natives,
    isNaN: (value) => value !== value,
    Map: quiet(() => new natives.Map([[page, 1]]).get(page)) ? natives.Map : PlainMap,
    globalThis: own,
    fs: { __proto__: null, writeSync: (fd, text) => own.fs.writeSync(fd, text) },
    Reflect: reflect,
    setTimeout: (fn, ms) => setTimer(() => unlessGone(fn), ms),
    clearTimeout: clearTimer,
  });
  for (const name of ["fs", "process", "path"]) given[name] = own[name];
  return own;
}

/** Lets the program see the page's window where the runtime has its own. */
function showWindow(go, own) {
  const onSet = (name, replace) =>
    defineProperty(go, name, {
      __proto__: null,
      configurable: true,
      set: (value) => {
        replace(value);
        defineProperty(go, name, { __proto__: null, configurable: true, writable: true, value });
      },
    });
  onSet("_values", (values) => values.forEach((value, i) => value === own && (values[i] = page)));
  onSet("_ids", (ids) => ids.set(page, ids.get(own)));
}
