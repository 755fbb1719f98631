// Package api is the wire between the page and the server: routes, header
// names, JSON bodies and error codes. It imports nothing, so that both halves
// can share it and the browser module pays for no more than these words.
package api

// Routes, below the configured base path.
const (
	DefaultBasePath = "/keepalive"

	PathSession  = "/session"          // POST opens, GET tells, DELETE ends
	PathToken    = "/session/token"    // POST returns a good token
	PathActivity = "/session/activity" // POST: the user is there
)

// Routes of the operator's listener, which no browser reaches.
const (
	PathAuth     = "/auth"     // GET, for reverse proxies: which user is signed in
	PathRevoke   = "/revoke"   // POST ends all sessions of a user
	PathSessions = "/sessions" // POST lists the sessions of a user
)

// WellAnswer is the body with which the operator's listener says that all is
// well.
const WellAnswer = "ok\n"

// Headers of the answer to PathAuth.
const (
	HeaderUUID        = "X-Capture-Uuid"
	HeaderAccessToken = "X-Capture-Access-Token" // when the operator has asked for it
)

// Files, below the configured base path, at names that never change. The
// module itself has a name with its hash in it, which the manifest tells.
const (
	FileLoader   = "keepalive.js"
	FileTypes    = "keepalive.d.ts"
	FileRuntime  = "wasm_exec.js"
	FileManifest = "manifest.json"
)

// HeaderKeepalive must be on every API call, with HeaderKeepaliveValue: a
// page of another origin cannot send it without a CORS preflight.
const (
	HeaderKeepalive      = "X-Keepalive"
	HeaderKeepaliveValue = "1"
)

// CookieHint is a cookie that any script may read and that says nothing but
// that there is a session: pages of anonymous visitors then ask for nothing.
const CookieHint = "keepalive-here"

// ContentTypeProblem is the media type of every error answer (RFC 9457).
const ContentTypeProblem = "application/problem+json"

// MaxBody is the largest request body the server reads, in bytes.
const MaxBody = 4 << 10

// Reason says why the page asks for a token.
type Reason string

// The closed list of reasons.
const (
	ReasonStart      Reason = "start"      // the page was loaded
	ReasonDue        Reason = "due"        // the token is near its end
	ReasonExpired    Reason = "expired"    // onCaptureExpiredToken
	ReasonInvalid    Reason = "invalid"    // onCaptureInvalidToken
	ReasonDenied     Reason = "denied"     // onCaptureAccessDenied
	ReasonSaveFailed Reason = "savefailed" // a form save failed with invalidAccessToken
	ReasonWake       Reason = "wake"       // the page came back from sleep, cache or background
	ReasonRequest    Reason = "request"    // the page's own code asked
)

// Reasons returns the whole list.
func Reasons() []Reason {
	return []Reason{
		ReasonStart, ReasonDue, ReasonExpired, ReasonInvalid,
		ReasonDenied, ReasonSaveFailed, ReasonWake, ReasonRequest,
	}
}

// Known reports whether r is on the list.
func (r Reason) Known() bool {
	for _, known := range Reasons() {
		if r == known {
			return true
		}
	}
	return false
}

// Refusal reports whether r says that Capture refused a token. Only such a
// reason, together with the refused token, forces a renewal.
func (r Reason) Refusal() bool {
	return r == ReasonExpired || r == ReasonInvalid || r == ReasonDenied || r == ReasonSaveFailed
}

// OpenRequest is the body of POST /session: exactly one kind of credential.
type OpenRequest struct {
	// Client-side session (responseType: token).
	AccessToken string `json:"accessToken,omitempty"`
	// UUID is the page's claim; it is compared with Capture's word and never
	// believed.
	UUID string `json:"uuid,omitempty"`
	// Expires, unix seconds, can only shorten what the server assumes.
	Expires int64 `json:"expires,omitempty"`

	// Server-side session (responseType: code).
	AuthorizationCode string `json:"authorizationCode,omitempty"`
	RedirectURI       string `json:"redirectUri,omitempty"`
}

// String keeps the credentials out of logs.
func (OpenRequest) String() string { return "api.OpenRequest [redacted]" }

// GoString keeps the credentials out of logs.
func (r OpenRequest) GoString() string { return r.String() }

// TokenRequest is the body of POST /session/token.
type TokenRequest struct {
	Reason Reason `json:"reason"`
	// Have is the token the page has, when it has one.
	Have string `json:"have,omitempty"`
	// Counts is what the page did since it last told; nil: nothing.
	Counts *PageCounts `json:"counts,omitempty"`
}

// ActivityRequest is the body of POST /session/activity. It may be left out.
type ActivityRequest struct {
	// Counts is what the page did since it last told; nil: nothing.
	Counts *PageCounts `json:"counts,omitempty"`
}

// MaxPageCount is the most that one member of PageCounts can say. The server
// takes a larger number for this one.
const MaxPageCount = 20

// PageCounts say what the page did for its user. They are numbers for the
// operator's dashboard and decide nothing: a page can make them up.
type PageCounts struct {
	// Finished: forms that went through after a renewal.
	Finished int `json:"finished,omitempty"`
	// Held: forms held until there was a token; Sent: those sent then.
	Held int `json:"held,omitempty"`
	Sent int `json:"sent,omitempty"`
	// Kept: forms not sent. The user was told, and the values stayed on screen.
	Kept int `json:"kept,omitempty"`
	// SignInsAvoided: dead tokens replaced without a sign-in.
	SignInsAvoided int `json:"signInsAvoided,omitempty"`
}

// String keeps the token out of logs.
func (TokenRequest) String() string { return "api.TokenRequest [redacted]" }

// GoString keeps the token out of logs.
func (r TokenRequest) GoString() string { return r.String() }

// TokenAnswer is what POST /session and POST /session/token return.
type TokenAnswer struct {
	AccessToken string `json:"accessToken"`
	ExpiresAt   int64  `json:"expiresAt"`  // unix seconds, server's clock
	ExpiresIn   int64  `json:"expiresIn"`  // seconds from now
	ServerTime  int64  `json:"serverTime"` // unix milliseconds
	UUID        string `json:"uuid"`
	// Seconds until the idle and the absolute limit end the session.
	IdleExpiresIn     int64 `json:"idleExpiresIn"`
	AbsoluteExpiresIn int64 `json:"absoluteExpiresIn"`
}

// String keeps the token out of logs.
func (TokenAnswer) String() string { return "api.TokenAnswer [redacted]" }

// GoString keeps the token out of logs.
func (a TokenAnswer) GoString() string { return a.String() }

// UserRequest is the body of POST /revoke and POST /sessions.
type UserRequest struct {
	UUID string `json:"uuid"`
}

// RevokeAnswer is what POST /revoke returns.
type RevokeAnswer struct {
	Ended int `json:"ended"` // sessions that the user had
}

// ListAnswer is what POST /sessions returns, the oldest session first.
type ListAnswer struct {
	Sessions []ListedSession `json:"sessions"`
}

// ListedSession is a session as an operator may see it. Times are in UTC, as
// RFC 3339 writes them.
type ListedSession struct {
	Session         string `json:"session"` // as the log names it
	Mode            string `json:"mode"`    // "token" or "code"
	Opened          string `json:"opened"`
	Seen            string `json:"seen"`    // the last activity
	Renewed         string `json:"renewed"` // the last new access token
	IdleExpires     string `json:"idleExpires"`
	AbsoluteExpires string `json:"absoluteExpires"`
	Key             string `json:"key"` // the key of the ring that it is sealed under
}

// StatusAnswer is what GET /session returns: the session without its token.
type StatusAnswer struct {
	Active            bool   `json:"active"`
	UUID              string `json:"uuid"`
	Mode              string `json:"mode"` // "token" or "code"
	ExpiresIn         int64  `json:"expiresIn"`
	IdleExpiresIn     int64  `json:"idleExpiresIn"`
	AbsoluteExpiresIn int64  `json:"absoluteExpiresIn"`
}

// Problem is the body of every error answer (RFC 9457), with our code.
type Problem struct {
	Type   string `json:"type"` // always "about:blank": the code says it all
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"` // names the field and the remedy
	Code   Code   `json:"code"`
	// RequestID finds the line in the server's log.
	RequestID string `json:"requestId,omitempty"`
}
