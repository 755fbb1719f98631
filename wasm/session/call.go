package session

import "time"

// CallKind says which route a call goes to.
type CallKind uint8

// The kinds of call.
const (
	NoCall    CallKind = iota
	CallToken          // POST /session/token
	CallOpen           // POST /session
	CallEnd            // DELETE /session
)

func (k CallKind) name() string { return [...]string{"none", "ask", "open", "end"}[k] }

// changesCookie reports whether the answer may set or remove the cookie of the
// session. Such calls are made in order and are not cut short lightly.
func (k CallKind) changesCookie() bool { return k == CallOpen || k == CallEnd }

// Call is a question to the server.
type Call struct {
	Kind CallKind
	Seq  uint64
	Why  Why
	// Token is the one the page has (CallToken) or reports (CallOpen).
	Token Token
	// UUID is the page's claim, with CallOpen.
	UUID string
	// Code and RedirectURI are of a login with responseType code, instead of
	// Token. Such a call is made once.
	Code        Token
	RedirectURI string
}

// restores reports whether the call asks if the server knows this browser.
func (c *Call) restores() bool { return c.Kind == CallToken && c.Token.Empty() }

// Grant is the server's yes.
type Grant struct {
	Token             Token
	UUID              string
	ExpiresIn         time.Duration
	IdleExpiresIn     time.Duration
	AbsoluteExpiresIn time.Duration
	// ServerTime is the server's wall clock; zero when it was not told.
	ServerTime Instant
}

// who is the fingerprint of the user the grant is for.
func (g *Grant) who() string { return NewToken(g.UUID).Fingerprint() }

// skew is how far the server's clock is ahead of this machine's; the last one
// known where the grant does not say.
func (g *Grant) skew(last time.Duration, now Instant) time.Duration {
	if g.ServerTime.IsZero() {
		return last
	}
	return g.ServerTime.Sub(now.Wall()).Round(time.Second)
}

// Answer is what came of a call: a Grant when OK (empty for CallEnd), else Why
// and, for a final no, Final.
type Answer struct {
	OK    bool
	Grant Grant
	// Why is the reason of a no.
	Why Why
	// Final: for this session, or this credential, nothing else will come.
	Final bool
	// Missing: it is final, but the server saw no cookie of ours, so it does
	// not say of any session that it has ended.
	Missing    bool
	RetryAfter time.Duration
}
