// The calls that the Capture service got, asked for once a second while
// a person is looking.

import { clock } from "./format.js";

const EVERY = 1_000;
const ROWS = 60;

export function watchCalls(table, service, onCall) {
  let after = 0;
  let asking = false;

  async function ask() {
    if (asking || document.hidden) return;
    asking = true;
    try {
      const response = await fetch(`${service}/control/calls?after=${after}`);
      if (!response.ok) return;
      const { calls } = await response.json();
      for (const call of calls ?? []) {
        after = Math.max(after, call.seq);
        table.prepend(row(call));
        onCall(call);
      }
      while (table.rows.length > ROWS) table.deleteRow(-1);
    } catch {
      // The demo's server is away: the next second asks again.
    } finally {
      asking = false;
    }
  }

  setInterval(ask, EVERY);
  document.addEventListener("visibilitychange", ask);
  void ask();
}

function row(call) {
  const line = document.createElement("tr");
  line.dataset.outcome = call.outcome;
  line.dataset.endpoint = call.endpoint;
  for (const text of [clock(call.at), call.endpoint, answer(call), `${Math.round(call.ms)} ms`]) {
    line.insertCell().textContent = text;
  }
  return line;
}

function answer({ outcome, code, status }) {
  if (outcome === "ok") return "ok";
  return code ? `error ${code}` : `HTTP ${status}`;
}
