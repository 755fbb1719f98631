// The forms that a module holds. The page is told what becomes of each, also
// when the module can tell nothing any more.
import { now } from "./native.js";

/** @param {any} host what the module is given */
export function watchHeld(host) {
  /** @type {string[]} the screens of what is held */
  const screens = [];
  const emit = (type, detail) => {
    if (type === "holding") screens.push(detail.screen);
    const at = type === "released" ? screens.indexOf(detail.screen) : -1;
    if (at >= 0) screens.splice(at, 1);
    host.emit(type, detail);
  };
  /** The module has ended: what it still holds was not sent. */
  const letGo = () => {
    for (const screen of screens.splice(0)) {
      const detail = { reason: "no_submit", message: "the module failed", at: now(), screen };
      host.emit("released", detail);
      host.emit("unfinished", detail);
    }
  };
  return { host: { __proto__: null, ...host, emit }, letGo };
}
