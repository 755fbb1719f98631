package session_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// browser is a session.Page: storage, a UI that writes what it is given and
// tells of it, and a record of what was asked of it.
type browser struct {
	now  func() session.Instant
	post func(session.Event)

	mu    sync.Mutex
	store session.Snapshot
	looks []time.Time
	did   []string
	told  []session.Notice
}

var _ session.Page = (*browser)(nil)

func (b *browser) note(effect session.Effect) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.did = append(b.did, name(effect))
}

func (b *browser) Snapshot() session.Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.looks = append(b.looks, time.Now())
	return b.store
}

func (b *browser) SetMark(m session.Mark) {
	b.note(session.SetMark{Mark: m})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.store.Mark = m
}

func (b *browser) Adopt(token session.Token) {
	b.note(session.Adopt{Token: token})
	b.write(token)
	b.post(session.TokenSeen{Token: token}) // as createCaptureSession may
}

func (b *browser) Drop() {
	b.note(session.Drop{})
	b.write(session.Token{})
	b.post(session.SignedOutSeen{Cause: session.CauseOwn}) // as endCaptureSession does
}

func (b *browser) Withdraw() {
	b.note(session.Withdraw{})
	b.write(session.Token{})
}

func (b *browser) Repeat(id uint64, token session.Token) {
	b.note(session.Repeat{ID: id, Token: token})
	b.post(session.Repeated{ID: id})
}

// HandBack finds that the page has changed the form.
func (b *browser) HandBack(id uint64) {
	b.note(session.HandBack{ID: id})
	b.post(session.GivenUp{Screen: "editProfile", Result: session.RepeatChanged})
}

func (b *browser) Forget(id uint64)          { b.note(session.Forget{ID: id}) }
func (b *browser) ShowScreen(screen string)  { b.note(session.ShowScreen{Screen: screen}) }
func (b *browser) Publish(session.HostState) {}
func (b *browser) Settle(s session.Settle)   { b.note(s) }
func (b *browser) Release(id uint64, deliver bool) {
	b.note(session.Release{ID: id, Deliver: deliver})
}

func (b *browser) Notify(n session.Notice) {
	b.note(session.Notify{Notice: n})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.told = append(b.told, n)
}

func (b *browser) write(token session.Token) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.store.Token, b.store.Expires = token, session.Instant{}
	if !token.Empty() {
		b.store.Expires = b.now().Wall().Add(life)
	}
}

func (b *browser) done() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.did)
}

// service is a session.Server that answers after a while, by a function.
type service struct {
	takes  time.Duration
	answer func(session.Call) session.Answer

	mu     sync.Mutex
	calls  []session.Call
	times  []time.Time
	active int
	down   bool // it hears of no activity
	told   session.Counts
}

var _ session.Server = (*service)(nil)

func (s *service) Do(_ *session.Latch, call session.Call, counts session.Counts) session.Answer {
	s.mu.Lock()
	s.calls, s.times = append(s.calls, call), append(s.times, time.Now())
	s.mu.Unlock()
	<-time.After(s.takes) // fake time
	answer := s.answer(call)
	if answer.OK {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hear(counts)
	}
	return answer
}

func (s *service) Activity(_ *session.Latch, counts session.Counts) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active++
	if s.down {
		return false
	}
	s.hear(counts)
	return true
}

// asked are the calls that came.
func (s *service) asked() []session.Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// askedAt are the times of these calls.
func (s *service) askedAt() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.times)
}

// reports is how many reports of activity came.
func (s *service) reports() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.active
}

// counted is what the counts of the page add up to.
func (s *service) counted() session.Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told
}

func (s *service) hear(c session.Counts) {
	s.told.Finished += c.Finished
	s.told.Held += c.Held
	s.told.Sent += c.Sent
	s.told.Kept += c.Kept
	s.told.SignInsAvoided += c.SignInsAvoided
}

// mints answers every question with the next token of alice, and a report with
// the token reported.
func mints() func(session.Call) session.Answer {
	n := 1
	return func(call session.Call) session.Answer {
		token := call.Token
		switch call.Kind {
		case session.CallEnd:
			return session.Answer{OK: true}
		case session.CallToken:
			n++
			token = tok(fmt.Sprintf("alice-%d", n))
		}
		return session.Answer{OK: true, Grant: session.Grant{Token: token, UUID: uuidOf("alice"), ExpiresIn: life}}
	}
}

// run starts a session in a page that holds a token, and returns when it is
// active. What it returns waits until Run has.
func run(t *testing.T, token string, s *service) (*session.Loop, *browser, func()) {
	t.Helper()
	begun := time.Now()
	now := func() session.Instant {
		at := time.Now()
		return session.At(at.UnixMilli(), at.Sub(begun)+1)
	}
	b := &browser{now: now, store: session.Snapshot{Readable: true}}
	b.write(tok(token))
	loop := &session.Loop{Server: s, Page: b, Now: now,
		Policy: session.Policy{Resubmit: true, ServerMargin: serverMargin}}
	b.post = loop.Post
	loop.Post(session.Started{Seed: 1})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		loop.Run()
	}()
	synctest.Wait()
	<-time.After(s.takes)
	synctest.Wait()
	if phase := loop.Status().Phase; phase != session.Active {
		t.Fatalf("phase is %v; want active", phase)
	}
	return loop, b, func() { <-ended }
}

func TestLoopRenewsWhenDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &service{answer: mints()}
		begun := time.Now()
		loop, page, wait := run(t, "alice-1", server)
		if st := loop.Status(); st.DueIn != firstDue || st.ExpiresIn != life || st.RetryIn != 0 {
			t.Errorf("status is %+v", st)
		}
		<-time.After(3*firstDue + time.Second)
		loop.Post(session.Stopped{})
		wait()
		var asked []time.Duration
		for i, call := range server.asked() {
			if call.Kind == session.CallToken {
				asked = append(asked, server.askedAt()[i].Sub(begun))
			}
		}
		if want := []time.Duration{firstDue, 2 * firstDue, 3 * firstDue}; !slices.Equal(asked, want) {
			t.Errorf("asked at %v; want %v", asked, want)
		}
		if held := page.store.Token; held != tok("alice-4") {
			t.Errorf("the UI has %s", held.Reveal())
		}
	})
}

// Timers stop while a laptop sleeps, so the loop looks at least once a minute.
func TestLoopLooksOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop, page, wait := run(t, "alice-1", &service{answer: mints()})
		<-time.After(30 * time.Minute)
		loop.Post(session.Stopped{})
		wait()
		if n := len(page.looks); n < 30 || n > 40 {
			t.Errorf("looked %d times in 30 minutes", n)
		}
		for i := 1; i < len(page.looks); i++ {
			if gap := page.looks[i].Sub(page.looks[i-1]); gap > time.Minute {
				t.Errorf("did not look for %v", gap)
			}
		}
	})
}

func TestLoopRetriesWhenPlanned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &service{answer: mints()}
		loop, _, wait := run(t, "alice-1", server)
		server.answer = func(session.Call) session.Answer { return tooMany(20 * time.Second) }
		<-time.After(firstDue)
		synctest.Wait()
		if st := loop.Status(); st.Phase != session.Waiting || st.RetryIn != 20*time.Second {
			t.Errorf("status is %+v", st)
		}
		<-time.After(20 * time.Second)
		synctest.Wait()
		loop.Post(session.Stopped{})
		wait()
		if n := len(server.askedAt()); n != 3 || server.askedAt()[2].Sub(server.askedAt()[1]) != 20*time.Second {
			t.Errorf("asked at %v", server.askedAt())
		}
	})
}

// An effect may cause events, at once and on the same goroutine.
func TestLoopTakesEventsFromWithinEffects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop, page, wait := run(t, "alice-1", &service{answer: mints()})
		<-time.After(2 * time.Second)
		loop.Post(session.Submitted{ID: 1, Screen: "editProfile", Token: tok("alice-1")})
		loop.Post(session.DeadToken{Why: session.WhySaveFailed, Screen: "editProfile"})
		synctest.Wait()
		loop.Post(session.EndAsked{ID: 2})
		synctest.Wait()
		loop.Post(session.Stopped{})
		wait()
		want := []string{
			"mark",
			"mark", "adopt(alice-2)", "renewed:savefailed", "repeat(1)",
			"signedout:end", "mark:ending", "drop", "finish(1)", "mark:ended", "settle[2]=",
		}
		if got := page.done(); !slices.Equal(got, want) {
			t.Errorf("did %v; want %v", got, want)
		}
		var heard []string
		for _, e := range loop.Diary() {
			heard = append(heard, e.Event)
		}
		if !slices.Contains(heard, "token_seen") || !slices.Contains(heard, "sign_out_seen") {
			t.Errorf("heard %v: not what its own effects caused", heard)
		}
	})
}

// Storage is read when an event is handled, not when it was posted.
func TestLoopReadsStorageLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop, page, wait := run(t, "alice-1", &service{answer: mints()})
		loop.Post(session.StorageChanged{})
		synctest.Wait()
		if phase := loop.Status().Phase; phase != session.Active {
			t.Errorf("phase is %v: believed an old snapshot", phase)
		}
		loop.Post(session.StorageChanged{})
		page.write(session.Token{}) // after the event was posted
		page.SetMark(session.Mark{})
		synctest.Wait()
		if phase := loop.Status().Phase; phase != session.Ended {
			t.Errorf("phase is %v; want ended", phase)
		}
		loop.Post(session.Stopped{})
		wait()
	})
}

// closing is a channel that closes with a latch.
func closing(latch *session.Latch) <-chan struct{} {
	c := make(chan struct{})
	latch.OnClose(func() { close(c) })
	return c
}

// slow is a server; its calls end a while after they are stopped.
type slow struct {
	service
	after   time.Duration
	stopped time.Time
}

func (s *slow) Do(stop *session.Latch, call session.Call, counts session.Counts) session.Answer {
	if call.Kind != session.CallToken {
		return s.service.Do(stop, call, counts)
	}
	stop.Wait()
	s.stopped = time.Now()
	<-time.After(s.after) // fake time
	return session.Answer{Why: session.WhyOffline}
}

func TestLoopStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &slow{service: service{answer: mints()}, after: 3 * time.Second}
		loop, page, wait := run(t, "alice-1", &server.service)
		loop.Server = server
		<-time.After(2 * time.Second)
		loop.Post(session.Submitted{ID: 1, Screen: "editProfile", Token: tok("alice-1")})
		loop.Post(session.DeadToken{Why: session.WhyExpired, Screen: "editProfile", Handlers: 7})
		loop.Post(session.Submitted{ID: 2, Screen: "editProfile", Form: "other", Held: true})
		loop.Post(session.Wanted{ID: 5})
		synctest.Wait()
		asked := time.Now()
		loop.Post(session.Stopped{})
		loop.Post(session.Woke{}) // too late
		wait()
		looks := len(page.looks)
		if server.stopped != asked {
			t.Errorf("the call was stopped at %v; want %v", server.stopped, asked)
		}
		if waited := time.Since(asked); waited != server.after {
			t.Errorf("stopping took %v; want the %v that the call took", waited, server.after)
		}
		// What cannot be handed back is told, although nothing else comes in time.
		want := []string{
			"mark", "holding:expired",
			"deliver(7)", "finish(1)", "released:stopped", "handback(2)", "finish(2)", "reject[5]:stopped",
			"unfinished:changed",
		}
		if got := page.done(); !slices.Equal(got, want) {
			t.Errorf("did %v; want %v", got, want)
		}
		<-time.After(time.Hour) // a timer that was left would look
		if n := len(page.looks); n != looks {
			t.Errorf("looked at storage %d times after the end", n-looks)
		}
	})
}

func TestLoopReportsActivity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &service{answer: mints()}
		loop, _, wait := run(t, "alice-1", server)
		loop.Post(session.UserActive{})
		loop.Post(session.UserActive{})
		synctest.Wait()
		loop.Post(session.Stopped{})
		wait()
		if server.reports() != 1 {
			t.Errorf("activity was reported %d times; want once", server.reports())
		}
	})
}

func TestDiaryIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop, _, wait := run(t, "alice-1", &service{answer: mints()})
		var traced int
		loop.Trace = func(session.Entry) { traced++ }
		for id := range uint64(300) {
			loop.Post(session.Wanted{ID: id})
		}
		synctest.Wait()
		diary := loop.Diary()
		loop.Post(session.Stopped{})
		wait()
		if len(diary) != 100 {
			t.Errorf("the diary has %d lines; want the last 100", len(diary))
		}
		if last := diary[len(diary)-1]; last.Event != "wanted" || last.Why != session.WhyRequest ||
			!slices.Equal(last.Effects, []string{"settle"}) {
			t.Errorf("the last line is %+v", last)
		}
		if traced != 301 {
			t.Errorf("traced %d transitions; want 301", traced)
		}
	})
}

// Post, Status and Diary may be called from anywhere.
func TestLoopInParallel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		loop, _, wait := run(t, "alice-1", &service{answer: mints(), takes: time.Millisecond})
		var others sync.WaitGroup
		for i := range uint64(8) {
			others.Go(func() {
				for n := range uint64(50) {
					loop.Post(session.Wanted{ID: i*50 + n, Fresh: n%2 == 0})
					loop.Status()
					loop.Diary()
					<-time.After(time.Second)
				}
			})
		}
		others.Wait()
		if phase := loop.Status().Phase; phase != session.Active && phase != session.Renewing &&
			phase != session.Waiting {
			t.Errorf("phase is %v", phase)
		}
		loop.Post(session.Stopped{})
		wait()
	})
}

// Nothing that can reach a console holds a token, a code or a uuid.
func TestNothingTellsSecrets(t *testing.T) {
	const (
		token = "sentineltoken001"
		uuid  = "5e471e1a-1111-4222-8333-944445555666"
	)
	verbs := []string{"%v", "%+v", "%#v", "%s", "%q", "%x"}
	secret := func(text string) bool {
		return strings.Contains(text, token) || strings.Contains(text, uuid) ||
			strings.Contains(text, fmt.Sprintf("%x", token))
	}
	check := func(t *testing.T, what string, values ...any) {
		t.Helper()
		for _, value := range values {
			for _, verb := range verbs {
				if text := fmt.Sprintf(verb, value); secret(text) {
					t.Errorf("%s, printed with %s, tells a secret", what, verb)
				}
			}
		}
	}
	synctest.Test(t, func(t *testing.T) {
		n := 0
		server := &service{answer: func(call session.Call) session.Answer {
			if call.Kind == session.CallEnd {
				return session.Answer{OK: true}
			}
			n++
			return session.Answer{OK: true, Grant: session.Grant{
				Token: tok(fmt.Sprintf("%s%d", token, n)), UUID: uuid, ExpiresIn: life,
				IdleExpiresIn: time.Minute, AbsoluteExpiresIn: time.Hour,
			}}
		}}
		loop, page, wait := run(t, token, server)
		var traced []session.Entry
		loop.Trace = func(e session.Entry) { traced = append(traced, e) }
		for _, ev := range []session.Event{
			session.TokenSeen{Token: tok(token), UUID: uuid, Login: true},
			session.Submitted{ID: 1, Screen: "editProfile", Token: tok(token)},
			session.DeadToken{Why: session.WhyInvalid, Screen: "editProfile", Handlers: 1},
			session.Wanted{ID: 1, Fresh: true},
			session.UserActive{},
			session.StayAsked{},
			session.NoTokenSeen{},
			session.EndAsked{},
		} {
			loop.Post(ev)
			<-time.After(9 * time.Second)
			synctest.Wait()
			check(t, "status", loop.Status())
		}
		loop.Post(session.Stopped{})
		wait()
		if len(traced) < 8 || len(page.told) < 3 {
			t.Fatalf("%d transitions, %d notices: too few to say anything", len(traced), len(page.told))
		}
		for _, e := range append(traced, loop.Diary()...) {
			check(t, "an entry of the diary", e, e.Event, e.Why, e.Effects)
		}
		for _, notice := range page.told {
			check(t, "a notice", notice, notice.Why.Sentence())
		}
		check(t, "storage's mark", page.store.Mark)
	})

	// Of the rest only the token is kept from printing: a state, an event or an
	// effect goes nowhere, but a slip must not be a leak.
	held := session.Snapshot{Token: tok(token)}
	begun, _ := session.Next(session.State{}, session.Started{Seed: 1}, held, session.At(1, 1),
		session.Policy{ServerMargin: serverMargin})
	for _, value := range []any{
		tok(token), &held, held,
		begun, &begun,
		session.TokenSeen{Token: tok(token)},
		session.CodeSeen{Code: tok(token)},
		session.Submitted{Token: tok(token)},
		session.Repeat{Token: tok(token)},
		session.Answered{Call: session.Call{Token: tok(token)},
			Answer: session.Answer{Grant: session.Grant{Token: tok(token)}}},
		session.Ask{Call: session.Call{Token: tok(token), Code: tok(token)}},
		session.Adopt{Token: tok(token)},
		session.Settle{IDs: []uint64{1}, Token: tok(token)},
	} {
		check(t, reflect.TypeOf(value).String(), value)
	}
}

// queue is session.CallLock for the tabs of one browser.
type queue chan struct{}

func (q queue) Acquire(overtake *session.Latch, _ func()) func() {
	select {
	case q <- struct{}{}:
		return func() { <-q }
	case <-closing(overtake):
		return func() {}
	}
}

// openTabs starts tabs of one browser. Its storage holds a token that they
// know. What it returns stops them.
func openTabs(n int, s *service, lock session.CallLock) ([]*session.Loop, func()) {
	begun := time.Now()
	now := func() session.Instant {
		at := time.Now()
		return session.At(at.UnixMilli(), at.Sub(begun)+1)
	}
	wall := now().Wall()
	page := &browser{now: now, post: func(session.Event) {}, store: session.Snapshot{Readable: true, Mark: session.Mark{
		Fingerprint: tok("alice-1").Fingerprint(), Who: tok(uuidOf("alice")).Fingerprint(),
		Written: wall, Expires: wall.Add(life), Life: life,
	}}}
	page.write(tok("alice-1"))
	tabs := make([]*session.Loop, n)
	var running sync.WaitGroup
	for i := range tabs {
		tabs[i] = &session.Loop{Server: s, Page: page, Now: now, CallLock: lock,
			Policy: session.Policy{ServerMargin: serverMargin}}
		tabs[i].Post(session.Started{Seed: 1})
		running.Go(tabs[i].Run)
	}
	return tabs, func() {
		for _, tab := range tabs {
			tab.Post(session.Stopped{})
		}
		running.Wait()
	}
}

// Tabs with a shared lock make one call: a tab that waited finds the new token
// in storage, or goes on by itself when the one before had no luck.
func TestLoopAsksInTurn(t *testing.T) {
	for _, tc := range []struct {
		name         string
		fails, calls int
	}{
		{"one renews for all", 0, 1},
		{"the first fails, the second renews for all", 1, 2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mint, fails := mints(), tc.fails
				server := &service{takes: 800 * time.Millisecond, answer: func(call session.Call) session.Answer {
					if fails > 0 {
						fails--
						return unreachable
					}
					return mint(call)
				}}
				lock := make(queue, 1)
				tabs, stop := openTabs(3, server, lock)
				<-time.After(firstDue + 10*time.Second) // all of them are due at once
				synctest.Wait()
				if got := len(server.asked()); got != tc.calls {
					t.Errorf("%d calls, want %d", got, tc.calls)
				}
				for i, tab := range tabs {
					if st := tab.Status(); st.Phase != session.Active || st.ExpiresIn < life-time.Minute {
						t.Errorf("tab %d: %+v", i, st)
					}
				}
				stop()
				if len(lock) != 0 {
					t.Error("a lock is left behind")
				}
			})
		})
	}
}

// A tab that hangs with the lock does not delay the others for long. A tab that
// is stopped while it waits makes no call.
func TestLoopBehindOneThatHangs(t *testing.T) {
	for _, tc := range []struct {
		stopped time.Duration
		calls   int
	}{{time.Second, 0}, {10 * time.Second, 1}} {
		synctest.Test(t, func(t *testing.T) {
			server := &service{answer: mints()}
			lock := make(queue, 1)
			lock <- struct{}{}
			_, stop := openTabs(1, server, lock)
			<-time.After(firstDue + tc.stopped)
			stop()
			if got := len(server.asked()); got != tc.calls {
				t.Errorf("%d calls after %v, want %d", got, tc.stopped, tc.calls)
			}
		})
	}
}
