// Puts window.captureKeepalive there, in the place of the stub if the page has
// one. The object of a script that was there first is used as it is.
import { attempt, hasOwn, page, quiet } from "./native.js";
import { adoptStub } from "./adopt.js";
import { api } from "./api.js";

/** @returns the object that the page has from now on, and whether it is ours. */
export function install() {
  // An element or a frame with that name is none, and is inherited.
  const found = hasOwn(page, "captureKeepalive") && quiet(() => page.captureKeepalive);
  // Only keepalive.js has a version, and a stub that it took over from.
  if (quiet(() => found.status().version)) return { object: found, isOurs: false };
  if (quiet(() => adoptStub(found))) return { object: found, isOurs: true };
  attempt(() => (page.captureKeepalive = api)); // the page may have sealed it
  return { object: api, isOurs: true };
}
