// Types of capture-keepalive's page side: window.captureKeepalive, which
// keepalive.js (a classic script), its stub, or the npm package puts there.

declare global {
  interface Window {
    /** Missing where keepalive.js was blocked and the page has no stub. */
    captureKeepalive?: CaptureKeepalive;
    captureKeepaliveDialog?: Partial<DialogTexts>;
  }
}

export interface CaptureKeepalive {
  /**
   * Starts; again while it runs does nothing; after stop() it works again.
   * @throws TypeError that names the option that is wrong.
   */
  start(options?: Options): void;
  /** Leaves no listener or handler behind, and does nothing any more. The session stays as it is. */
  stop(): void;
  /**
   * Listens to an event. A listener that comes after an end gets it soon, while no user has signed in since.
   * @returns the function that unsubscribes.
   */
  on<Name extends keyof Events>(event: Name, listener: (event: Events[Name]) => void): () => void;
  /** Calls at once and on every change. @returns the function that unsubscribes. */
  subscribe(listener: (user: User) => void): () => void;
  /** Who is signed in: the same object until that changes. Never a token. */
  user(): User;
  /**
   * Resolves as soon as it is known whether a user is signed in; with null when that cannot be found out,
   * or not within 15 s. Pending until start().
   */
  readonly ready: Promise<{ signedIn: boolean | null }>;
  /** A valid access token, renewed first when it is due. Rejects with a KeepaliveError. */
  token(): Promise<string>;
  /** Asks the server now. Resolves with the current token, renewed or not. Rejects with a KeepaliveError. */
  renew(): Promise<string>;
  /**
   * fetch() with "Authorization: Bearer" and the token, for the origins in the option apiOrigins and for
   * no other; where the answer is 401, once more with a renewed token. Without a user, or while no token
   * can be had, it is plain fetch().
   */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
  /** The user chose to stay: moves the idle limit. */
  stay(): void;
  /** Signs out: on the server, in the Registration UI, on this page. Rejects with a KeepaliveError. */
  end(): Promise<void>;
  /** Where the session stands. Holds no secret. */
  status(): Status;
  /** The last transitions, oldest first, each with its reason. Holds no secret. */
  diagnostics(): Diagnostic[];
  /** One block of text for a ticket: versions, status, warnings, the last events. Holds no secret. */
  report(): string;
}

export interface User {
  /** null: not known yet. */
  readonly signedIn: boolean | null;
  /** As the server says. */
  readonly uuid?: string;
}

/** undefined is the default: a variable of the build that is not set needs no care. */
export interface Options {
  /** Where the server is: a path, or a URL on the same site. Default "/keepalive". */
  endpoint?: string | undefined;
  /**
   * How many seconds before its end a token is renewed; never more than a third of its life.
   * Default 0: two minutes, or a fifth of the token's life if that is less.
   */
  margin?: number | undefined;
  /**
   * When the module is loaded for a user who may be signed in: "idle" (default) once the document is
   * parsed and the page is idle, "now" at once, for every visitor. An event that needs it loads it, too.
   */
  load?: "idle" | "now" | undefined;
  /**
   * Where the token is kept in server-side sessions (responseType "code"). "always" (default): in
   * localStorage, as the Registration UI has it. "onDemand": there only while a screen that needs it is
   * shown; the session lives in the cookie alone.
   */
  clientSession?: "always" | "onDemand" | undefined;
  /**
   * Origins, each in full, that captureKeepalive.fetch() gives the token to:
   * "https://api.example.com". Default none.
   */
  apiOrigins?: readonly string[] | undefined;
  /**
   * Makes the UI's start() wait while a dead token is renewed: at most 5 s, and 1 s for a server that does
   * not answer. Visitors who are not signed in do not wait. Default true.
   */
  hold?: boolean | undefined;
  /**
   * The page's own handlers of onCaptureExpiredToken, onCaptureInvalidToken and
   * onCaptureAccessDenied are called only when the session could not be saved. Default true.
   * Handlers added before keepalive.js ran cannot be guarded.
   */
  guard?: boolean | undefined;
  /**
   * Finishes what the user was doing: a form that failed for a dead token is submitted again after a
   * renewal, and one that is submitted while the token is known to be dead is held until then, for at most
   * 10 s while there is a network. Default true.
   */
  resubmit?: boolean | undefined;
  /** Seconds before the idle or the absolute limit that "warning" is emitted. Default 0: never. */
  idleWarning?: number | undefined;
  /**
   * Shows a ready-made dialog at "warning", in every tab, which lets the user stay or sign out. With
   * idleWarning 0 the warning then comes 60 seconds before a limit. Default false. See DialogTexts.
   */
  dialog?: boolean | undefined;
  /** Writes every transition to the console (console.debug). Default false. */
  debug?: boolean | undefined;
  /** For the scripts that keepalive.js adds. Default: the nonce of its own script element. */
  nonce?: string | undefined;
}

/** Every event says why, for a program and for a person, and when (unix ms). Never a token or uuid. */
export interface Notice {
  reason: Reason;
  message: string;
  at: number;
}

export interface Events {
  /** There is a new token; the Registration UI has it, or gets it when it needs one. */
  renewed: Notice & { expiresIn: number };
  /** An attempt failed. With retryIn (seconds) the next one is planned. */
  renewerror: Notice & { retryIn?: number };
  /** A limit is near. */
  warning: Notice & { kind: "idle" | "absolute"; expiresIn: number };
  /** The user chose to stay. */
  stayed: Notice;
  /** A user is signed in: by a login here or in another tab, or restored. */
  signedin: Notice;
  /** The user's form is held until there is a good token. */
  holding: Notice & { screen: string };
  /** The form is held no longer: it is sent, or unfinished follows. */
  released: Notice & { screen: string };
  /** The user's form could not be finished; what was typed is still on the screen. */
  unfinished: Notice & { screen: string };
  /** Any of the next three. */
  ended: Notice;
  // Of the next three one is emitted, once, until a user signs in again.
  /** A limit was reached, the grant is gone, or the server refused. */
  expired: Notice;
  /** A person signed out, here or in another tab. */
  signedout: Notice;
  /** Another user is signed in now. */
  identitychanged: Notice;
}

/** The closed list of reasons. */
export type Reason =
  // why the server was asked
  | "start"
  | "due"
  | "expired"
  | "invalid"
  | "denied"
  | "savefailed"
  | "wake"
  | "request"
  // why an attempt failed
  | "offline"
  | "unintelligible"
  | "server"
  | "rate_limited"
  | "refused"
  | "refused_again"
  | "held_too_long"
  | "grant_refused"
  | "identity_mismatch"
  | "code_used"
  | "cookie_refused" // the browser does not keep the session's cookie
  // why a form was not sent again, or is no longer held
  | "renewed" // the session is good again: it is being sent
  | "edited"
  | "changed"
  | "left"
  | "gone"
  | "invalid_form"
  | "file"
  | "no_submit"
  | "no_form"
  | "unclear"
  | "unproven"
  | "new_token"
  | "resubmit_off"
  // why a session ended, or soon will
  | "idle_limit"
  | "absolute_limit"
  | "session_ended"
  | "signed_out"
  | "elsewhere"
  | "end"
  | "other_user"
  // and what else happens to it
  | "signed_in"
  | "stopped";

export interface Status {
  phase:
    | "off" // not started, or it cannot work on this page: see reason
    | "loading" // the module is not here yet
    | "signedout"
    | "restoring"
    | "opening"
    | "active"
    | "renewing"
    | "waiting" // for the next attempt
    | "ended";
  signedIn: boolean | null;
  /** Why the module is not there. */
  reason?: string;
  // Seconds, 0 where unknown; absent before the module is here.
  expiresIn?: number;
  dueIn?: number;
  retryIn?: number;
  idleExpiresIn?: number;
  absoluteExpiresIn?: number;
  /** The server's clock minus this machine's. */
  clockSkew?: number;
  /** Of keepalive.js. */
  version: string;
  /** Wrong use. The console has it, too. */
  warnings: Warning[];
}

export interface Warning {
  id: WarningId;
  message: string;
}

/** Each has an entry in docs/troubleshooting.md. */
export type WarningId =
  | "script-too-late" // it ran after the Registration UI
  | "wrong-attribute" // a data attribute of the script
  | "not-http" // the page is a file, or in a sandbox
  | "not-started" // a script has replaced what the browser has
  | "insecure-page" // plain http
  | "endpoint-on-another-site"
  | "cookie-not-kept"
  | "origin-refused"
  | "server-not-found" // something else answers at the endpoint
  | "files-not-found"
  | "version-mismatch" // of the npm package and the server
  | "blocked-by-policy" // by the Content-Security-Policy
  | "wasm-blocked";

export interface Diagnostic {
  /** Unix ms. */
  at: number;
  /** What happened; "loader" for a note of keepalive.js. */
  event: string;
  message: string;
  from?: Status["phase"];
  to?: Status["phase"];
  reason?: Reason | "";
  /** What was done about it. */
  effects?: string[];
}

/**
 * The texts of the dialog. A page replaces some or all of them in window.captureKeepaliveDialog, in its
 * own words or language. The dialog reads them each time it shows a text. It ignores a wrong name or
 * text, with a warning on the console.
 *
 * The dialog lives in the open shadow tree of <capture-keepalive-dialog>, a child of <html>. A page
 * styles it by custom properties on that element, --keepalive-accent, --keepalive-on-accent,
 * --keepalive-surface, --keepalive-ink, --keepalive-track (of the ring) and --keepalive-font, and by
 * ::part(dialog), time, title, text, actions, signout, close and stay.
 */
export interface DialogTexts {
  /** The language of all texts, and of the time that is spoken: a BCP 47 tag. Default "en". */
  lang: string;
  /** Before the idle limit. */
  idleTitle: string;
  idleText: string;
  /** Before the absolute limit, where staying does not help. */
  absoluteTitle: string;
  absoluteText: string;
  /** When the session has expired while the dialog was open. */
  endedTitle: string;
  endedText: string;
  /** In the place of the time, once it is over and the server is being asked. */
  checking: string;
  /** The buttons. Escape is stay before the idle limit, and close otherwise. */
  stay: string;
  signOut: string;
  close: string;
}

export interface KeepaliveError extends Error {
  code: "signed_out" | "unavailable" | "stopped";
}
