// What the page can see of the access token: which one is in the browser's
// storage, and until when it lives. Nothing tells a page that its own
// localStorage has changed, so this is asked again and again.

const TOKEN = "janrainCaptureToken";

// Whoever tells how much time is left counts whole seconds and rounds down.
// Within this, in ms, two answers are the same moment, the later one nearer.
const ROUNDING = 1_500;

export function storedToken() {
  try {
    return localStorage.getItem(TOKEN) ?? "";
  } catch {
    return "";
  }
}

function storedExpiry() {
  try {
    return Date.parse(localStorage.getItem(`${TOKEN}_Expires`));
  } catch {
    return NaN;
  }
}

// A life is {name, born, dies, due, ended, killed}: moments in ms. It is due
// when capture-keepalive means to replace it, ended when another token (or
// none) took its place, killed when this page had the service refuse it.
export class TokenWatch {
  lives = [];
  #token = "";
  #lifetime;

  // lifetime, in ms, is for a token of which nobody says how long it lives.
  constructor(lifetime) {
    this.#lifetime = lifetime;
  }

  get current() {
    const last = this.lives.at(-1);
    return last && last.ended === undefined ? last : undefined;
  }

  // Takes what status() of capture-keepalive says: seconds, 0 if unknown.
  // Reports whether the token has changed since the last look.
  look(now, { expiresIn, dueIn }) {
    const token = storedToken();
    const changed = token !== this.#token;
    const dies = expiresIn > 0 ? now + expiresIn * 1000 : this.#storedExpiry(now);
    if (changed) {
      if (this.current) this.current.ended = now;
      this.#token = token;
      if (token) this.lives.push({ name: `${token.slice(0, 4)}…`, born: this.#birth(now, dies), dies });
    }
    if (this.current) {
      this.current.dies = refine(this.current.dies, dies);
      this.current.due = dueIn > 0 ? refine(this.current.due, now + dueIn * 1000) : undefined;
    }
    return changed;
  }

  kill(now) {
    if (this.current) this.current.killed ??= now;
  }

  // A token that was here before the page is older than its first sight.
  #birth(now, dies) {
    return this.lives.length === 0 ? Math.min(now, dies - this.#lifetime) : now;
  }

  #storedExpiry(now) {
    const stored = storedExpiry();
    return Number.isFinite(stored) ? stored : now + this.#lifetime;
  }
}

function refine(known, told) {
  return Math.abs(told - known) < ROUNDING ? Math.max(known, told) : told;
}
