// Wrong use of the product, told once: on the console and in status().
import { say } from "./native.js";

const GUIDE = "https://github.com/capture-keepalive/capture-keepalive/blob/main/docs/troubleshooting.md#";

/** @type {import("../keepalive").Warning[]} */
export const warnings = [];

/** @param {string | Error} why */
export const warnNotStarted = (why) =>
  warn("not-started", `${why}. A script has replaced what the browser has: load it after keepalive.js.`);

/** @param {import("../keepalive").WarningId} id @param {string} message */
export function warn(id, message) {
  if (warnings.some((known) => known.id === id)) return;
  warnings.push({ id, message });
  say("warn", `${message} ${GUIDE}${id}`);
}
