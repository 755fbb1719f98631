// Takes over from the stub: see stub.js. The object that the page has stays
// the same, and becomes the whole API.
import { attempt, isArray, isObject, keys, rethrow } from "./native.js";
import { api } from "./api.js";
import { takeOver } from "./ui.js";

export const isStub = (found) => isObject(found) && isArray(found.calls) && isArray(found.held);

/** @returns a function that makes up for what the stub has kept. */
export function adoptStub(stub) {
  const { calls, held } = stub;
  delete stub.calls;
  delete stub.held;
  for (const name of keys(api)) stub[name] = api[name];
  takeOver(stub);
  return () => {
    const events = [];
    for (const call of calls) {
      const [name, given, resolve, reject] = call;
      if (name === "ready") api.ready.then(reject);
      else if (typeof api[name] !== "function") events.push(call);
      else if (reject) api[name](...given).then(resolve, reject);
      else call[2] = attempt(() => api[name](...given), rethrow);
    }
    for (const [name, payload] of events) if (name) stub.event(name, payload);
    for (const [name, call] of held) attempt(() => stub.hold(name, call), rethrow);
  };
}
