package session

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/limit"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// End ends a session; it is no error if there is none. It waits for nothing: a
// renewal under way finds no record and drops its token.
//
// replaced: a login of the same browser has taken the session's place lately.
// The cookie that is there now is that login's, and must stay:
//
//	page: DELETE under way.   page: login, new cookie.   DELETE arrives late.
//
// Codes: store_unavailable.
func (s *Service) End(ctx context.Context, id store.ID) (replaced bool, err error) {
	ctx, cancel := limit.Timeout(ctx, storeTimeout)
	defer cancel()
	if err := s.endOne(ctx, id, WhySignedOut); err != nil {
		return false, err
	}
	_, replaced, err = s.recall(ctx, replacedNote(id))
	return replaced || err != nil, nil // in doubt the cookie stays: it opens nothing
}

// replacedMemory is how long a session counts as replaced: longer than a request
// can be on its way.
const replacedMemory = 10 * time.Minute

// replace ends a session that another one takes the place of in its browser.
func (s *Service) replace(ctx context.Context, id store.ID) error {
	if err := s.store.Remember(ctx, replacedNote(id), "", replacedMemory); err != nil {
		return storeFailed(err)
	}
	return s.endOne(ctx, id, WhyReplaced)
}

func replacedNote(id store.ID) string {
	key := id.Key()
	return "replaced " + hex.EncodeToString(key[:])
}

// endOne ends the session of an id, if there is one.
func (s *Service) endOne(ctx context.Context, id store.ID, why Why) error {
	// The log names the user, whom only the record knows.
	record, err := s.store.Get(ctx, id)
	if err != nil && !store.IsVerdict(err) {
		return storeFailed(err)
	}
	ended, err := s.store.Delete(ctx, id)
	if err != nil {
		return storeFailed(err)
	}
	if ended {
		s.logEnd(ctx, Tag(id), record.UUID, why)
	}
	return nil
}

// revokeTimeout bounds the deletion of all sessions of a user.
const revokeTimeout = 5 * time.Second

// Revoke ends all sessions of a user and returns how many there were. A login
// that has begun by then, with a token or a code, opens none, whatever stage it
// has reached; the user may sign in anew at once. It is done to the end though
// its caller disconnects.
//
// Codes: store_unavailable; then some of it is done, and it can be tried again.
func (s *Service) Revoke(ctx context.Context, uuid string) (int, error) {
	ctx, cancel := limit.Timeout(context.WithoutCancel(ctx), revokeTimeout)
	defer cancel()
	return s.endAll(ctx, uuid, WhyRevoked)
}

// endAll ends all sessions of a user.
func (s *Service) endAll(ctx context.Context, uuid string, why Why) (int, error) {
	ended, err := s.store.DeleteByUUID(ctx, uuid)
	s.config.Observer.SessionsEnded(why, ended)
	if err != nil {
		return ended, storeFailed(err)
	}
	s.config.Log.InfoContext(ctx, "audit: all sessions of a user have ended.",
		"event", "ended", "why", string(why), "user", UserTag(uuid), "sessions", ended)
	return ended, nil
}

// endExcess ends the oldest sessions of a user who has more than allowed. A
// failure only leaves too many of them.
func (s *Service) endExcess(ctx context.Context, uuid string, latest store.ID) {
	if s.config.MaxSessionsPerUser <= 0 {
		return
	}
	ended, err := s.store.EndOldest(ctx, uuid, s.config.MaxSessionsPerUser, latest)
	for _, each := range ended {
		s.logEnd(ctx, each.Key.Tag(), uuid, WhySessionLimit)
	}
	if err != nil {
		s.config.Log.WarnContext(ctx,
			"A user may have more sessions than KEEPALIVE_MAX_SESSIONS_PER_USER. "+
				"The next login ends the oldest.",
			"user", UserTag(uuid), "cause", err)
	}
}

// believed weighs Capture's word that the user or the grant of a record is gone.
// A wrong setting can have Capture say so of every session, so it counts only
// under the settings that the session was last good with, and not in bulk.
func (s *Service) believed(record store.Record) bool {
	return record.Application == s.config.Application &&
		s.evidence.believe(store.OwnerOf(record.UUID))
}

// endByVerdict ends what Capture says is gone.
func (s *Service) endByVerdict(
	ctx context.Context, id store.ID, record store.Record, kind capture.Kind, cause error,
) error {
	s.config.Log.InfoContext(ctx, "Capture says that a user's account or grant is gone.",
		"session", Tag(id), "user", UserTag(record.UUID), "cause", cause)
	if kind == capture.AccountGone {
		if _, err := s.endAll(ctx, record.UUID, WhyAccountGone); err != nil {
			return err
		}
		return &Error{
			Code: api.SessionEnded, Detail: "the account is gone; sign in again", Cause: cause,
		}
	}
	ended, err := s.store.Delete(ctx, id)
	if err != nil {
		return storeFailed(err)
	}
	if ended {
		s.logEnd(ctx, Tag(id), record.UUID, WhyGrantGone)
	}
	return &Error{Code: api.SessionEnded, Detail: "the grant is gone; sign in again", Cause: cause}
}

// doubtVerdict is the answer where Capture's word ends no session.
func (s *Service) doubtVerdict(
	ctx context.Context, id store.ID, record store.Record, cause error,
) *Error {
	message := "Capture says of many users at once that they or their grants are gone. " +
		"Their sessions are kept. Compare KEEPALIVE_CAPTURE_URL, KEEPALIVE_TYPE_NAME " +
		"and the clients with the application's; " +
		"if the users are gone indeed, end their sessions with the revoke command."
	if record.Application != s.config.Application {
		message = "Capture does not know a user or grant of a session " +
			"that was opened under other settings. The session is kept. " +
			"Compare KEEPALIVE_CAPTURE_URL, KEEPALIVE_TYPE_NAME and the clients with those from before."
	}
	s.config.Log.ErrorContext(ctx, message, "event", "verdict_doubted",
		"session", Tag(id), "user", UserTag(record.UUID), "cause", cause)
	return operatorFault(0, cause)
}

// alarm is for what only the operator can put right. Users keep their sessions.
func (s *Service) alarm(ctx context.Context, retryAfter time.Duration, cause error) *Error {
	s.config.Log.ErrorContext(ctx, "Capture refuses this service's client, permission or settings. "+
		"Sessions are kept. Run the check command with --live.", "cause", cause)
	return operatorFault(retryAfter, cause)
}
