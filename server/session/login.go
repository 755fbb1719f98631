package session

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/clock"
	"github.com/capture-keepalive/capture-keepalive/server/limit"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

const (
	// codeMemory is how long a code counts as used: far longer than the seconds
	// for which Capture accepts one (contract section 4), and no longer, because
	// a made-up code takes room for as long.
	codeMemory = time.Hour
	// identifyAgain is the first wait between two questions for the user of
	// exchanged tokens; each further one is twice as long.
	identifyAgain = 200 * time.Millisecond
	// exchangePatience is how long a session of exchanged tokens is tried to be
	// stored, before the page is told to sign in again.
	exchangePatience = 900 * time.Millisecond
)

// Login is what a page reports after its user has signed in, and got a token.
type Login struct {
	Token secret.String
	// Claim is the uuid that the page believes the token to be for; empty: it
	// did not say. It is compared, never believed.
	Claim string
	// Expires is when the page believes the token to die; zero: it did not say.
	// It can only shorten what TokenLifetime allows.
	Expires time.Time
	// Previous is the session of the cookie sent along; a new session takes its
	// place. Zero: none.
	Previous store.ID
}

// CodeLogin is what a page reports after its user has signed in, and got a
// code.
type CodeLogin struct {
	Code secret.String
	// RedirectURI is the one that the page signed in with; empty: the first of
	// Config.RedirectURIs.
	RedirectURI string
	// Previous is the session of the cookie sent along; it ends. Zero: none.
	Previous store.ID
}

// Session is a session that was just opened.
type Session struct {
	ID store.ID
	Grant
}

// Open makes a session for the user of the reported token, under a new id. It
// gets no token: the one in the answer is the reported one.
//
// A token that this server issued makes no session, and Capture is not asked
// about it: with the cookie of a session of its user that one is returned as it
// stands, and without it the answer is that to a dead token. So is the one to a
// token that was reported before a Revoke of its user.
//
// Codes: grant_refused, identity_mismatch, upstream_refused,
// upstream_unavailable, store_unavailable.
func (s *Service) Open(ctx context.Context, login Login) (Session, error) {
	user, issued, err := s.recall(ctx, issuedNote(login.Token))
	if err != nil {
		return Session{}, err
	}
	if issued {
		return s.readmit(ctx, login, user)
	}
	begun, err := s.begin(ctx)
	if err != nil {
		return Session{}, err
	}
	// The token's life is counted from before the call: a slow answer must not
	// make the token look younger.
	asked := s.now()
	uuid, err := s.identify(ctx, login.Token)
	if err != nil {
		return Session{}, err
	}
	if login.Claim != "" && login.Claim != uuid {
		return Session{}, s.mismatch(ctx, login.Claim, uuid)
	}
	if begun, err = s.firstReport(ctx, login.Token, begun); err != nil {
		return Session{}, err
	}
	return s.create(ctx, login.Previous, begun, store.Record{
		Mode:          store.ModeToken,
		UUID:          uuid,
		AccessToken:   login.Token,
		AccessIssued:  asked,
		AccessExpires: s.claimedEnd(asked, login.Expires),
	})
}

// claimedEnd is the end of a reported token: what the page says, between now
// and the longest life.
func (s *Service) claimedEnd(asked, claimed time.Time) time.Time {
	longest := asked.Add(s.config.TokenLifetime)
	switch {
	case claimed.IsZero() || claimed.After(longest):
		return longest
	case claimed.Before(asked):
		return asked
	}
	return claimed
}

// begin is the moment at which a login begins. A revocation that comes later
// keeps it from opening a session.
func (s *Service) begin(ctx context.Context) (store.Moment, error) {
	begun, err := s.store.Now(ctx)
	return begun, storeFailed(err)
}

// identify asks for the user of a token that a page reports. A token that
// Capture rejected is not asked about again for a while.
func (s *Service) identify(ctx context.Context, token secret.String) (uuid string, err error) {
	if err := s.cooldowns.rejection(token); err != nil {
		return "", err
	}
	err = s.call(ctx, &s.calls.login, func(ctx context.Context) error {
		uuid, err = s.config.Capture.Identify(ctx, token)
		return err
	})
	switch {
	case err == nil:
		s.evidence.seen()
		return uuid, nil
	case codeOf(err) != "":
		return "", err // Capture was not asked
	case ctx.Err() != nil:
		return "", disconnected(err)
	}
	failure := s.loginFailed(ctx, err)
	if failure.Code == api.GrantRefused {
		s.cooldowns.reject(token, failure)
	}
	return "", failure
}

// loginFailed turns a failed call into the answer to a login. Unknown, dead and
// foreign tokens are all alike to the page, so that it cannot tell which tokens
// exist.
func (s *Service) loginFailed(ctx context.Context, cause error) *Error {
	kind, retryAfter := verdictOf(cause)
	switch kind {
	case capture.GrantGone, capture.AccountGone, capture.TokenExpired:
		return grantRefused(cause)
	case capture.OperatorFault:
		return s.alarm(ctx, retryAfter, cause)
	default:
		return unavailable(retryAfter, cause)
	}
}

// mismatch is the answer to a login with a claim that is not true.
func (s *Service) mismatch(ctx context.Context, claimed, actual string) *Error {
	s.config.Log.WarnContext(ctx, "audit: a login claimed the token of another user",
		"event", "identity_mismatch", "claimed", UserTag(claimed), "actual", UserTag(actual))
	return &Error{
		Code: api.IdentityMismatch,
		Detail: "uuid is not the one Capture names for accessToken; " +
			"report the uuid of the user who signed in, or none",
	}
}

// Exchange makes a session for the user of the reported code, under a new id.
// The code is sent to Capture once at most, among all replicas, whatever the
// answer. From then on the work goes on even if the client disconnects, and
// nothing holds it up.
//
// Codes: bad_request, code_used, grant_refused, upstream_refused,
// upstream_unavailable, store_unavailable, api.Internal.
func (s *Service) Exchange(ctx context.Context, login CodeLogin) (Session, error) {
	if login.RedirectURI == "" && len(s.config.RedirectURIs) > 0 {
		login.RedirectURI = s.config.RedirectURIs[0]
	}
	// Exactly, as Capture compares it: anything looser would spend the code.
	if !slices.Contains(s.config.RedirectURIs, login.RedirectURI) {
		return Session{}, &Error{
			Code: api.BadRequest,
			Detail: "redirectUri is not on the server's list; send the page's own redirectUri, " +
				"which its operator can add to KEEPALIVE_REDIRECT_URI",
		}
	}
	var opened Session
	var err error
	told := make(chan struct{})
	s.start(ctx, func() (err error) {
		opened, err = s.exchange(ctx, login)
		return err
	}, func(failure error) {
		err = failure
		close(told)
	})
	waiting, cancel := limit.Timeout(ctx, AnswerTimeout(s.config.UpstreamTimeout))
	defer cancel()
	if left := waitFor(waiting, told); left != nil {
		return Session{}, disconnected(left)
	}
	return opened, err
}

// exchange spends the code. Up to then it ends with its client's context.
func (s *Service) exchange(client context.Context, login CodeLogin) (Session, error) {
	if s.work.closing() {
		return Session{}, putOff(retrySoon, "the server is shutting down; post the code again")
	}
	begun, err := s.begin(client)
	if err != nil {
		return Session{}, err
	}
	var got pair
	spend := func(ctx context.Context) error { return s.markUsed(ctx, login.Code) }
	err = s.callOnce(client, &s.calls.login, spend, func(ctx context.Context) (err error) {
		got.issued = s.now()
		got.Tokens, err = s.config.Capture.Exchange(ctx, login.Code, login.RedirectURI)
		return err
	})
	switch {
	case codeOf(err) != "":
		return Session{}, err // Capture was not asked
	case err != nil:
		return Session{}, s.exchangeFailed(client, err)
	}
	return s.openExchanged(context.WithoutCancel(client), login, begun, got)
}

// openExchanged makes the session of tokens that a code was exchanged for. They
// cannot be had again, so that it tries again where the store fails.
func (s *Service) openExchanged(
	ctx context.Context, login CodeLogin, begun store.Moment, got pair,
) (opened Session, err error) {
	uuid, err := s.identifyExchanged(ctx, got.Access)
	if err != nil {
		return Session{}, err
	}
	patience, cancel := limit.Timeout(ctx, exchangePatience)
	defer cancel()
	for {
		if err = s.markIssued(ctx, uuid, got); err == nil {
			opened, err = s.create(ctx, login.Previous, begun, store.Record{
				Mode:          store.ModeCode,
				UUID:          uuid,
				AccessToken:   got.Access,
				AccessIssued:  got.issued,
				AccessExpires: got.expires(),
				RefreshToken:  got.Refresh,
				RedirectURI:   login.RedirectURI,
			})
		}
		if codeOf(err) != api.StoreUnavailable || clock.Sleep(patience, pollInterval) != nil {
			return opened, err
		}
	}
}

// markUsed is before the exchange and not after it, so that no code is sent
// twice: not by two posts at once, not on two replicas, not after an answer
// that was lost.
func (s *Service) markUsed(ctx context.Context, code secret.String) error {
	err := s.store.MarkOnce(ctx, "code "+hexHash(code), codeMemory)
	if errors.Is(err, store.ErrExists) {
		return &Error{
			Code:   api.CodeUsed,
			Detail: "this authorizationCode was posted before; sign in again", Cause: err,
		}
	}
	return storeFailed(err)
}

// exchangeFailed turns a failed exchange into the answer to a login. The code is
// spent: only signing in can be tried again.
func (s *Service) exchangeFailed(ctx context.Context, cause error) *Error {
	failure := s.loginFailed(ctx, cause)
	if failure.Code == api.UpstreamUnavailable {
		s.config.Log.WarnContext(ctx,
			"A code could not be exchanged. Its user has to sign in again.", "cause", cause)
		return codeLost(cause)
	}
	return failure
}

// identifyExchanged asks for the user of exchanged tokens, again and again for
// as long as one such call may take: the code cannot be exchanged again.
func (s *Service) identifyExchanged(
	ctx context.Context, token secret.String,
) (uuid string, err error) {
	ctx, cancel := limit.Timeout(ctx, min(s.config.UpstreamTimeout, followTimeout))
	defer cancel()
	for wait := identifyAgain; ; wait *= 2 {
		err := s.follow(ctx, func(ctx context.Context) error {
			uuid, err = s.config.Capture.Identify(ctx, token)
			return err
		})
		if err == nil {
			s.evidence.seen()
			return uuid, nil
		}
		failure := s.loginFailed(ctx, err)
		if failure.Code != api.UpstreamUnavailable {
			return "", failure
		}
		if clock.Sleep(ctx, wait) != nil {
			s.config.Log.WarnContext(ctx, "Capture did not name the user of exchanged tokens. "+
				"The tokens were dropped, and the user has to sign in again.",
				"cause", err)
			return "", codeLost(err)
		}
	}
}

// create stores a new session under a new id, in the place of the previous one,
// if there is one. Until all of it has succeeded the page still has the old
// session.
func (s *Service) create(
	ctx context.Context, previous store.ID, begun store.Moment, record store.Record,
) (Session, error) {
	now := s.now()
	record.Created, record.Seen = now, now
	record.AbsoluteExpires = now.Add(s.config.AbsoluteTimeout)
	record.IdleExpires = s.idleLimit(now, record)
	record.Application = s.config.Application

	id := store.NewID()
	err := s.store.Create(ctx, id, record, begun)
	switch {
	case errors.Is(err, store.ErrRevoked):
		const audit = "audit: a login from before a revocation"
		return Session{}, s.replayed(ctx, audit, UserTag(record.UUID), errRevoked)
	case err != nil:
		// The row may have been written all the same.
		s.drop(ctx, id)
		return Session{}, storeFailed(err)
	}
	if previous != (store.ID{}) {
		if err := s.replace(ctx, previous); err != nil {
			s.drop(ctx, id)
			return Session{}, err
		}
	}
	s.config.Observer.SessionOpened(record.Mode)
	s.config.Log.InfoContext(ctx, "A session was opened.", "event", "opened",
		"session", Tag(id), "user", UserTag(record.UUID), "mode", string(record.Mode))
	s.background(ctx, func(ctx context.Context) { s.endExcess(ctx, record.UUID, id) })
	return Session{ID: id, Grant: grantOf(record, now)}, nil
}

// drop deletes a session that no page was given. Left behind, it would be there
// until its idle limit, but out of reach.
func (s *Service) drop(ctx context.Context, id store.ID) {
	s.background(ctx, func(ctx context.Context) {
		if _, err := s.store.Delete(ctx, id); err != nil {
			s.config.Log.WarnContext(ctx,
				"A session that no page was given stays until its idle limit.",
				"session", Tag(id), "cause", err)
		}
	})
}
