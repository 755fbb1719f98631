// Puts window.captureKeepalive there, in the place of the stub if the page has
// one. The object of a script that was there first is used as it is.
import { isObject, nothing, page } from "./native.js";
import { adoptStub, isStub } from "./adopt.js";
import { api } from "./api.js";

/**
 * @returns the object that the page has from now on, whether it is ours, and
 * what makes up for what the stub has kept.
 */
export function install() {
  const found = page.captureKeepalive;
  if (isStub(found)) return { object: found, isOurs: true, catchUp: adoptStub(found) };
  // An element with that id is none.
  if (isObject(found) && typeof found.diagnostics === "function") {
    return { object: found, isOurs: false, catchUp: nothing };
  }
  page.captureKeepalive = api;
  return { object: api, isOurs: true, catchUp: nothing };
}
