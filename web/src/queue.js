// What happened before the module was there, in order. Logins, sign-outs and
// dead tokens are never dropped; of screens that come and go only the last
// ones matter.
import { kindOf } from "./events.js";

const MOST_SCREENS = 20;

/** @type {[name: string, payload: any, info: any][]} */
let events = [];

export function enqueue(event) {
  events.push(event);
  if (kindOf(event[0]) !== "other") return;
  const others = events.filter(([name]) => kindOf(name) === "other");
  if (others.length > MOST_SCREENS) events = events.filter((each) => each !== others[0]);
}
export const drain = () => events.splice(0);
