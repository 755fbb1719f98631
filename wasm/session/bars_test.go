package session_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// What a measurement beside other libraries asked for, played on the pure
// machine or on the loop with fake time.

func TestBars(t *testing.T) {
	unwell := session.Answer{Why: session.WhyServer}
	for _, tc := range []struct {
		name string
		play func(p *page)
	}{
		{"five failures, then fine: good again within 15 s of the first good answer possible", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			failed := p.now
			for range 5 {
				p.no(unwell, "mark:failed", "renewerror:server")
				p.pass(p.state.WakeAt.Sub(p.now))
				p.on(session.Ticked{}, "ask:due(alice-1)")
			}
			if waited := p.now.Sub(failed); waited > 20*time.Second {
				p.t.Errorf("asked again after %v", waited)
			}
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due")
		}},
		{"an outage that ends before the token does never costs the token", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			dies := p.state.View().Expires
			for p.now.Before(dies.Add(-6 * time.Second)) {
				p.no(unwell, "mark:failed", "renewerror:server")
				p.pass(p.state.WakeAt.Sub(p.now))
				p.on(session.Ticked{}, "ask:due(alice-1)")
			}
			if !p.now.Before(dies) {
				p.t.Fatalf("the last attempt is %v after the token's death", p.now.Sub(dies))
			}
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due")
		}},
		{"a user who waits with a dead token starts a call at once, but one in two seconds", func(p *page) {
			p.active("alice-1")
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			for range 9 { // the next attempt is minutes away
				p.no(unwell, "mark:failed", "renewerror:server")
				p.pass(p.state.WakeAt.Sub(p.now))
				p.on(session.Ticked{}, "ask:due(alice-1)")
			}
			p.no(unwell, "mark:failed", "renewerror:server")
			p.pass(10 * time.Second)
			p.on(session.Wanted{ID: 1}, "ask:due(alice-1)")
			p.no(unwell, "mark:failed", "renewerror:server", "reject[1]:unavailable")
			p.pass(time.Second)
			p.on(session.Wanted{ID: 2})
			p.due(time.Second, "ask:due(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due", "settle[2]=alice-2")
		}},
		{"a user who waits does not ask against a Retry-After", func(p *page) {
			p.active("alice-1")
			p.fails(1, "alice-1", "ask:savefailed(alice-1)")
			p.no(tooMany(50*time.Second), "mark:failed", "renewerror:rate_limited")
			p.on(session.Wanted{ID: 1}, "reject[1]:unavailable")
			p.due(50*time.Second, "ask:savefailed(alice-1)")
		}},
		{"quota full: the mark is not written and the UI keeps the old token, without a request for it", func(p *page) {
			p.active("alice-1")
			p.blocked, p.full = true, true
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.yes("alice-2", "mark", "adopt(alice-2)", "renewed:due")
			calls := p.record.seq
			for range 60 {
				p.pass(10 * time.Second)
				p.step(session.Ticked{})
				p.step(session.StorageChanged{})
			}
			if made := p.record.seq - calls; made != 0 {
				p.t.Errorf("%d calls in ten minutes", made)
			}
			p.on(session.Wanted{ID: 1}, "settle[1]=alice-2")
		}},
		{"token() does not wait for a renewal while the token at hand is good for two minutes", func(p *page) {
			p.active("alice-1")
			p.on(session.Wanted{ID: 1, Fresh: true}, "ask:request(alice-1)")
			p.pass(9 * time.Second) // it hangs
			p.on(session.Wanted{ID: 2}, "settle[2]=alice-1")
		}},
		{"a promise has its bound, whatever the server does", func(p *page) {
			p.active("alice-1")
			p.on(session.DeadToken{Why: session.WhyExpired}, "ask:expired(alice-1)")
			p.on(session.Wanted{ID: 1})
			p.due(10*time.Second, "reject[1]:unavailable")
		}},
		{"a cookie that is never kept: one more login, and then the cause is named", func(p *page) {
			p.life = 5 * time.Minute
			p.active("alice-1")
			p.pass(p.state.WakeAt.Sub(p.now))
			p.on(session.Ticked{}, "ask:due(alice-1)")
			p.life = 50 * time.Second
			p.no(noCookie, "open(alice-1,)")
			p.yes("alice-1", "mark")
			p.pass(p.state.WakeAt.Sub(p.now))
			p.on(session.Ticked{}, "ask:due(alice-1)")
			p.no(noCookie, "renewerror:cookie_refused")
			p.on(session.Wanted{ID: 1}, "settle[1]=alice-1")
			p.on(session.Wanted{ID: 2, Fresh: true}, "settle[2]=alice-1") // there is no session to ask for
			p.pass(p.state.WakeAt.Sub(p.now))
			p.on(session.Ticked{}, "expired:cookie_refused", "mark:cookie_refused", "drop")
		}},
		{"a wake counts by the wall clock: a laptop that slept asks at once", func(p *page) {
			p.active("alice-1")
			p.on(session.Wanted{ID: 1, Fresh: true}, "ask:request(alice-1)")
			p.yes("alice-1", "mark", "settle[1]=alice-1")
			p.sleep(2 * time.Hour)
			p.on(session.Woke{}, "ask:wake(alice-1)")
		}},
		{"a clock that is set back does not put a call off", func(p *page) {
			p.active("alice-1")
			p.on(session.Wanted{ID: 1, Fresh: true}, "ask:request(alice-1)")
			p.yes("alice-1", "mark", "settle[1]=alice-1")
			p.pass(floor)
			p.stepClock(-time.Hour)
			p.on(session.Wanted{ID: 2, Fresh: true}, "ask:request(alice-1)")
		}},
		{"another tab has just had an answer: that counts for this one, too", func(p *page) {
			p.active("alice-1")
			p.otherTab("alice-2", life)
			p.on(session.StorageChanged{})
			p.on(session.Wanted{ID: 1, Fresh: true}, "settle[1]=alice-2")
			p.due(floor, "ask:request(alice-2)")
		}},
		{"a user waits: another tab's lock is taken after half a second", func(p *page) {
			p.queued = true
			p.store.Token, p.store.Mark = session.Token{}, session.Mark{}
			p.on(session.Started{Seed: 1}, "ask:start()")
			p.on(session.Wanted{ID: 1})
			p.due(500*time.Millisecond, "overtake")
		}},
		{"no user waits: another tab's lock is waited for", func(p *page) {
			p.active("alice-1")
			p.queued = true
			p.due(firstDue-time.Minute, "ask:due(alice-1)")
			p.due(5*time.Second, "overtake")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) { tc.play(newPage(t)) })
	}
}

// Three tabs share one server. It asks for a wait, fails, or is slow: what one
// tab hears counts for all.
func TestTabsShareWhatTheServerSays(t *testing.T) {
	for _, tc := range []struct {
		name   string
		takes  time.Duration
		answer func(n int) session.Answer
		within time.Duration
		calls  int
	}{
		{"a plain 429 with Retry-After: one call in that minute", 20 * time.Millisecond,
			func(int) session.Answer { return tooMany(time.Minute) }, 59 * time.Second, 1},
		{"a 503: as many calls as one tab makes", 20 * time.Millisecond,
			func(int) session.Answer { return session.Answer{Why: session.WhyServer} }, 3 * time.Second, 3},
		{"an answer that takes 800 ms: one call", 800 * time.Millisecond,
			func(int) session.Answer { return session.Answer{} }, 10 * time.Second, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				mint, n := mints(), 0
				server := &service{takes: tc.takes, answer: func(call session.Call) session.Answer {
					n++
					if answer := tc.answer(n); answer.Why != session.NoWhy {
						return answer
					}
					return mint(call)
				}}
				_, stop := openTabs(3, server, make(queue, 1))
				<-time.After(firstDue + tc.within)
				synctest.Wait()
				if got := len(server.asked()); got != tc.calls {
					t.Errorf("%d calls, want %d", got, tc.calls)
				}
				stop()
			})
		})
	}
}

// A hung tab delays a caller by half a second, so that with the calls that
// follow a user is served within one.
func TestHungTabDelaysByHalfASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &service{answer: mints(), takes: 50 * time.Millisecond}
		lock := make(queue, 1)
		lock <- struct{}{} // the hung tab's
		tabs, stop := openTabs(1, server, lock)
		<-time.After(life) // the token has died meanwhile, without a renewal
		asked := time.Now()
		tabs[0].Post(session.Wanted{ID: 1})
		for len(server.asked()) == 0 {
			<-time.After(10 * time.Millisecond)
		}
		if waited := server.askedAt()[0].Sub(asked); waited > 510*time.Millisecond {
			t.Errorf("waited %v for another tab", waited)
		}
		stop()
	})
}

// A login does not lose its cookie to the sign-out before it: the DELETE, slow
// as it is, is over or stopped before the login is reported.
func TestCookieChangingCallsAreInOrder(t *testing.T) {
	for _, takes := range []time.Duration{300 * time.Millisecond, 3 * time.Second} {
		t.Run(fmt.Sprintf("a DELETE that takes %v", takes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &ordered{takes: takes, mint: mints()}
				loop, page, wait := run(t, "alice-1", &service{answer: mints()})
				loop.Server = server
				page.write(session.Token{})
				loop.Post(session.SignedOutSeen{})
				synctest.Wait()
				begun := time.Now()
				loop.Post(session.CodeSeen{Code: tok("code-1"), RedirectURI: "https://site/"})
				<-time.After(10 * time.Second)
				synctest.Wait()
				loop.Post(session.Stopped{})
				wait()
				if want := []string{"end begins", "end is over", "open begins",
					"open is over"}; !slices.Equal(server.log, want) {
					t.Errorf("the calls went %q; want %q", server.log, want)
				}
				if waited := server.opened.Sub(begun); waited > time.Second {
					t.Errorf("the login waited %v", waited)
				}
			})
		})
	}
}

// ordered is a server that notes when each call begins and is over for the
// browser: a stopped one is over at once, and changes no cookie.
type ordered struct {
	takes time.Duration
	mint  func(session.Call) session.Answer

	mu     sync.Mutex
	log    []string
	opened time.Time
}

func (o *ordered) Do(stop *session.Latch, call session.Call, _ session.Counts) session.Answer {
	kind := map[session.CallKind]string{session.CallOpen: "open", session.CallEnd: "end"}[call.Kind]
	o.note(kind + " begins")
	defer o.note(kind + " is over")
	if call.Kind == session.CallOpen {
		o.opened = time.Now()
		call.Token = tok("alice-9")
		return o.mint(call)
	}
	select {
	case <-closing(stop):
		return unreachable
	case <-time.After(o.takes):
		return o.mint(call)
	}
}

func (o *ordered) Activity(*session.Latch, session.Counts) bool { return true }

func (o *ordered) note(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.log = append(o.log, line)
}
