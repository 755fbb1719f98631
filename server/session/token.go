package session

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// flight names a renewal: the session and the token that is replaced. Whoever
// asks with an older token in hand starts another flight, which finds the new
// one in the store and ends without a call.
type flight struct {
	session store.Key
	token   [sha256.Size]byte
}

func (f flight) String() string { return string(f.session[:]) + string(f.token[:]) }

// done reports that the record has another token already.
func (f flight) done(record store.Record) bool { return record.AccessToken.Hash() != f.token }

// refusal is a token that a page of a session refused.
type refusal flight

// Token returns a good token of the session: the stored one while it is good
// and not the refused one, else a new one. have is the token the page has;
// it forces a renewal only when it is the stored one and the reason says that
// Capture refused it.
//
// However many ask at once, Capture is asked once, and that call outlives the
// callers. The new token is stored before anyone is answered.
//
// Codes: session_ended, rate_limited, upstream_refused, upstream_unavailable,
// store_unavailable, api.Internal.
func (s *Service) Token(ctx context.Context, id store.ID, reason api.Reason, have secret.String) (Grant, error) {
	grant, outcome, err := s.answer(ctx, id, reason, have)
	if err != nil {
		outcome = failedOutcome(ctx, err)
	}
	s.config.Observer.TokenAsked(reason, outcome)
	return grant, err
}

// answer is Token, and what came of it if that is no error.
func (s *Service) answer(ctx context.Context, id store.ID, reason api.Reason, have secret.String) (Grant, Outcome, error) {
	record, err := s.read(ctx, id)
	if err != nil {
		return Grant{}, "", err
	}
	now := s.now()
	refused := reason.Refusal() && have.Equal(record.AccessToken)
	if !refused && !due(record, now) {
		return grantOf(record, now), OutcomeFresh, nil
	}

	grant, err := s.renew(ctx, id, record, reason, refused && !due(record, now))
	var failure *Error
	if refused || !errors.As(err, &failure) || !record.AccessExpires.After(s.now()) {
		return grant, OutcomeRenewed, err
	}
	switch failure.Code {
	case api.UpstreamRefused, api.UpstreamUnavailable, api.RateLimited:
		// The renewal has said why in the log; the old token still works.
		return grantOf(record, s.now()), OutcomeKept, nil
	}
	return Grant{}, "", err
}

// due reports whether a token is so near its end that it is time for another.
func due(record store.Record, now time.Time) bool {
	margin := api.Margin(record.AccessExpires.Sub(record.AccessIssued))
	return !now.Before(record.AccessExpires.Add(-margin))
}

// renew replaces the token of record, once for all who ask for that.
func (s *Service) renew(ctx context.Context, id store.ID, record store.Record, reason api.Reason, forced bool) (Grant, error) {
	key := flight{id.Key(), record.AccessToken.Hash()}
	s.waiting.Add(1)
	answer := s.flights.DoChan(key.String(), func() (any, error) {
		result := make(chan landing, 1)
		land := func(grant Grant, err error) {
			select {
			case result <- landing{grant, err}:
			default: // those who waited have been told something else
			}
		}
		s.waiting.Go(func() {
			// The caller may leave, but a token that was minted must be stored, or
			// it would be minted again for the next one.
			bound := 2 * s.turnTime(record.Mode) // another's turn, and one's own
			detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), bound)
			defer cancel()
			grant, err := s.fly(detached, id, key, forced, func(err error) { land(Grant{}, err) })
			outcome := OutcomeRenewed
			if err != nil {
				outcome = failedOutcome(context.WithoutCancel(ctx), err)
			}
			s.config.Observer.RenewalEnded(reason, outcome)
			land(grant, err)
		})
		first := <-result
		return first.grant, first.err
	})
	select {
	case result := <-answer:
		s.waiting.Done()
		grant, _ := result.Val.(Grant)
		return grant, result.Err
	case <-ctx.Done():
		go func() {
			<-answer
			s.waiting.Done()
		}()
		return Grant{}, &Error{Code: api.UpstreamUnavailable, RetryAfter: retryTemporary, Detail: "the renewal goes on, but nobody waits for it", Cause: ctx.Err()}
	}
}

// landing is what those hear who wait for a flight.
type landing struct {
	grant Grant
	err   error
}

// fly is one renewal. Its result goes to all who wait, unless it tells them
// something before.
func (s *Service) fly(ctx context.Context, id store.ID, key flight, forced bool, tell func(error)) (grant Grant, err error) {
	defer s.catch(ctx, &err)

	record, err := s.read(ctx, id)
	if err != nil {
		return Grant{}, err
	}
	if key.done(record) {
		return grantOf(record, s.now()), nil
	}
	if err := s.rested(key.session); err != nil {
		return Grant{}, err
	}
	of := whole
	if forced {
		if of, err = s.admitForced(key, record.AccessIssued); err != nil {
			return Grant{}, err
		}
	}
	record, release, err := s.turn(ctx, id, record.Mode, key)
	if err != nil {
		return Grant{}, err
	}
	defer release()
	if key.done(record) {
		return grantOf(record, s.now()), nil
	}
	if record.Mode == store.ModeCode {
		return s.refresh(ctx, id, record, key, of, tell)
	}
	token, err := s.issue(ctx, of, record.UUID)
	if err != nil {
		return Grant{}, s.renewalFailed(ctx, id, record.UUID, err)
	}
	return s.keepToken(ctx, id, record, key, pair{
		access: token.Access, issued: token.Expires.Add(-s.config.TokenLifetime), expires: token.Expires,
	})
}

// catch turns a panic of detached work into an error: in a goroutine of its own
// it would end the process, and with it everyone else's session.
func (s *Service) catch(ctx context.Context, err *error) {
	if cause := recover(); cause != nil {
		s.config.Log.ErrorContext(ctx, "an exchange or a renewal panicked", "kind", fmt.Sprintf("%T", cause), "stack", string(debug.Stack()))
		*err = &Error{Code: api.Internal, Detail: "the server failed by a fault of its own"}
	}
}

// admitForced counts the renewals that a page forces, and beyond its rate lets
// the first refusal of a token pass, out of what the others leave: a token whose
// renewal fails, or comes back the same, must not let one page hammer Capture.
// Nor must a page that refuses each new token at once, so a token has to be of
// some age for that.
func (s *Service) admitForced(key flight, issued time.Time) (share, error) {
	wait, ok := s.forced.Take(key.session)
	first := s.now().Sub(issued) >= freeAge && s.refused.Is(refusal(key))
	switch {
	case ok:
		return whole, nil
	case first:
		return spare, nil
	}
	return spare, &Error{Code: api.RateLimited, RetryAfter: wait, Detail: "this session has forced too many renewals; wait, then ask again"}
}

// pair is what Capture gave: an access token, its life, and, in a server-side
// session, the refresh token for the next one.
type pair struct {
	access, refresh secret.String
	issued, expires time.Time
}

// keepToken stores an issued token over the one it replaces, if the store does
// it now: nobody has the token yet, and another can be had.
func (s *Service) keepToken(ctx context.Context, id store.ID, record store.Record, key flight, got pair) (Grant, error) {
	// Capture may have used up the time of the flight.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	if err := s.disown(ctx, record.UUID, got.access, got.expires); err != nil {
		return Grant{}, err
	}
	return s.keepOnce(ctx, id, record, key, got)
}

// keepPair stores a refreshed pair over the one it replaces. Trouble of the
// store must not cost the session, for the old pair is worth nothing any more;
// but those who wait hear of it at once.
func (s *Service) keepPair(ctx context.Context, id store.ID, record store.Record, key flight, got pair, tell func(error)) (Grant, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), pairTimeout)
	defer cancel()
	for {
		forgotten := s.disown(ctx, record.UUID, got.access, got.expires)
		if forgotten != nil {
			tell(forgotten)
		}
		grant, err := s.keepOnce(ctx, id, record, key, got)
		if err == nil && forgotten != nil {
			s.config.Log.WarnContext(ctx, "a refreshed token is not known as ours: whoever steals it can open a client-side session with it", "session", Tag(id), "cause", forgotten)
		}
		var failure *Error
		if !errors.As(err, &failure) || failure.Code != api.StoreUnavailable {
			return grant, err
		}
		tell(err)
		if sleep(ctx, pollInterval) != nil {
			s.config.Log.ErrorContext(ctx, "what a refresh gave could not be stored; the session ends with its present token", "session", Tag(id), "cause", err)
			return Grant{}, err
		}
	}
}

func (s *Service) keepOnce(ctx context.Context, id store.ID, record store.Record, key flight, got pair) (Grant, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	for {
		record.AccessToken, record.RefreshToken = got.access, got.refresh
		record.AccessIssued, record.AccessExpires = got.issued, got.expires
		kept, err := s.config.Store.Update(ctx, id, record)
		switch {
		case err == nil:
			s.config.Log.InfoContext(ctx, "a session has a new token", "session", Tag(id))
			return grantOf(kept, s.now()), nil
		case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrExpired):
			// Somebody wrote in between: the user was there, perhaps just in
			// time, or another replica renewed.
		default:
			return Grant{}, s.storeFailed(err)
		}
		if record, err = s.read(ctx, id); err != nil {
			return Grant{}, err
		}
		if key.done(record) {
			return grantOf(record, s.now()), nil // another replica's token is as good
		}
	}
}

func (s *Service) identify(ctx context.Context, token secret.String) (uuid string, err error) {
	err = s.upstream(ctx, spare, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, s.config.UpstreamTimeout)
		defer cancel()
		uuid, err = s.config.Capture.Identify(ctx, token)
		return err
	})
	if putOff := (*Error)(nil); err == nil || errors.As(err, &putOff) {
		return uuid, err
	}
	return "", s.identifyFailed(ctx, err)
}

func (s *Service) issue(ctx context.Context, of share, uuid string) (token capture.Token, err error) {
	err = s.upstream(ctx, of, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, s.config.UpstreamTimeout)
		defer cancel()
		token, err = s.config.Capture.Issue(ctx, uuid)
		return err
	})
	return token, err
}
