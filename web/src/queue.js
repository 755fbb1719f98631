// What happened before the module was there, in order. Logins, sign-outs and
// dead tokens are never dropped; of screens that come and go only the last one
// matters.
import { kindOf } from "./events.js";

/** @type {[name: string, payload: any, info: any][]} */
let events = [];

export function enqueue(event) {
  if (kindOf(event[0]) === "other") events = events.filter(([name]) => name !== event[0]);
  events.push(event);
}
export const drain = () => events.splice(0);
