// Package session is the server-side session: it knows whose session it is,
// gets a new access token from Capture when one is needed, and decides who
// may live and who dies.
//
// Only the user's own grant being gone, a limit of time, or a person's will
// ends a session. Trouble of ours or of the operator's never does.
package session

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/breaker"
	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/limit"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

const (
	// touchGrain is the least a Touch must move the idle limit to be worth a
	// durable write.
	touchGrain = time.Second

	// storeTimeout bounds the store calls of one renewal.
	storeTimeout = 5 * time.Second
	// pairTimeout bounds the attempts to store what a refresh gave. That pair
	// cannot be had again, so that it is worth more patience.
	pairTimeout = 15 * time.Second
	// lookTimeout bounds a look at the store that comes after a failure of it, so
	// that both together keep nobody waiting for two seconds.
	lookTimeout = 500 * time.Millisecond

	// freeAge is how old a token has to be for its first refusal to be free. A
	// page leaves so long between two attempts; one that is quicker refuses what
	// it is given, whatever that is.
	freeAge = 8 * time.Second

	// codeMemory is how long a code counts as used: far longer than the seconds
	// that Capture takes one for (contract section 4), and no longer, because
	// what is no code at all takes room for as long.
	codeMemory = time.Hour

	// firstRefusals is how many refused tokens are remembered. One that was
	// forgotten is renewed once more without being counted, no worse.
	firstRefusals = 1 << 14
	// forcedSessions is for how many sessions forced renewals are counted.
	forcedSessions = 1 << 14
	// pausedSessions is for how many sessions a pause is remembered.
	pausedSessions = 1 << 14

	// strangers is how many tokens are remembered that Capture did not vouch
	// for, and strangerMemory for how long: a token it does not know today could
	// be known once its servers agree.
	strangers      = 1 << 14
	strangerMemory = time.Minute

	// After so many failures in a row Capture is left alone for so long, and
	// then by all but one call until it answers.
	breakAfter = 10
	breakRest  = 5 * time.Second
)

// Waits that are suggested when the one who failed did not name any.
const (
	retryTemporary = 5 * time.Second
	retryOperator  = 30 * time.Second
	// leastPause is how long a session's renewal is left alone after it failed
	// for now, whatever shorter wait Capture named.
	leastPause = 2 * time.Second
)

// Store keeps the sessions. Its errors are those of package store.
type Store interface {
	Now(ctx context.Context) (store.Moment, error)
	Create(ctx context.Context, id store.ID, r store.Record, begun store.Moment) error
	Get(ctx context.Context, id store.ID) (store.Record, error)
	Update(ctx context.Context, id store.ID, r store.Record) (store.Record, error)
	Delete(ctx context.Context, id store.ID) (bool, error)
	DeleteByUUID(ctx context.Context, uuid string) (int, error)
	MarkOnce(ctx context.Context, name string, ttl time.Duration) error
	Lock(ctx context.Context, name string, lease time.Duration) (*store.Lock, error)
	Remember(ctx context.Context, name, text string, ttl time.Duration) error
	Recall(ctx context.Context, name string) (string, error)
	Ping(ctx context.Context) error
}

// Capture is the Capture API. Its errors are *capture.Error.
type Capture interface {
	// Identify returns the uuid whose token this is.
	Identify(ctx context.Context, token secret.String) (string, error)
	// Issue returns a new token for the uuid.
	Issue(ctx context.Context, uuid string) (capture.Token, error)
	// Exchange returns the tokens for the code of a login, which works once.
	Exchange(ctx context.Context, code secret.String, redirectURI string) (capture.Tokens, error)
	// Refresh returns new tokens for a refresh token, which works once.
	Refresh(ctx context.Context, token secret.String) (capture.Tokens, error)
}

// Ceiling bounds the calls to Capture of the whole server.
type Ceiling interface {
	// Take reports whether one more call may be made now, or after how long.
	Take() (wait time.Duration, ok bool)
	// TakeSpare is Take for calls that must not keep renewals from being made:
	// logins, and renewals that a page forces beyond its rate.
	TakeSpare() (wait time.Duration, ok bool)
}

// Config is what a Service needs. Store, Capture and the four durations must
// be set.
type Config struct {
	Store   Store
	Capture Capture

	// RedirectURIs are those that the pages of server-side sessions may sign in
	// with; the first is meant where a page names none. Without any, Exchange
	// refuses every code.
	RedirectURIs []string

	// TokenLifetime is how long a token that Capture issued lives.
	TokenLifetime time.Duration
	// IdleTimeout ends a session that nobody touched for so long.
	IdleTimeout time.Duration
	// AbsoluteTimeout ends a session so long after its login.
	AbsoluteTimeout time.Duration
	// UpstreamTimeout bounds one call to Capture.
	UpstreamTimeout time.Duration

	// Forced bounds, for each session, the renewals a page forces by refusing
	// the same token again. Zero: no limit.
	Forced limit.Rate
	// Ceiling is asked before every call to Capture. Nil: no ceiling.
	Ceiling Ceiling

	// Observer hears what becomes of sessions. Nil: nobody does.
	Observer Observer
	// Now is the clock. Nil: time.Now.
	Now func() time.Time
	// Log gets warnings, alarms and the audit trail. Nil: slog.Default.
	Log *slog.Logger
}

// Service is the server-side session of every user. It is safe for concurrent
// use. Every error it returns is an *Error, but for Drain's.
type Service struct {
	config  Config
	flights singleflight.Group
	waiting sync.WaitGroup // one for each piece of detached work, and each caller who waits for it
	forced  *limit.Table[store.Key]
	refused *limit.First[refusal]
	paused  *limit.Memo[store.Key, pause]
	strange *limit.Memo[[sha256.Size]byte, stranger]
	breaker *breaker.Breaker
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
		config.Observer = deaf{}
	}
	return &Service{
		config:  config,
		forced:  limit.NewTable[store.Key](config.Forced, forcedSessions),
		refused: limit.NewFirst[refusal](firstRefusals),
		paused:  limit.NewMemo[store.Key, pause](pausedSessions),
		strange: limit.NewMemo[[sha256.Size]byte, stranger](strangers),
		breaker: breaker.New(breakAfter, breakRest, config.Now),
	}
}

// Login is what a page reports after its user has signed in, and got a token.
type Login struct {
	Token secret.String
	// Claim is the uuid the page believes the token to be for; empty: it did
	// not say. It is compared, never believed.
	Claim string
	// Expires is when the page believes the token to die; zero: it did not
	// say. It can only shorten what TokenLifetime allows.
	Expires time.Time
	// Previous is the session of the cookie sent along; a new session takes its
	// place. Zero: none.
	Previous store.ID
}

// Grant is an access token and the limits of its session.
type Grant struct {
	UUID  string
	Token secret.String
	// TokenExpires is never after AbsoluteExpires: a page must not plan beyond
	// the end of the session.
	TokenExpires    time.Time
	IdleExpires     time.Time
	AbsoluteExpires time.Time
	// At is the moment all this was true. Everyone who waited for one renewal
	// has the same.
	At time.Time
}

// Session is a session that was just opened.
type Session struct {
	ID store.ID
	Grant
}

// Status is a session without its token.
type Status struct {
	UUID            string
	Mode            store.Mode
	TokenExpires    time.Time
	IdleExpires     time.Time
	AbsoluteExpires time.Time
	At              time.Time
}

// Open makes a session for the user whose token is reported, under a new id.
// It mints nothing: the token in the answer is the reported one.
//
// A token that this server got itself makes no session, and Capture is not asked
// about it: with the cookie of a session of its user that one is returned as it
// stands, and without it the answer is that to a dead token. So is the one to a
// token that was reported before a Revoke of its user.
//
// Codes: grant_refused, identity_mismatch, upstream_refused,
// upstream_unavailable, store_unavailable.
func (s *Service) Open(ctx context.Context, login Login) (Session, error) {
	ours, err := s.recall(ctx, oursNote(login.Token))
	if err != nil {
		return Session{}, err
	}
	if ours.there {
		return s.readmit(ctx, login, ours)
	}
	begun, err := s.config.Store.Now(ctx)
	if err != nil {
		return Session{}, s.storeFailed(err)
	}
	// Whatever life the token has left is counted from before the call: a slow
	// answer must not make it look younger.
	began := s.now()
	uuid, err := s.identifyOnce(ctx, login.Token)
	if err != nil {
		return Session{}, err
	}
	if login.Claim != "" && login.Claim != uuid {
		return Session{}, s.mismatch(ctx, login.Claim, uuid)
	}
	since, err := s.report(ctx, login.Token, uuid)
	if err != nil {
		return Session{}, err
	}

	expires := began.Add(s.config.TokenLifetime)
	if !login.Expires.IsZero() && login.Expires.Before(expires) {
		expires = login.Expires
		if expires.Before(began) {
			expires = began
		}
	}
	opened, err := s.begin(ctx, store.Record{
		Mode:          store.ModeToken,
		UUID:          uuid,
		AccessToken:   login.Token,
		AccessIssued:  began,
		AccessExpires: expires,
	}, begun)
	if err != nil {
		return Session{}, err
	}
	// A revocation under way may have looked for sessions before this one was
	// there.
	if err := s.unrevoked(ctx, uuid, since); err != nil {
		s.drop(ctx, opened)
		return Session{}, err
	}
	return opened, s.succeed(ctx, login.Previous, opened, store.ModeToken)
}

// mismatch is the answer to a login with a claim that is not true.
func (s *Service) mismatch(ctx context.Context, claimed, actual string) *Error {
	s.config.Log.WarnContext(ctx, "audit: a login claimed somebody else's token",
		"event", "identity_mismatch", "claimed", userTag(claimed), "actual", userTag(actual))
	return &Error{Code: api.IdentityMismatch, Detail: "uuid is not the one Capture names for accessToken; report the uuid of the user who signed in, or none"}
}

// begin stores a new session under a new id. Nobody has that id before succeed.
// A login that began before a revocation of its user is refused.
func (s *Service) begin(ctx context.Context, record store.Record, begun store.Moment) (Session, error) {
	now := s.now()
	record.Created, record.Seen = now, now
	record.AbsoluteExpires = now.Add(s.config.AbsoluteTimeout)
	record.IdleExpires = s.idleLimit(now, record)

	id := store.NewID()
	switch err := s.config.Store.Create(ctx, id, record, begun); {
	case errors.Is(err, store.ErrRevoked):
		return Session{}, s.replayed(ctx, "audit: a login from before a revocation of its user", userTag(record.UUID), errRevoked)
	case err != nil:
		return Session{}, s.storeFailed(err)
	}
	return Session{ID: id, Grant: grantOf(record, now)}, nil
}

// succeed puts a new session in the place of the previous one, if there is one.
// It is the last that can go wrong: until then the page still has the old one.
func (s *Service) succeed(ctx context.Context, previous store.ID, opened Session, mode store.Mode) error {
	if previous != (store.ID{}) {
		if err := s.end(ctx, previous, WhyReplaced); err != nil {
			s.drop(ctx, opened)
			return s.storeFailed(err)
		}
	}
	s.config.Observer.SessionOpened(mode)
	return nil
}

// drop deletes a session that nobody was given. Left behind, it would be there
// until its idle limit, but out of everyone's reach.
func (s *Service) drop(ctx context.Context, opened Session) {
	s.aside(ctx, func(ctx context.Context) {
		if _, err := s.config.Store.Delete(ctx, opened.ID); err != nil {
			s.config.Log.WarnContext(ctx, "a session that nobody was given stays until its idle limit", "session", Tag(opened.ID), "cause", err)
		}
	})
}

// aside does what the answer does not depend on. It is waited for as long as a
// store takes that is well: one that is not has made its caller wait already.
func (s *Service) aside(ctx context.Context, do func(context.Context)) {
	over := make(chan struct{})
	s.waiting.Go(func() {
		defer close(over)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
		defer cancel()
		var fault error // is in the log
		defer s.catch(ctx, &fault)
		do(ctx)
	})
	patience := time.NewTimer(pollInterval)
	defer patience.Stop()
	select {
	case <-over:
	case <-patience.C:
	}
}

// Status tells about a session. It is no activity.
//
// Codes: session_ended, store_unavailable.
func (s *Service) Status(ctx context.Context, id store.ID) (Status, error) {
	record, err := s.read(ctx, id)
	if err != nil {
		return Status{}, err
	}
	grant := grantOf(record, s.now())
	return Status{
		UUID:            grant.UUID,
		Mode:            record.Mode,
		TokenExpires:    grant.TokenExpires,
		IdleExpires:     grant.IdleExpires,
		AbsoluteExpires: grant.AbsoluteExpires,
		At:              grant.At,
	}, nil
}

// Touch says that the user is there: it alone moves the idle limit.
//
// Codes: session_ended, store_unavailable.
func (s *Service) Touch(ctx context.Context, id store.ID) error {
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
		_, err = s.config.Store.Update(ctx, id, record)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, store.ErrConflict):
			// A renewal or another Touch came in between: take its record and
			// move that one's limit.
		default:
			return s.storeFailed(err)
		}
	}
}

// End ends a session; it is no error if there is none. It waits for nothing:
// a renewal under way finds no record and drops its token.
//
// Codes: store_unavailable.
func (s *Service) End(ctx context.Context, id store.ID) error {
	if err := s.end(ctx, id, WhySignedOut); err != nil {
		return s.storeFailed(err)
	}
	return nil
}

// end deletes a session, and tells the Observer if there was one. Its error is
// the store's.
func (s *Service) end(ctx context.Context, id store.ID, why Why) error {
	ended, err := s.config.Store.Delete(ctx, id)
	if ended {
		s.config.Observer.SessionsEnded(why, 1)
	}
	return err
}

// Revoke ends all sessions of a user and returns how many there were. Tokens
// that were reported until then open none again; the user may sign in at once.
// The log says so, with a tag of the user.
//
// It is done to the end though its caller leaves.
//
// Codes: store_unavailable; then some of it is done, and it can be tried again.
func (s *Service) Revoke(ctx context.Context, uuid string) (int, error) {
	ctx = context.WithoutCancel(ctx)
	// The mark goes first: a login that does not see it is early enough to have
	// its session found here.
	marked := s.markRevoked(ctx, uuid)
	// With time of its own: whatever the mark took, the sessions end.
	ending, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	ended, err := s.config.Store.DeleteByUUID(ending, uuid)
	s.config.Observer.SessionsEnded(WhyRevoked, ended)
	if err := errors.Join(marked, err); err != nil {
		return ended, s.storeFailed(err)
	}
	s.config.Log.InfoContext(ctx, "audit: all sessions of a user were revoked", "event", "revoked", "user", userTag(uuid), "sessions", ended)
	return ended, nil
}

// Ping reports whether sessions can be read and written now.
//
// Codes: store_unavailable.
func (s *Service) Ping(ctx context.Context) error {
	if err := s.config.Store.Ping(ctx); err != nil {
		return s.storeFailed(err)
	}
	return nil
}

// Drain waits until no exchange and no renewal is under way: what Capture gives
// has to be stored before the store closes. Call it when nobody calls Exchange
// or Token any more. Its error is that of ctx.
func (s *Service) Drain(ctx context.Context) error {
	idle := make(chan struct{})
	go func() {
		s.waiting.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Tag names a session in logs: 8 hex digits of a hash of its id.
func Tag(id store.ID) string {
	key := id.Key()
	return hex.EncodeToString(key[:4])
}

// userTag names a user in logs.
func userTag(uuid string) string {
	owner := store.OwnerOf(uuid)
	return hex.EncodeToString(owner[:4])
}

// now is the wall clock alone: monotonic time stops while a machine sleeps,
// and then a dead token looks alive.
func (s *Service) now() time.Time { return s.config.Now().Round(0) }

func (s *Service) idleLimit(now time.Time, record store.Record) time.Time {
	return earlier(now.Add(s.config.IdleTimeout), record.AbsoluteExpires)
}

// read returns a live record.
func (s *Service) read(ctx context.Context, id store.ID) (store.Record, error) {
	record, err := s.config.Store.Get(ctx, id)
	if err != nil {
		if errors.Is(err, store.ErrTampered) {
			s.config.Log.WarnContext(ctx, "a stored session does not authenticate; was a key removed from KEEPALIVE_KEYS?", "session", Tag(id))
		}
		return store.Record{}, s.storeFailed(err)
	}
	if buried(record) {
		return store.Record{}, &Error{Code: api.SessionEnded, Detail: "the grant is gone; sign in again"}
	}
	return record, nil
}

// storeFailed tells the answers of a store about a session from its failures.
func (s *Service) storeFailed(err error) *Error {
	switch {
	case errors.Is(err, store.ErrExpired):
		return &Error{Code: api.SessionEnded, Detail: "the session's idle or absolute limit has passed; sign in again", Cause: err}
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrTampered):
		return &Error{Code: api.SessionEnded, Detail: "the session is gone; sign in again", Cause: err}
	}
	return &Error{Code: api.StoreUnavailable, RetryAfter: retryTemporary, Detail: "the session store did not answer; the session is untouched", Cause: err}
}

func grantOf(record store.Record, now time.Time) Grant {
	return Grant{
		UUID:            record.UUID,
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
