// The mark: what the module leaves in localStorage about the session, and the
// only place here that knows its format (in Go: wasm/browser/mark.go). One
// line: a version, then fields by position. It holds no secret.
import { cookies, now, readItem, removeItem, timeOf, writeItem } from "./native.js";

const TOKEN = "janrainCaptureToken";
const MARK = "captureKeepalive";
const VERSION = "2";
const NONE = "-";

export const storedToken = () => readItem(TOKEN);
/** The cookie beside the session's, which says no more than that there is one. */
export const hasCookie = () => /(^|; )keepalive-here=/.test(cookies());

/**
 * What the mark says, if there is one. Times are unix ms, NaN if unknown.
 * @returns {{hasToken?: boolean, expires?: number, ending?: boolean}}
 */
function readMark() {
  const fields = readItem(MARK).split(" ");
  if (fields[0] !== VERSION) return {};
  return { hasToken: fields[1] !== NONE, expires: +fields[4], ending: fields[10] === "true" };
}

/**
 * Whether nothing says that this browser has a session: no token, no mark, and
 * no cookie that a script can read. Then there is nothing to load, and no
 * call to make.
 */
export function isAnonymous() {
  const mark = readMark();
  return !(storedToken() || mark.hasToken || mark.ending || hasCookie());
}

/**
 * Whether there is a session, but no token that the UI can start with. The
 * mark knows when a token dies; the UI's own date is often hours later.
 */
export function isStale() {
  const mark = readMark();
  if (isAnonymous() || mark.ending) return false;
  return !storedToken() || mark.expires <= now() || timeOf(readItem(TOKEN + "_Expires")) <= now();
}

/**
 * Writes that a person has signed out and that the server may not know it yet:
 * the next page sees to it, should this one be gone too soon.
 */
export function writeSignOut() {
  writeItem(MARK, `${VERSION} - - ${now()} - - - 0 - - true 0 -`);
  removeItem(TOKEN); // or, without the UI, the next page finds it
}
