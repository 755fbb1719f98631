// What the page can see of the access token: which one is in the browser's
// storage, and until when it lives. Nothing tells a page that its own
// localStorage has changed, so this is asked again and again.

const TOKEN = "janrainCaptureToken";

// Every source of the time left counts whole seconds and rounds down.
// Within this, in ms, two answers are the same moment, the later one nearer.
const ROUNDING = 1_500;

// The phases of capture-keepalive in which a user is signed in.
export const SIGNED_IN = new Set(["active", "renewing", "waiting"]);

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

// A life is {token, name, born, dies, due, ended, killed}: the token where the
// page has seen it, and moments in ms. It is due when capture-keepalive means
// to replace it, ended when another token (or none) took its place, killed when
// this page had the service refuse it.
export class TokenWatch {
  lives = [];
  stays = []; // {from, to}: when a token was in the browser's storage
  #lifetime;

  // lifetime, in ms, is for a token without a stated lifetime.
  constructor(lifetime) {
    this.#lifetime = lifetime;
  }

  get current() {
    const last = this.lives.at(-1);
    return last && last.ended === undefined ? last : undefined;
  }

  // Whether a token was in storage at the last look.
  get stored() {
    return this.stays.at(-1)?.to === Infinity;
  }

  // Takes what status() of capture-keepalive says: seconds, 0 if unknown.
  // Reports whether another token has come since the last look.
  look(now, { phase, expiresIn, dueIn }) {
    const token = storedToken();
    this.#keepStays(now, Boolean(token));
    const told = expiresIn > 0 ? now + expiresIn * 1000 : undefined;
    const dies = told ?? (token ? this.#storedExpiry(now) : undefined);
    // Out of storage a token still lives, for as long as there is a session.
    const lives = token || (told && SIGNED_IN.has(phase));
    const born = lives && this.#isAnother(token, dies);
    if (this.current && (born || !lives)) this.current.ended = now;
    if (born) this.lives.push({ token, name: "", born: this.#birth(now, dies), dies });
    if (this.current) {
      if (token && !this.current.name) Object.assign(this.current, { token, name: `${token.slice(0, 4)}…` });
      this.current.dies = refine(this.current.dies, dies);
      this.current.due = dueIn > 0 ? refine(this.current.due, now + dueIn * 1000) : undefined;
    }
    return Boolean(born);
  }

  kill(now) {
    if (this.current) this.current.killed ??= now;
  }

  #keepStays(now, stored) {
    if (stored === this.stored) return;
    if (stored) this.stays.push({ from: now, to: Infinity });
    else this.stays.at(-1).to = now;
  }

  // One that the page does not see shows itself by its later end.
  #isAnother(token, dies) {
    const known = this.current;
    if (!known) return true;
    if (token && known.token) return token !== known.token;
    return dies > known.dies + ROUNDING;
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
