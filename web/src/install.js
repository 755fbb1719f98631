// Puts window.captureKeepalive there, in the place of the stub if the page has
// one. The object of a script that was there first is used as it is.
import { attempt, hasOwn, isObject, nothing, page, quiet } from "./native.js";
import { adoptStub, isStub } from "./adopt.js";
import { api } from "./api.js";

/**
 * @returns the object that the page has from now on, whether it is ours, and
 * what makes up for what the stub has kept.
 */
export function install() {
  // An element or a frame with that name is none, and is inherited.
  const found = hasOwn(page, "captureKeepalive") && quiet(() => page.captureKeepalive);
  if (isStub(found)) return { object: found, isOurs: true, catchUp: adoptStub(found) };
  if (isObject(found) && typeof found.diagnostics === "function") {
    return { object: found, isOurs: false, catchUp: nothing };
  }
  attempt(() => (page.captureKeepalive = api)); // the page may have sealed it
  return { object: api, isOurs: true, catchUp: nothing };
}
