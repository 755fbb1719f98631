package session

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// identifyAgain is the first wait between two questions of whose the exchanged
// tokens are; each further one is twice as long.
const identifyAgain = 200 * time.Millisecond

// CodeLogin is what a page reports after its user has signed in, and got a
// code.
type CodeLogin struct {
	Code secret.String
	// RedirectURI is the one the page signed in with; empty: the first of
	// Config.RedirectURIs.
	RedirectURI string
	// Previous is the session of the cookie sent along; it ends. Zero: none.
	Previous store.ID
}

// Exchange makes a session for the user whose code is reported, under a new id.
// The code is sent to Capture once at most, by whatever replica, whatever comes
// of it, and whether or not the caller waits.
//
// Codes: bad_request, code_used, grant_refused, upstream_refused,
// upstream_unavailable, store_unavailable, api.Internal.
func (s *Service) Exchange(ctx context.Context, login CodeLogin) (Session, error) {
	if login.RedirectURI == "" && len(s.config.RedirectURIs) > 0 {
		login.RedirectURI = s.config.RedirectURIs[0]
	}
	// Exactly, as Capture compares it: anything looser would spend the code.
	if !slices.Contains(s.config.RedirectURIs, login.RedirectURI) {
		return Session{}, &Error{Code: api.BadRequest, Detail: "redirectUri is not on the server's list; send the page's own redirectUri, which its operator can add to KEEPALIVE_REDIRECT_URI"}
	}
	type outcome struct {
		session Session
		err     error
	}
	answer := make(chan outcome, 1)
	detached := context.WithoutCancel(ctx)
	s.waiting.Go(func() {
		var got outcome
		defer func() { answer <- got }()
		defer s.catch(detached, &got.err)
		got.session, got.err = s.exchange(detached, login)
	})
	select {
	case got := <-answer:
		return got.session, got.err
	case <-ctx.Done():
		return Session{}, &Error{Code: api.UpstreamUnavailable, Detail: "the exchange goes on, but nobody waits for it", Cause: ctx.Err()}
	}
}

// exchange bounds each of its steps by itself: none may use up the time in
// which the next one saves what was given.
func (s *Service) exchange(ctx context.Context, login CodeLogin) (Session, error) {
	looking, cancel := context.WithTimeout(ctx, storeTimeout)
	begun, err := s.config.Store.Now(looking)
	cancel()
	if err != nil {
		return Session{}, s.storeFailed(err)
	}
	var began time.Time
	var tokens capture.Tokens
	err = s.upstream(ctx, spare, func(ctx context.Context) error {
		// Not before it is certain that the code will be sent: it is spent here.
		if err := s.markUsed(ctx, login.Code); err != nil {
			return err
		}
		began = s.now()
		ctx, cancel := context.WithTimeout(ctx, s.config.UpstreamTimeout)
		defer cancel()
		var err error
		tokens, err = s.config.Capture.Exchange(ctx, login.Code, login.RedirectURI)
		return err
	})
	if putOff := (*Error)(nil); errors.As(err, &putOff) {
		return Session{}, putOff
	}
	if err != nil {
		return Session{}, s.exchangeFailed(ctx, err)
	}
	uuid, err := s.identifyPatiently(ctx, tokens.Access)
	if err != nil {
		return Session{}, err
	}
	storing, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	if err := s.disown(storing, uuid, tokens.Access, tokens.Expires); err != nil {
		return Session{}, err
	}
	opened, err := s.begin(storing, store.Record{
		Mode:          store.ModeCode,
		UUID:          uuid,
		AccessToken:   tokens.Access,
		AccessIssued:  began,
		AccessExpires: tokens.Expires,
		RefreshToken:  tokens.Refresh,
		RedirectURI:   login.RedirectURI,
	}, begun)
	if err != nil {
		return Session{}, err
	}
	return opened, s.succeed(storing, login.Previous, opened, store.ModeCode)
}

// markUsed is before the exchange and not after it, so that no code is sent
// twice: not by two posts at once, not on two replicas, not after an answer
// that was lost.
func (s *Service) markUsed(ctx context.Context, code secret.String) error {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	err := s.config.Store.MarkOnce(ctx, "code "+hexHash(code), codeMemory)
	switch {
	case errors.Is(err, store.ErrExists):
		return &Error{Code: api.CodeUsed, Detail: "this authorizationCode was posted before; sign in again", Cause: err}
	case err != nil:
		return s.storeFailed(err)
	}
	return nil
}

// identifyPatiently asks again for as long as one call may take: the code
// cannot be exchanged again.
func (s *Service) identifyPatiently(ctx context.Context, token secret.String) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.config.UpstreamTimeout)
	defer cancel()
	for wait := identifyAgain; ; wait *= 2 {
		uuid, err := s.identify(ctx, token)
		var failure *Error
		if !errors.As(err, &failure) || failure.Code != api.UpstreamUnavailable {
			return uuid, err
		}
		if sleep(ctx, wait) != nil {
			s.config.Log.WarnContext(ctx, "Capture did not say whose the exchanged tokens are; they were dropped, their user has to sign in again", "cause", err)
			return "", codeLost(err)
		}
	}
}

// sleep returns early, with the error of ctx, when that is done.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
