// The readable record of what happened, newest first.

import { clock } from "./format.js";

const LINES = 120;

// kind is "good", "bad" or "plain"; reason, when there is one, is a word of
// the closed list that the types of capture-keepalive publish.
export function writeLog(list, { source, kind = "plain", text, reason }) {
  const line = document.createElement("li");
  line.dataset.source = source;
  line.dataset.kind = kind;
  const time = document.createElement("time");
  time.textContent = clock(Date.now());
  const who = document.createElement("b");
  who.textContent = source;
  const what = document.createElement("span");
  what.textContent = text;
  line.append(time, who, what);
  if (reason) {
    const why = document.createElement("code");
    why.textContent = reason;
    what.append(" ", why);
  }
  list.prepend(line);
  while (list.children.length > LINES) list.lastChild.remove();
}
