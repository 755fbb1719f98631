package session_test

import (
	"fmt"
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
	// full: the mark cannot be written.
	full bool
	// queued: calls do not get the lock by themselves. silent: the browser
	// does not say what came of a repetition.
	queued, silent bool
	effects        []session.Effect
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

// on makes something happen and says what must follow, in order. What the
// loader is told of the state is left out.
func (p *page) on(ev session.Event, want ...string) {
	p.t.Helper()
	effects := p.step(ev)
	p.effects = effects
	got := []string{}
	for _, effect := range effects {
		if _, published := effect.(session.Publish); !published {
			got = append(got, name(effect))
		}
	}
	if !slices.Equal(got, want) {
		p.t.Fatalf("%T in phase %v did %q; want %q", ev, p.state.Phase(), got, want)
	}
}

// step runs Next and does what it says, as the browser does.
func (p *page) step(ev session.Event) []session.Effect {
	p.t.Helper()
	state, effects, err := p.record.step(p.state, ev, p.store, p.now, p.policy)
	if err != nil {
		p.t.Fatalf("%T: a law is broken: %v", ev, err)
	}
	p.state = state
	for _, effect := range effects {
		switch e := effect.(type) {
		case session.SetMark:
			if !p.full {
				p.store.Mark = e.Mark
			}
		case session.Adopt:
			if !p.blocked {
				p.store.Token, p.store.Expires = e.Token, p.now.Wall().Add(life)
			}
		case session.Drop, session.Withdraw:
			p.store.Token, p.store.Expires = session.Token{}, session.Instant{}
		}
	}
	all := effects
	for _, effect := range effects {
		switch e := effect.(type) {
		case session.Ask:
			if !p.queued {
				all = append(all, p.step(session.LockAcquired{Seq: e.Seq})...)
			}
		case session.Repeat:
			if !p.silent {
				all = append(all, p.step(session.Repeated{ID: e.ID})...)
			}
		}
	}
	return all
}

// call is the call under way.
func (p *page) call() session.Call { return p.state.View().Call }

// submits is the user sending the form with an id, on a screen of its own.
func (p *page) submits(id uint64, token string, want ...string) {
	p.t.Helper()
	p.on(session.Submitted{ID: id, Screen: screen(id), Token: tok(token), At: p.now}, want...)
}

// fails is a save of the user's that meets a dead token: of a form that is
// sent now, unless it has been.
func (p *page) fails(id uint64, token string, want ...string) {
	p.t.Helper()
	if p.record.submitted&(1<<id) == 0 {
		p.submits(id, token)
	}
	p.on(session.DeadToken{Why: session.WhySaveFailed, Screen: screen(id)}, want...)
}

// holds is the user sending a form that is held, the token being dead.
func (p *page) holds(id uint64, want ...string) {
	p.t.Helper()
	p.on(session.Submitted{
		ID: id, Screen: screen(id), Token: p.state.View().Token, At: p.now, Held: true,
	}, want...)
}

// screen is where the form with an id is.
func screen(id uint64) string { return fmt.Sprintf("screen%d", id) }

func (p *page) phase(want session.Phase) {
	p.t.Helper()
	if p.state.Phase() != want {
		p.t.Fatalf("phase is %v; want %v", p.state.Phase(), want)
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
	p.answer(p.call(), answer, want...)
}

// no answers the call under way.
func (p *page) no(answer session.Answer, want ...string) {
	p.t.Helper()
	p.answer(p.call(), answer, want...)
}

func (p *page) answer(call session.Call, answer session.Answer, want ...string) {
	p.t.Helper()
	if call.Kind == session.NoCall {
		p.t.Fatal("there is no call to answer")
	}
	p.on(session.Answered{Call: call, Answer: answer}, want...)
}

// pass lets time pass without an event; sleep is the same on a sleeping laptop.
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
	got := p.state.WakeAt.Until(p.now)
	if p.state.WakeAt.IsZero() || got < least || got > most {
		p.t.Fatalf("wakes in %v; want between %v and %v", got, least, most)
	}
	p.pass(got)
	p.on(session.Ticked{}, want...)
}

// active makes a page where a token's user is signed in.
func (p *page) active(token string) {
	p.t.Helper()
	p.start("ask:start()")
	p.no(noCookie)
	p.login(token, "open("+token+","+uuidOf(token)+")")
	p.yes(token, "mark", "signedin:signed_in")
	p.phase(session.Active)
	p.pass(time.Minute) // the moments after a login have scenarios of their own
}

func (p *page) notice(name session.NoticeName) session.Notice {
	p.t.Helper()
	for _, effect := range p.effects {
		if tell, ok := effect.(session.Notify); ok && tell.Name == name {
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
