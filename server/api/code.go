package api

// Code is a machine-readable error code. The page decides by it alone.
type Code string

// The closed list of codes. Their statuses are in the table of Status.
const (
	SessionMissing      Code = "session_missing"      // no cookie, or not one of ours
	SessionEnded        Code = "session_ended"        // our cookie, but no session any more
	IdentityMismatch    Code = "identity_mismatch"    // the claimed uuid is not the token's
	GrantRefused        Code = "grant_refused"        // Capture does not accept this token or code
	OriginRefused       Code = "origin_refused"       // not a page that may ask
	BadRequest          Code = "bad_request"          // the request is malformed
	NotFound            Code = "not_found"            // no such route
	MethodNotAllowed    Code = "method_not_allowed"   // wrong method on a route
	CodeUsed            Code = "code_used"            // this authorization code was posted before
	TooLarge            Code = "too_large"            // the body is over MaxBody
	UnsupportedMedia    Code = "unsupported_media"    // the body is not application/json
	RateLimited         Code = "rate_limited"         // come back after Retry-After
	UpstreamRefused     Code = "upstream_refused"     // Capture refuses the operator's client
	UpstreamUnavailable Code = "upstream_unavailable" // Capture cannot answer now
	StoreUnavailable    Code = "store_unavailable"    // the session store cannot answer now
	Internal            Code = "internal"             // a fault of the server itself
)

type codeFacts struct {
	code   Code
	status int
	title  string
	// final: nothing else will come for this session, or for this credential.
	final bool
}

// codes is the one table of code ↔ status. An array, and searched: the module
// would pay for building a map at every start.
var codes = [...]codeFacts{
	{SessionMissing, 401, "There is no session", true},
	{SessionEnded, 401, "The session has ended", true},
	{IdentityMismatch, 403, "The token belongs to someone else", true},
	{GrantRefused, 403, "Capture does not accept this token or code", true},
	{OriginRefused, 403, "This page may not ask", false},
	{BadRequest, 400, "The request is malformed", false},
	{NotFound, 404, "There is nothing here", false},
	{MethodNotAllowed, 405, "This method is not for this route", false},
	{CodeUsed, 409, "The authorization code was used before", true},
	{TooLarge, 413, "The request is too large", false},
	{UnsupportedMedia, 415, "The body must be application/json", false},
	{RateLimited, 429, "Too many requests", false},
	{UpstreamRefused, 502, "Capture refuses the service's own credentials", false},
	{UpstreamUnavailable, 503, "Capture cannot answer now", false},
	{StoreUnavailable, 503, "The session store cannot answer now", false},
	{Internal, 500, "The server has failed", false},
}

func (c Code) facts() (codeFacts, bool) {
	for _, facts := range codes {
		if facts.code == c {
			return facts, true
		}
	}
	return codeFacts{status: 500, title: "Something went wrong"}, false
}

// Codes returns the whole list.
func Codes() []Code {
	all := make([]Code, len(codes))
	for i, facts := range codes {
		all[i] = facts.code
	}
	return all
}

// Known reports whether c is on the list.
func (c Code) Known() bool { _, ok := c.facts(); return ok }

// Status is the HTTP status of c, 500 for an unknown code.
func (c Code) Status() int { facts, _ := c.facts(); return facts.status }

// Title is a sentence for a person.
func (c Code) Title() string { facts, _ := c.facts(); return facts.title }

// Final reports whether the server has said no for good: the session or the
// credential is no use any more. Everything else the page waits out: a request
// that is refused today, for a wrong setting say, may be right tomorrow.
func (c Code) Final() bool { facts, _ := c.facts(); return facts.final }
