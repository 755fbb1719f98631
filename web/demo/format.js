// How the demo writes moments (ms since the epoch) and spans (s).

export const clock = (at) =>
  new Date(at).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const span = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

// Written only when it is different, so that a screen reader hears it once.
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
