// Takes over from the stub: see stub.js. The object that the page has stays
// the same, and becomes the whole API.
import { attempt, isArray, isObject, keys, rethrow, setTimer } from "./native.js";
import { api } from "./api.js";
import { setHooked, takeOver } from "./ui.js";

export const isStub = (found) => isObject(found) && isArray(found.waiting);

/** @returns the function that makes the calls that have waited in the stub. */
export function adoptStub(stub) {
  const { waiting } = stub;
  const arrived = waiting.shift();
  delete stub.waiting;
  for (const name of keys(api)) stub[name] = api[name];
  setHooked(stub.hooked);
  const catchUp = () => waiting.splice(0).forEach((call) => attempt(call, rethrow));
  return () => {
    catchUp();
    // What the UI has fired comes after start(), which the page may call as
    // soon as it has us.
    setTimer(() => {
      takeOver(stub);
      arrived();
      catchUp();
    }, 0);
  };
}
