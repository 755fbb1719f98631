// The links that change how the session is kept. Each mode is an address, so
// that it outlives a reload; what else the address says goes along.

const SAYS = {
  token:
    "The sign-in gives the page an access token. The server learns the user from it, " +
    "and has Capture issue the next ones.",
  always:
    "The sign-in gives the page a one-time code. The server exchanges it, " +
    "and the refresh token never leaves the server.",
  onDemand:
    "The refresh token never leaves the server, and the page has an access token only while " +
    "a screen needs it. Press View, then Edit.",
};

// An idle limit is 30 minutes here: the warning is asked for at once.
const WARNING = JSON.stringify({ dialog: true, idleWarning: 3600 });

export function readMode() {
  const parameters = new URLSearchParams(location.search);
  const byCode = parameters.get("mode") === "code";
  return {
    byCode,
    onDemand: byCode && parameters.get("clientSession") === "onDemand",
    // To try other options: /?options={"hold":true}
    options: JSON.parse(parameters.get("options") ?? "{}"),
  };
}

export function offerModes($, { byCode, onDemand }) {
  offer($("mode-token"), !byCode, { mode: "", clientSession: "" });
  offer($("mode-code"), byCode, { mode: "code" });
  offer($("client-always"), !onDemand, { clientSession: "" });
  offer($("client-ondemand"), onDemand, { clientSession: "onDemand" });
  $("btn-warning").href = address({ options: WARNING });
  $("client-session").hidden = !byCode;
  $("mode-says").textContent = SAYS[onDemand ? "onDemand" : byCode ? "always" : "token"];
}

export const isCurrent = (link) => link.getAttribute("aria-current") === "true";

function offer(link, chosen, changes) {
  link.href = address(changes);
  link.setAttribute("aria-current", String(chosen));
}

function address(changes) {
  const url = new URL(location.href);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "") url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  return url.href;
}
