package session_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// life is what a token lives in the scenarios unless they say otherwise, and
// what the UI believes it lives.
const life = time.Hour

// page plays the world around one State: storage, the Registration UI, a
// person, time. Tokens are called "alice-1": the user, and which one it is.
type page struct {
	t      *testing.T
	policy session.Policy
	now    session.Instant
	state  session.State
	record record
	store  session.Snapshot
	// life, idle and absolute are what the server says of the tokens it gives.
	life, idle, absolute time.Duration
	// blocked: the UI does not write the tokens it is given.
	blocked bool
	effects []session.Effect
}

func newPage(t *testing.T) *page {
	return &page{
		t: t, policy: session.Policy{Resubmit: true}, now: session.At(1_800_000_000_000, time.Hour),
		store: session.Snapshot{Readable: true}, life: life,
	}
}

func tok(value string) session.Token { return session.NewToken(value) }

// uuidOf is the uuid of the user that a token is named after.
func uuidOf(token string) string {
	user, _, _ := strings.Cut(token, "-")
	return "uuid-" + user
}

// on makes something happen and says what must follow, in order.
func (p *page) on(ev session.Event, want ...string) {
	p.t.Helper()
	state, effects, err := p.record.step(p.state, session.With(ev, p.store), p.now, p.policy)
	if err != nil {
		p.t.Fatalf("%T: a law is broken: %v", ev, err)
	}
	p.state, p.effects = state, effects
	got := []string{}
	for _, effect := range effects {
		got = append(got, name(effect))
		switch e := effect.(type) {
		case session.SetMark:
			p.store.Mark = e.Mark
		case session.Adopt:
			if !p.blocked {
				p.store.Token, p.store.Expires = e.Token, p.now.Wall().Add(life)
			}
		case session.Drop, session.Withdraw:
			p.store.Token, p.store.Expires = session.Token{}, session.Instant{}
		}
	}
	if !slices.Equal(got, want) {
		p.t.Fatalf("%T in phase %v did %v; want %v", ev, state.Phase, got, want)
	}
}

func (p *page) phase(want session.Phase) {
	p.t.Helper()
	if p.state.Phase != want {
		p.t.Fatalf("phase is %v; want %v", p.state.Phase, want)
	}
}

// writes puts a token into storage as others do: the UI, another tab, a site.
func (p *page) writes(token string) {
	p.store.Token, p.store.Expires = tok(token), p.now.Wall().Add(life)
	if token == "" {
		p.store.Expires = session.Instant{}
	}
}

// start loads the page with what storage holds.
func (p *page) start(want ...string) {
	p.t.Helper()
	p.on(session.Started{Seed: 1}, want...)
}

// login is a person signing in with the UI.
func (p *page) login(token string, want ...string) {
	p.t.Helper()
	p.writes(token)
	p.on(session.TokenSeen{Token: tok(token), UUID: uuidOf(token), Login: true}, want...)
}

func (p *page) grant(token string) session.Answer {
	return session.Answer{OK: true, Grant: session.Grant{
		Token: tok(token), UUID: uuidOf(token), ExpiresIn: p.life, IdleExpiresIn: p.idle, AbsoluteExpiresIn: p.absolute,
	}}
}

// yes answers the call under way with a token, or a sign-out with none.
func (p *page) yes(token string, want ...string) {
	p.t.Helper()
	answer := session.Answer{OK: true}
	if token != "" {
		answer = p.grant(token)
	}
	p.answer(p.state.Call, answer, want...)
}

// no answers the call under way.
func (p *page) no(answer session.Answer, want ...string) {
	p.t.Helper()
	p.answer(p.state.Call, answer, want...)
}

func (p *page) answer(call session.Call, answer session.Answer, want ...string) {
	p.t.Helper()
	if call.Kind == session.NoCall {
		p.t.Fatal("there is no call to answer")
	}
	p.on(session.Answered{Call: call, Answer: answer}, want...)
}

// pass lets time pass with nobody looking; sleep does on a laptop that sleeps.
func (p *page) pass(d time.Duration) { p.now = p.now.Add(d) }

func (p *page) sleep(d time.Duration) {
	mono := p.now.Sub(session.At(0, 1)) + 1
	p.now = session.At(p.now.UnixMilli()+d.Milliseconds(), mono)
}

// stepClock sets the wall clock.
func (p *page) stepClock(d time.Duration) { p.sleep(d) }

// due waits for the moment the page wants to wake, which must be so far ahead.
func (p *page) due(after time.Duration, want ...string) {
	p.t.Helper()
	if got := p.state.WakeAt.Sub(p.now); p.state.WakeAt.IsZero() || got != after {
		p.t.Fatalf("wakes in %v; want %v", got, after)
	}
	p.pass(after)
	p.on(session.Ticked{}, want...)
}

// retry waits for the moment the page wants to wake, which must be between
// two, and returns when it was.
func (p *page) retry(least, most time.Duration, want ...string) {
	p.t.Helper()
	got := p.state.WakeAt.Sub(p.now)
	if p.state.WakeAt.IsZero() || got < least || got > most {
		p.t.Fatalf("wakes in %v; want between %v and %v", got, least, most)
	}
	p.pass(got)
	p.on(session.Ticked{}, want...)
}

// active is a page whose person signed in as a token's user.
func (p *page) active(token string) {
	p.t.Helper()
	p.start("ask:start()")
	p.no(noCookie)
	p.login(token, "open("+token+","+uuidOf(token)+")")
	p.yes(token, "mark")
	p.phase(session.Active)
	p.pass(time.Minute) // the moments after a login have scenarios of their own
}

func (p *page) notice(name session.NoticeName) session.Notice {
	p.t.Helper()
	for _, effect := range p.effects {
		if tell, ok := effect.(session.Tell); ok && tell.Name == name {
			return tell.Notice
		}
	}
	p.t.Fatalf("%s was not told", name)
	return session.Notice{}
}

// The server's answers.
var (
	noCookie    = session.Answer{Why: session.WhySessionEnded, Final: true, Missing: true}
	noSession   = session.Answer{Why: session.WhySessionEnded, Final: true}
	notVouched  = session.Answer{Why: session.WhyGrantRefused, Final: true}
	notTheirs   = session.Answer{Why: session.WhyMismatch, Final: true}
	unreachable = session.Answer{Why: session.WhyOffline}
	portal      = session.Answer{Why: session.WhyUnintelligible}
)

// tooMany is a 429.
func tooMany(after time.Duration) session.Answer {
	return session.Answer{Why: session.WhyRateLimited, RetryAfter: after}
}

// held is a submit that was stopped because the token is dead.
func (p *page) held(id uint64) session.Submitted {
	return session.Submitted{Action: session.Action{ID: id, Screen: "editProfile", Held: p.now}}
}

// refusal is a save of the user's that met a dead token.
func refusal(id uint64, token string) session.Refused {
	return session.Refused{
		Why: session.WhySaveFailed, Token: tok(token), Action: session.Action{ID: id, Screen: "editProfile"},
	}
}
