package session

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/clock"
	"github.com/capture-keepalive/capture-keepalive/server/limit"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// pairTimeout bounds the attempts to store what a refresh gave, which cannot be
// had again: longer than the failover of a Redis takes, and than a restart. Other
// servers keep the session for as long; see doubtTime.
const pairTimeout = 90 * time.Second

// Token returns a good token of the session: the stored one while it is good and
// not the refused one, else a new one. have is the token the page has; it forces
// a renewal only when it is the stored one and the reason says that Capture
// refused it.
//
// However many callers ask at once, Capture is asked once, and that call goes on
// when they disconnect. The new token is stored before any caller is answered.
//
// Codes: session_ended, rate_limited, upstream_refused, upstream_unavailable,
// store_unavailable, api.Internal.
func (s *Service) Token(
	ctx context.Context, id store.ID, reason api.Reason, have secret.String,
) (Grant, error) {
	grant, outcome, err := s.answer(ctx, id, reason, have)
	if err != nil {
		outcome = failedOutcome(ctx, err)
	}
	s.config.Observer.TokenAsked(reason, outcome)
	return grant, err
}

// answer is Token, and what came of it if that is no error.
func (s *Service) answer(
	ctx context.Context, id store.ID, reason api.Reason, have secret.String,
) (Grant, Outcome, error) {
	record, err := s.read(ctx, id)
	if err != nil {
		return Grant{}, "", err
	}
	now := s.now()
	refused := reason.Refusal() && have.Equal(record.AccessToken)
	if !refused && !due(record, now) {
		if record.OldKey {
			s.sealAnew(ctx, id, record)
		}
		return grantOf(record, now), OutcomeFresh, nil
	}

	grant, err := s.join(ctx, &renewal{
		key: renewalKey{id.Key(), record.AccessToken.Hash()}, id: id, reason: reason,
		forced: refused && !due(record, now), told: make(chan struct{}),
	})
	if refused || err == nil || !record.AccessExpires.After(s.now()) {
		return grant, OutcomeRenewed, err
	}
	switch codeOf(err) {
	case api.UpstreamRefused, api.UpstreamUnavailable, api.RateLimited:
		// The renewal has said why in the log; the old token still works.
		return grantOf(record, s.now()), OutcomeKept, nil
	default:
		return Grant{}, "", err
	}
}

// join waits for the renewal of a key, and starts it if it is not under way. A
// caller that disconnects leaves nothing behind.
func (s *Service) join(ctx context.Context, mine *renewal) (Grant, error) {
	one, added := s.renewals.add(mine)
	if added {
		s.run(ctx, one)
	}
	waiting, cancel := limit.Timeout(ctx, AnswerTimeout(s.config.UpstreamTimeout))
	defer cancel()
	if err := waitFor(waiting, one.told); err != nil {
		return Grant{}, disconnected(err)
	}
	return one.grant, one.err
}

// run has a renewal go on in the background.
func (s *Service) run(ctx context.Context, r *renewal) {
	ctx = context.WithoutCancel(ctx)
	var grant Grant
	s.start(ctx, func() (err error) {
		if s.work.closing() {
			return putOff(retrySoon, "the server is shutting down; ask again soon")
		}
		grant, err = s.renew(ctx, r)
		return err
	}, func(err error) {
		last := cmp.Or(r.later, r)
		s.renewals.remove(last)
		outcome := OutcomeRenewed
		if err != nil {
			grant, outcome = Grant{}, failedOutcome(ctx, err)
		}
		s.config.Observer.RenewalEnded(r.reason, outcome)
		r.notify(grant, err)
		last.notify(grant, err)
	})
}

// notifyEarly answers those who wait while the renewal goes on. Later callers
// wait for its end, and start no other one:
//
//	A: refresh sent, the store stands still, the lock is lost.
//	B must not send the same refresh token: see TestPairIsStoredPatiently.
func (s *Service) notifyEarly(r *renewal, err error) {
	if r.later == nil {
		s.renewals.follow(r)
	}
	r.notify(Grant{}, err)
}

// renew is one renewal, from the cooldown to the stored token. ctx has no end:
// each step has its own, so that none uses up the time of the next.
func (s *Service) renew(ctx context.Context, r *renewal) (Grant, error) {
	record, err := s.read(ctx, r.id)
	if err != nil {
		return Grant{}, err
	}
	if r.key.replaced(record) {
		return grantOf(record, s.now()), nil
	}
	if err := s.cooldowns.active(r.key); err != nil {
		return Grant{}, err
	}
	if r.forced {
		age := s.now().Sub(record.AccessIssued)
		if err := s.cooldowns.admitForced(r.key, store.OwnerOf(record.UUID), age); err != nil {
			return Grant{}, err
		}
	}

	waiting, cancel := limit.Timeout(ctx, AnswerTimeout(s.config.UpstreamTimeout))
	defer cancel()
	for {
		grant, err := s.renewLocked(ctx, waiting, r)
		if !errors.Is(err, errOvertaken) {
			return grant, err
		}
	}
}

// renewLocked is the part of a renewal under the lock. waiting bounds the wait
// for it.
func (s *Service) renewLocked(ctx, waiting context.Context, r *renewal) (Grant, error) {
	record, unlock, err := s.lock(waiting, r.id, r.key)
	if err != nil {
		return Grant{}, err
	}
	defer unlock()
	if r.key.replaced(record) {
		return grantOf(record, s.now()), nil
	}
	if record.Mode == store.ModeCode {
		return s.refresh(ctx, r, record)
	}
	return s.issue(ctx, r, record)
}

// class is the kind of call that the renewal makes. What a page can bring about
// has low priority: forcing, and claiming at its login that the token dies soon.
func (s *Service) class(r *renewal, record store.Record) *class {
	claimed := record.Mode == store.ModeToken &&
		record.AccessExpires.Sub(record.AccessIssued) < s.config.TokenLifetime-time.Second
	if r.forced || claimed {
		return &s.calls.forced
	}
	return &s.calls.due
}

// issue is a renewal of a client-side session. Nothing is spent: if the token
// cannot be stored another one can be had.
func (s *Service) issue(ctx context.Context, r *renewal, record store.Record) (Grant, error) {
	var tokens capture.Tokens
	began := s.now()
	err := s.call(ctx, s.class(r, record), func(ctx context.Context) (err error) {
		tokens, err = s.config.Capture.Issue(ctx, record.UUID)
		return err
	})
	if err != nil {
		return Grant{}, s.renewalFailed(ctx, r, record, err)
	}
	s.evidence.seen()
	got := pair{tokens, began}
	if err := s.markIssued(ctx, record.UUID, got); err != nil {
		return Grant{}, err
	}
	return s.keep(ctx, r, record, got)
}

// refresh is a renewal of a server-side session. From the call on the old
// refresh token is worth nothing, so that storing the new pair has priority over
// everything.
func (s *Service) refresh(ctx context.Context, r *renewal, record store.Record) (Grant, error) {
	got, err := s.spend(ctx, r, &record)
	switch kind, _ := verdictOf(err); {
	case err == nil:
		s.evidence.seen()
		return s.keepPair(ctx, r, record, got)
	case errors.Is(err, errReplaced):
		return s.stored(ctx, r.id)
	case errors.Is(err, errOvertaken):
		return Grant{}, err
	case codeOf(err) == "" && kind == capture.GrantGone && s.believed(record):
		return s.giveUp(ctx, r, record, err)
	}
	return Grant{}, s.renewalFailed(ctx, r, record, err)
}

// giveUp ends a session with a dead refresh token, unless another server has
// the answer, or may have it.
func (s *Service) giveUp(
	ctx context.Context, r *renewal, record store.Record, cause error,
) (Grant, error) {
	err := s.writeTombstone(ctx, r.id, r.key)
	switch {
	case err == nil:
		return Grant{}, s.endByVerdict(ctx, r.id, record, capture.GrantGone, cause)
	case errors.Is(err, errReplaced):
		return s.stored(ctx, r.id)
	}
	s.config.Log.WarnContext(ctx,
		"Capture calls a refresh token dead. The session is kept for now.",
		"session", Tag(r.id), "user", UserTag(record.UUID), "error", err, "cause", cause)
	return Grant{}, s.coolDown(r, err)
}

// spend sends the refresh token. It asks once more after a lost answer: either
// Capture did not hear the question, or it now says that the token is used up,
// and the session cannot be saved.
func (s *Service) spend(
	ctx context.Context, r *renewal, record *store.Record,
) (got pair, err error) {
	sent := false
	send := func(ctx context.Context) (err error) {
		sent = true
		got.issued = s.now()
		got.Tokens, err = s.config.Capture.Refresh(ctx, record.RefreshToken)
		return err
	}
	// The intent is not written before it is certain that the token will be sent.
	intend := func(ctx context.Context) error { return s.writeIntent(ctx, r.id, r.key, record) }
	err = s.callOnce(ctx, s.class(r, *record), intend, send)
	if answer, ok := errors.AsType[*capture.Error](err); ok && answer.Lost {
		s.config.Log.WarnContext(ctx, "The answer to a refresh was lost; asking once more.",
			"session", Tag(r.id), "user", UserTag(record.UUID), "cause", err)
		// The others count from the last write.
		if again := intend(ctx); again != nil {
			return pair{}, again
		}
		err = s.follow(ctx, send)
	}
	if kind, _ := verdictOf(err); err != nil && sent && kind != capture.GrantGone {
		s.withdrawIntent(ctx, r.id, r.key)
	}
	return got, err
}

// pair is what Capture gave: an access token and, in a server-side session, the
// refresh token for the next one.
type pair struct {
	capture.Tokens
	issued time.Time // before Capture was asked
}

func (p pair) expires() time.Time { return p.issued.Add(p.Life) }

// keepPair stores a refreshed pair over the one it replaces, and does not give
// up at once: trouble of the store must not cost the session. Those who wait
// hear of the trouble at once.
func (s *Service) keepPair(
	ctx context.Context, r *renewal, record store.Record, got pair,
) (Grant, error) {
	ctx, cancel := limit.Timeout(ctx, pairTimeout)
	defer cancel()
	for {
		unmarked := s.markIssued(ctx, record.UUID, got)
		if unmarked != nil {
			s.notifyEarly(r, unmarked)
		}
		grant, err := s.keep(ctx, r, record, got)
		if err == nil && unmarked != nil {
			s.config.Log.WarnContext(ctx, "A refreshed token is not marked as issued: "+
				"a thief of it could open a client-side session.",
				"session", Tag(r.id), "user", UserTag(record.UUID), "cause", unmarked)
		}
		if codeOf(err) != api.StoreUnavailable {
			return grant, err
		}
		s.notifyEarly(r, err)
		if clock.Sleep(ctx, pollInterval) != nil {
			s.config.Log.ErrorContext(ctx, "A refreshed pair could not be stored. "+
				"The session ends with its present token. Check the store.",
				"session", Tag(r.id), "user", UserTag(record.UUID), "cause", err)
			return Grant{}, err
		}
	}
}

// keep stores what Capture gave over what it replaces.
func (s *Service) keep(
	ctx context.Context, r *renewal, record store.Record, got pair,
) (Grant, error) {
	for {
		record.AccessToken, record.RefreshToken = got.Access, got.Refresh
		record.AccessIssued, record.AccessExpires = got.issued, got.expires()
		record.Application, record.Sent = s.config.Application, store.Sent{}
		kept, err := s.store.Update(ctx, r.id, record)
		switch {
		case err == nil:
			s.config.Log.InfoContext(ctx, "A session has a new token.", "event", "renewed",
				"session", Tag(r.id), "user", UserTag(record.UUID),
				"reason", string(r.reason), "forced", r.forced)
			return grantOf(kept, s.now()), nil
		case errors.Is(err, store.ErrConflict), errors.Is(err, store.ErrExpired):
			// Written in between: the user was active, perhaps just in time, or
			// another server has renewed.
		default:
			return Grant{}, storeFailed(err)
		}
		if record, err = s.read(ctx, r.id); err != nil {
			return Grant{}, err
		}
		if r.key.replaced(record) {
			return grantOf(record, s.now()), nil // the other server's token is as good
		}
	}
}

// renewalFailed decides what a failed call means for the session.
func (s *Service) renewalFailed(
	ctx context.Context, r *renewal, record store.Record, cause error,
) error {
	if codeOf(cause) != "" {
		// The call was not made.
		s.config.Log.WarnContext(ctx, "A renewal was put off.",
			"session", Tag(r.id), "user", UserTag(record.UUID), "error", cause)
		return cause
	}
	kind, retryAfter := verdictOf(cause)
	switch kind {
	case capture.AccountGone, capture.GrantGone:
		if s.believed(record) {
			return s.endByVerdict(ctx, r.id, record, kind, cause)
		}
		if !s.doubt(r.key, record) {
			s.withdrawIntent(ctx, r.id, r.key)
		}
		return s.coolDown(r, s.doubtVerdict(ctx, r.id, record, cause))
	case capture.OperatorFault:
		return s.coolDown(r, s.alarm(ctx, retryAfter, cause))
	default:
		s.config.Log.WarnContext(ctx, "A renewal failed for now.",
			"session", Tag(r.id), "user", UserTag(record.UUID), "cause", cause)
		return s.coolDown(r, unavailable(retryAfter, cause))
	}
}

// coolDown has later callers hear a failure for a while instead of asking again.
func (s *Service) coolDown(r *renewal, err error) error {
	if failure, ok := errors.AsType[*Error](err); ok && !failure.Code.Final() {
		return s.cooldowns.begin(r.key, failure)
	}
	return err
}

// sealAnew writes a record that was read under an old key, so that the key can
// be removed once every session was used.
func (s *Service) sealAnew(ctx context.Context, id store.ID, record store.Record) {
	s.background(ctx, func(ctx context.Context) {
		if _, err := s.store.Update(ctx, id, record); err != nil && !store.IsVerdict(err) {
			s.config.Log.WarnContext(ctx,
				"A session could not be sealed under the new key. The next token call tries again.",
				"session", Tag(id), "cause", err)
		}
	})
}
