// Takes over from the stub: see stub.js. The object that the page has stays
// the same, and becomes the whole API.
import { isObject, keys } from "./native.js";
import { api } from "./api.js";
import { takeOver } from "./ui.js";

export const isStub = (found) => isObject(found) && typeof found.arrived === "function";

/** @returns the function that lets go on what has waited in the stub. */
export function adoptStub(stub) {
  const { arrived } = stub;
  delete stub.arrived;
  for (const name of keys(api)) stub[name] = api[name];
  takeOver(stub);
  return arrived;
}
