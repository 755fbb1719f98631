package server

import (
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis/redistest"
)

// The hardest moment of a client-side session: Capture has issued a token, and
// the server dies before it has stored it, or even heard of it. The stored token
// stays the one in force, and another can be had.
func TestKilledBetweenIssuingAndStoring(t *testing.T) {
	const sessions = 10
	service, url := upstream(t)
	env := serving(url, "", "STORE="+redistest.Start(t).URL(), "RATE_LOGIN=off", "RATE_FORCED=off")
	survivor, victim := start(t, env), start(t, env)
	type user struct {
		uuid, token string
		page        *page
	}
	users := make([]user, sessions)
	for i := range users {
		one := &users[i]
		one.uuid, one.token = service.SignIn("ada@example.com", "Ada")
		one.page = newPage(t, survivor.public)
		one.page.login(t, one.token)
	}
	service.Fail(simulator.Fault{Endpoint: simulator.EndpointIssue, Times: sessions,
		Answer: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			// Half of the answer is on its way: what is missing is its last byte.
			answer := `{"stat":"ok","accessToken":"mintedanddropped1"}`
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
			_, _ = io.WriteString(w, answer[:len(answer)-1])
			_ = http.NewResponseController(w).Flush() // or the caller has gone
			<-r.Context().Done()
		})})
	var stalls atomic.Int64 // of the store
	ask := func(at *page, question api.TokenRequest) got {
		answer, stalled := at.ask(t, question)
		stalls.Add(int64(stalled))
		return answer
	}
	var group sync.WaitGroup
	for _, one := range users {
		group.Go(func() {
			answer := ask(one.page.at(victim.public), api.TokenRequest{Reason: api.ReasonInvalid, Have: one.token})
			if answer.err == nil {
				t.Errorf("a killed process answered %d", answer.status)
			}
		})
	}
	ticks := time.NewTicker(5 * time.Millisecond)
	defer ticks.Stop()
	for deadline := time.Now().Add(patience); service.Count(simulator.EndpointIssue) < sessions; <-ticks.C {
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d tokens were issued", service.Count(simulator.EndpointIssue), sessions)
		}
	}
	if err := victim.command.Process.Kill(); err != nil { // SIGKILL
		t.Fatal(err)
	}
	group.Wait()
	for i, one := range users {
		kept := ask(one.page, api.TokenRequest{Reason: api.ReasonStart})
		if kept.err != nil || kept.status != http.StatusOK || kept.answer.AccessToken != one.token {
			t.Errorf("session %d: %d %s %v, the stored token: %v", i, kept.status, kept.answer.Code,
				kept.err, kept.answer.AccessToken == one.token)
		}
		renewed := ask(one.page, api.TokenRequest{Reason: api.ReasonInvalid, Have: one.token})
		if renewed.err != nil || renewed.status != http.StatusOK ||
			service.TokenOwner(renewed.answer.AccessToken) != one.uuid {
			t.Errorf("session %d: %d %s %v\n%s", i, renewed.status, renewed.answer.Code, renewed.err, survivor.log())
		}
	}
	more := service.Count(simulator.EndpointIssue) - 2*sessions
	if more < 0 || more > int(stalls.Load()) {
		t.Errorf("%d calls more than two for each of %d sessions, and the store stalled %d times",
			more, sessions, stalls.Load())
	}
}

// Five times twenty kills: enough that a race of one in a hundred shows, in
// less than a minute.
const (
	killRounds = 5
	killed     = 20
)

// The bar: 100 times a process dies of SIGKILL in the middle of a renewal, while
// another is asked for the same. No session is lost, the other has the new token
// as soon as the turn of the dead one has ended, and no kill costs more than one
// call.
func TestKilledMidRenewal(t *testing.T) {
	service, url := upstream(t)
	env := serving(url, "", serverSide(
		"STORE="+redistest.Start(t).URL(), "RATE_LOGIN=off", "RATE_FORCED=off")...)
	survivor := start(t, env)

	type user struct {
		uuid, token string
		here, there *page
	}
	users := make([]user, killed)
	for i := range users {
		one := &users[i]
		one.here = newPage(t, survivor.public)
		if i%2 == 0 {
			one.uuid, one.token = service.SignIn("ada@example.com", "Ada")
			one.here.login(t, one.token)
			continue
		}
		var code string
		one.uuid, code = service.SignInCode("bob@example.com", "Bob", testRedirect)
		one.token = one.here.exchange(t, code).AccessToken
	}
	renewals := func() int { return service.Count(simulator.EndpointIssue) + service.Count(simulator.EndpointRefresh) }
	var stalls atomic.Int64 // of the store, in a round
	ask := func(at *page, have string) got {
		answer, stalled := at.ask(t, api.TokenRequest{Reason: api.ReasonInvalid, Have: have})
		stalls.Add(int64(stalled))
		return answer
	}

	for round := range killRounds {
		stalls.Store(0)
		victims := make([]*process, killed)
		for i := range victims {
			victims[i] = start(t, env)
			users[i].there = users[i].here.at(victims[i].public)
		}
		before := renewals()
		for _, endpoint := range []string{simulator.EndpointIssue, simulator.EndpointRefresh} {
			// A killed server gets no answer. Capture notices, and does nothing.
			service.Fail(simulator.Fault{Endpoint: endpoint, Times: killed / 2, Delay: patience})
		}
		lost, saved := make(chan got, killed), make([]chan got, killed)
		for _, one := range users {
			go func() { lost <- ask(one.there, one.token) }()
		}
		ticks := time.NewTicker(5 * time.Millisecond)
		defer ticks.Stop()
		for deadline := time.Now().Add(patience); renewals() < before+killed; <-ticks.C {
			if time.Now().After(deadline) {
				t.Fatalf("round %d: %d of %d renewals are under way", round, renewals()-before, killed)
			}
		}
		for i, one := range users {
			saved[i] = make(chan got, 1)
			go func() { saved[i] <- ask(one.here, one.token) }()
		}
		for _, victim := range victims {
			if err := victim.command.Process.Kill(); err != nil { // SIGKILL
				t.Fatal(err)
			}
		}
		for range victims {
			if one := <-lost; one.err == nil {
				t.Errorf("round %d: a killed process answered %d", round, one.status)
			}
		}
		for i := range users {
			one, answer := &users[i], <-saved[i]
			if answer.err != nil || answer.status != http.StatusOK ||
				answer.answer.AccessToken == one.token || service.TokenOwner(answer.answer.AccessToken) != one.uuid {
				t.Fatalf("round %d, session %d: %d %s %v\n%s", round, i, answer.status,
					answer.answer.Code, answer.err, survivor.log())
			}
			one.token = answer.answer.AccessToken
		}
		more := renewals() - before - 2*killed
		if more < 0 || more > int(stalls.Load()) {
			t.Errorf("round %d: %d calls more than one for each of %d renewals and kills, and the "+
				"store stalled %d times", round, more, killed, stalls.Load())
		}
	}
}
