// Package session is the server-side session of a user. It knows the user, gets
// a new access token from Capture when one is needed, and decides when the
// session ends.
//
// A session ends because the user or the operator ends it, because a limit of
// time has passed, or because Capture says that the user's own grant or account
// is gone. Trouble of the store, of Capture or of the settings ends none.
//
// One file holds one journey: login.go, renew.go and end.go. Below them are
// replay.go (tokens that open nothing), lock.go (one renewal among replicas),
// upstream.go (calls to Capture), cooldown.go (who waits before Capture is asked
// again), evidence.go (when Capture's word ends a session), renewals.go and
// work.go (what is under way).
package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/limit"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

const (
	// touchGrain is the least that Touch moves the idle limit by: a smaller step
	// is not worth a durable write.
	touchGrain = time.Second
	// storeTimeout bounds several operations of the store that belong to one
	// answer. One that stands still is answered with 503 within two seconds.
	storeTimeout = 1500 * time.Millisecond
	// pollInterval is how often a record is read that another replica may write,
	// and how often a write is tried again that must not be lost.
	pollInterval = 100 * time.Millisecond
)

// AnswerTimeout is the longest that Open, Exchange and Token take when one call
// to Capture may take upstream: a call, the one that follows it, and the store
// around them. A server must give answers and draining no less.
func AnswerTimeout(upstream time.Duration) time.Duration {
	return upstream + min(upstream, followTimeout) + 2*time.Second
}

// Store keeps the sessions; store.Store is one. Its errors are those of package
// store. Each operation ends when its context does, or within store.Timeout.
type Store interface {
	Now(ctx context.Context) (store.Moment, error)
	Create(ctx context.Context, id store.ID, r store.Record, begun store.Moment) error
	Get(ctx context.Context, id store.ID) (store.Record, error)
	Update(ctx context.Context, id store.ID, r store.Record) (store.Record, error)
	Delete(ctx context.Context, id store.ID) (bool, error)
	DeleteByUUID(ctx context.Context, uuid string) (int, error)
	EndOldest(ctx context.Context, uuid string, keep int, id store.ID) ([]store.Listed, error)
	Lock(ctx context.Context, name string, lease time.Duration) (*store.Lock, error)
	Shared() bool
	MarkOnce(ctx context.Context, name string, ttl time.Duration) error
	Remember(ctx context.Context, name, text string, ttl time.Duration) error
	Recall(ctx context.Context, name string) (string, error)
	Ping(ctx context.Context) error
}

// Capture is the Capture API. Its errors are *capture.Error.
type Capture interface {
	// Identify returns the uuid of the token's user.
	Identify(ctx context.Context, token secret.String) (string, error)
	// Issue returns a new token for the uuid.
	Issue(ctx context.Context, uuid string) (capture.Tokens, error)
	// Exchange returns the tokens for the code of a login, which works once.
	Exchange(ctx context.Context, code secret.String, redirectURI string) (capture.Tokens, error)
	// Refresh returns new tokens for a refresh token, which works once.
	Refresh(ctx context.Context, token secret.String) (capture.Tokens, error)
}

// Config is what a Service needs. Store, Capture and the four durations must be
// set.
type Config struct {
	Store   Store
	Capture Capture
	// Application names the settings that decide which users Capture knows; see
	// [ApplicationOf]. Capture's word ends a session only if the session was
	// opened or renewed under the same application.
	Application string
	// RedirectURIs are those that the pages of server-side sessions may sign in
	// with; the first is meant where a page names none. Without any, Exchange
	// refuses every code.
	RedirectURIs []string

	// TokenLifetime is how long a token lives that Capture issued.
	TokenLifetime time.Duration
	// IdleTimeout ends a session so long after the user's last activity.
	IdleTimeout time.Duration
	// AbsoluteTimeout ends a session so long after its login.
	AbsoluteTimeout time.Duration
	// UpstreamTimeout bounds one call to Capture.
	UpstreamTimeout time.Duration
	// MaxSessionsPerUser ends a user's oldest sessions when there are more. Zero:
	// no limit.
	MaxSessionsPerUser int

	// Forced bounds the renewals that the page of one session forces by refusing
	// a token. All sessions of a user together have five times as many. Zero: no
	// limit.
	Forced limit.Rate
	// Upstream bounds the calls to Capture of the whole server. Zero: no limit.
	Upstream limit.Rate

	// Observer gets the counts for metrics. Nil: a no-op observer.
	Observer Observer
	// Now is the wall clock. Nil: time.Now.
	Now func() time.Time
	// Log gets warnings, alarms and the audit trail. Nil: slog.Default.
	Log *slog.Logger
}

// ApplicationOf names an application by the settings that decide which users
// and grants Capture knows: its address, the entity type and the clients.
func ApplicationOf(settings ...string) string {
	hash := sha256.Sum256([]byte(strings.Join(settings, "\x00")))
	return hex.EncodeToString(hash[:8])
}

// Service is the server-side session of every user. It is safe for concurrent
// use. Every error it returns is an *Error, except Drain's.
type Service struct {
	config    Config
	store     Store
	instance  string // names this process in the records
	work      work
	renewals  renewals
	calls     calls
	cooldowns cooldowns
	intents   intents
	expired   *lru.Cache[store.Key, struct{}] // sessions past their limit that the log has
	evidence  evidence
}

// New returns a Service.
func New(config Config) *Service {
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Log == nil {
		config.Log = slog.Default()
	}
	if config.Observer == nil {
		config.Observer = noObserver{}
	}
	return &Service{
		config:    config,
		store:     config.Store,
		instance:  rand.Text(),
		calls:     newCalls(config.Upstream, config.Log),
		cooldowns: newCooldowns(config.Forced),
		intents:   newIntents(),
		expired:   limit.NewCache[store.Key, struct{}](remembered),
	}
}

// Grant is an access token and the limits of its session.
type Grant struct {
	UUID  string
	Mode  store.Mode
	Token secret.String
	// TokenExpires is never after AbsoluteExpires: a page must not plan beyond
	// the end of the session.
	TokenExpires    time.Time
	IdleExpires     time.Time
	AbsoluteExpires time.Time
	// At is the moment all this was true. All callers that waited for one
	// renewal get the same.
	At time.Time
}

// Status returns a session without its token. It is no activity.
//
// Codes: session_ended, store_unavailable.
func (s *Service) Status(ctx context.Context, id store.ID) (Grant, error) {
	grant, err := s.stored(ctx, id)
	grant.Token = secret.String{}
	return grant, err
}

// Touch says that the user is active: it alone moves the idle limit.
//
// Codes: session_ended, store_unavailable.
func (s *Service) Touch(ctx context.Context, id store.ID) error {
	ctx, cancel := limit.Timeout(ctx, storeTimeout)
	defer cancel()
	for {
		record, err := s.read(ctx, id)
		if err != nil {
			return err
		}
		idle := s.idleLimit(s.now(), record)
		if idle.Sub(record.IdleExpires) < touchGrain {
			return nil
		}
		record.IdleExpires, record.Seen = idle, s.now()
		_, err = s.store.Update(ctx, id, record)
		if !errors.Is(err, store.ErrConflict) {
			return storeFailed(err)
		}
		// A renewal or another Touch came in between: move its limit.
	}
}

// Ping reports whether sessions can be read and written now.
//
// Codes: store_unavailable.
func (s *Service) Ping(ctx context.Context) error { return storeFailed(s.store.Ping(ctx)) }

// Drain waits until no exchange and no renewal is under way: what Capture gives
// has to be stored before the store closes. From the first Drain on, Exchange
// and Token begin nothing new that they would have to finish; what is under way
// goes on. Drain can be called again. Its error is that of ctx.
func (s *Service) Drain(ctx context.Context) error { return s.work.drain(ctx) }

// BreakerOpen reports whether the circuit breaker for renewals or the one for
// logins is open: Capture has failed many times in a row and is not asked.
func (s *Service) BreakerOpen() bool { return s.calls.breakerOpen() }

// Tag names a session in logs: 8 hex digits of a hash of its id.
func Tag(id store.ID) string { return id.Key().Tag() }

// UserTag names a user in logs: 8 hex digits of a hash of the uuid.
func UserTag(uuid string) string {
	owner := store.OwnerOf(uuid)
	return hex.EncodeToString(owner[:4])
}

// now is the wall clock alone: the monotonic one stops while a machine sleeps,
// and then a dead token looks alive.
func (s *Service) now() time.Time { return s.config.Now().Round(0) }

func (s *Service) idleLimit(now time.Time, record store.Record) time.Time {
	return earlier(now.Add(s.config.IdleTimeout), record.AbsoluteExpires)
}

// read returns a living record.
func (s *Service) read(ctx context.Context, id store.ID) (store.Record, error) {
	record, err := s.store.Get(ctx, id)
	switch {
	case errors.Is(err, store.ErrTampered):
		s.config.Log.WarnContext(ctx, "A stored session does not authenticate. "+
			"Its user has to sign in again. Was a key removed from KEEPALIVE_KEYS too early?", "session", Tag(id))
		return store.Record{}, storeFailed(err)
	case errors.Is(err, store.ErrExpired):
		s.logExpired(ctx, err)
		return store.Record{}, storeFailed(err)
	case err != nil:
		return store.Record{}, storeFailed(err)
	case tombstone(record):
		return store.Record{}, &Error{
			Code: api.SessionEnded, Detail: "the grant is gone; sign in again",
		}
	}
	return record, nil
}

// stored is the grant of a living record.
func (s *Service) stored(ctx context.Context, id store.ID) (Grant, error) {
	record, err := s.read(ctx, id)
	if err != nil {
		return Grant{}, err
	}
	return grantOf(record, s.now()), nil
}

// tombstone reports that the grant of a server-side session is dead: its record
// only waits to be deleted.
func tombstone(record store.Record) bool {
	return record.Mode == store.ModeCode && record.RefreshToken.Empty()
}

func grantOf(record store.Record, now time.Time) Grant {
	return Grant{
		UUID:            record.UUID,
		Mode:            record.Mode,
		Token:           record.AccessToken,
		TokenExpires:    earlier(record.AccessExpires, record.AbsoluteExpires),
		IdleExpires:     record.IdleExpires,
		AbsoluteExpires: record.AbsoluteExpires,
		At:              now,
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
