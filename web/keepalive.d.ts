// Types of capture-keepalive's page side: window.captureKeepalive, which
// keepalive.js (a classic script) puts there.

declare global {
  interface Window {
    captureKeepalive: CaptureKeepalive;
    captureKeepaliveDialog?: Partial<DialogTexts>;
  }
  const captureKeepalive: CaptureKeepalive;
}

export interface CaptureKeepalive {
  /**
   * Starts; again while it runs does nothing; after stop() it works again.
   * @throws TypeError that names the option that is wrong.
   */
  start(options?: Options): void;
  /** Leaves no listener or handler behind, and does nothing any more. The session stays as it is. */
  stop(): void;
  /** Listens to an event. @returns the function that unsubscribes. */
  on<Name extends keyof Events>(event: Name, listener: (event: Events[Name]) => void): () => void;
  /** A valid access token, renewed first when it is due. Rejects with a KeepaliveError. */
  token(): Promise<string>;
  /** Asks the server now. Resolves with the current token, renewed or not. Rejects with a KeepaliveError. */
  renew(): Promise<string>;
  /** The user chose to stay: moves the idle limit. */
  stay(): void;
  /** Signs out: on the server, in the Registration UI, on this page. */
  end(): void;
  /** Where the session stands. Holds no secret. */
  status(): Status;
  /** The last transitions, oldest first: why did it do what it did. Holds no secret. */
  diagnostics(): Diagnostic[];
}

export interface Options {
  /** Where the server is: a path, or a URL on the same site. Default "/keepalive". */
  endpoint?: string;
  /**
   * Seconds before its end that a token is renewed; never more than a third of its life.
   * Default 0: two minutes, or a fifth of the token's life if that is less.
   */
  margin?: number;
  /**
   * When the module is loaded: "idle" (default) once the page is, "now" at once, "due" only when the
   * token or a limit is near, the user does something, or an event needs it; until then this page hears
   * nothing of other tabs.
   */
  load?: "idle" | "due" | "now";
  /**
   * Where the token is kept in server-side sessions (responseType "code"). "always" (default): in
   * localStorage, as the Registration UI has it. "onDemand": there only while a screen that needs it is
   * shown; the session lives in the cookie alone.
   */
  clientSession?: "always" | "onDemand";
  /** Makes the UI's start() wait, at most 5 s, while a stale token is renewed. Default false. */
  hold?: boolean;
  /**
   * The page's own handlers of onCaptureExpiredToken, onCaptureInvalidToken and
   * onCaptureAccessDenied hear of it only when the session could not be saved. Default true.
   * Handlers added before keepalive.js ran cannot be guarded.
   */
  guard?: boolean;
  /**
   * Finishes what the user was doing: a form that failed for a dead token is submitted again after a
   * renewal, and one that is submitted while the token is known to be dead is held until then, for at most
   * 10 s while there is a network. Default true.
   */
  resubmit?: boolean;
  /** Tells the other tabs over a BroadcastChannel, beside the events of localStorage. Default true. */
  broadcast?: boolean;
  /** Seconds before the idle or the absolute limit that "warning" is emitted. Default 0: never. */
  idleWarning?: number;
  /**
   * Shows a ready-made dialog at "warning", in every tab, which lets the user stay or sign out. With
   * idleWarning 0 the warning then comes 60 seconds before a limit. Default false. See DialogTexts.
   */
  dialog?: boolean;
  /** Writes every transition to the console (console.debug). Default false. */
  debug?: boolean;
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
  // Of the next three one is emitted, once, until somebody signs in again.
  /** A limit was reached, the grant is gone, or the server said no. */
  expired: Notice;
  /** A person signed out, here or in another tab. */
  signedout: Notice;
  /** Somebody else is signed in now. */
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
  // why a session ended, or soon will
  | "idle_limit"
  | "absolute_limit"
  | "session_ended"
  | "signed_out"
  | "elsewhere"
  | "end"
  | "other_user";

export interface Status {
  phase:
    | "off" // not started, or standing aside: see reason
    | "loading" // the module is not here yet
    | "signedout"
    | "restoring"
    | "opening"
    | "active"
    | "renewing"
    | "waiting"
    | "ended";
  /** With "off": why we stand aside; empty when not started. */
  reason?: string;
  // Seconds, 0 where unknown; absent before the module is here.
  expiresIn?: number;
  dueIn?: number;
  retryIn?: number;
  idleExpiresIn?: number;
  absoluteExpiresIn?: number;
}

export interface Diagnostic {
  /** Unix ms. */
  at: number;
  /** What happened; "loader" for what keepalive.js has to say. */
  event: string;
  message: string;
  from?: Status["phase"];
  to?: Status["phase"];
  reason?: Reason | "";
  /** What was done about it. */
  effects?: string[];
}

/**
 * What dialog.js says. A page sets window.captureKeepaliveDialog to what it wants to say otherwise, in
 * words or in another language. It is read each time the dialog has something to say; a name or a text
 * that is wrong is told on the console and left out.
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
