package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/clock/clocktest"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis/redistest"
)

// replicas are two real processes on one real Redis.
func replicas(t *testing.T) (service *simulator.Service, servers [2]*process) {
	t.Helper()
	service, url := upstream(t)
	env := serving(url, "", serverSide(
		"STORE="+redistest.Start(t).URL(), "RATE_LOGIN=off", "RATE_FORCED=off")...)
	return service, [2]*process{start(t, env), start(t, env)}
}

// got is what one of many callers heard.
type got struct {
	status int
	answer struct {
		api.TokenAnswer
		Code api.Code
	}
	err error
}

// untilStored asks again, as a page does, for as long as the store is said not to
// answer: a Redis that stands still for a second, with its machine, is no fault
// of the servers. stalls is how often it was said; each may have cost a call of
// Capture.
func untilStored(ask func() got) (one got, stalls int) {
	for began := time.Now(); ; stalls++ {
		one = ask()
		if one.err != nil || one.answer.Code != api.StoreUnavailable || time.Since(began) > patience {
			return one, stalls
		}
	}
}

// ask asks for the session's token, untilStored.
func (p *page) ask(t *testing.T, question api.TokenRequest) (one got, stalls int) {
	return untilStored(func() (one got) {
		one.status, one.err = p.post(t.Context(), api.PathToken, question, &one.answer)
		return one
	})
}

// together makes n calls at once, by turns at each of the servers.
func together(n int, browsers []*page, path string, body any) []got {
	all := make([]got, n)
	var group sync.WaitGroup
	for i := range all {
		group.Go(func() {
			all[i], _ = untilStored(func() (one got) {
				one.status, one.err = browsers[i%len(browsers)].post(context.Background(), path, body, &one.answer)
				return one
			})
		})
	}
	group.Wait()
	return all
}

// The bars: a code that is posted fifty times to two processes is exchanged
// once; fifty requests at both, with a Capture that takes 5 s and each refresh
// token once, are one refresh, and the session lives.
func TestTwoProcesses(t *testing.T) {
	service, servers := replicas(t)
	uuid, code := service.SignInCode("ada@example.com", "Ada", testRedirect)
	first := newPage(t, servers[0].public)
	both := []*page{first, first.at(servers[1].public)}

	service.Fail(simulator.Fault{Endpoint: simulator.EndpointExchange, Times: 1, Delay: 300 * time.Millisecond})
	var token string
	used := 0
	for _, one := range together(50, both, api.PathSession, api.OpenRequest{AuthorizationCode: code}) {
		switch {
		case one.err != nil:
			t.Fatal(one.err)
		case one.status == http.StatusCreated:
			token = one.answer.AccessToken
		case one.status == http.StatusConflict && one.answer.Code == api.CodeUsed:
			used++
		}
	}
	if token == "" || used != 49 || service.Count(simulator.EndpointExchange) != 1 {
		t.Fatalf("a session: %v, told that the code was used: %d, exchanges: %d; want one, 49, 1",
			token != "", used, service.Count(simulator.EndpointExchange))
	}

	// A server that stands still for longer than the lease of its lock may be
	// overtaken: then there are two refreshes, and the session lives, too.
	clocktest.OneOf(t, 3, func() error {
		before := service.Count(simulator.EndpointRefresh)
		service.Fail(simulator.Fault{Endpoint: simulator.EndpointRefresh, Times: 1, Delay: 5 * time.Second})
		answers := together(50, both, api.PathToken, api.TokenRequest{Reason: api.ReasonInvalid, Have: token})
		old := token
		token = currentToken(t, first)
		for _, one := range answers {
			if one.err != nil || one.status != http.StatusOK || one.answer.AccessToken == old ||
				one.answer.AccessToken != token {
				return fmt.Errorf("%d %s %v, the old token: %v, another than the stored one: %v", one.status,
					one.answer.Code, one.err, one.answer.AccessToken == old, one.answer.AccessToken != token)
			}
		}
		if n := service.Count(simulator.EndpointRefresh) - before; n != 1 {
			return fmt.Errorf("%d refreshes, want 1", n)
		}
		return nil
	})

	// The session lives at both, and the newest refresh token is in the store.
	before, stalls := service.Count(simulator.EndpointRefresh), 0
	for i, browser := range both {
		next, stalled := browser.ask(t, api.TokenRequest{Reason: api.ReasonInvalid, Have: token})
		stalls += stalled
		if next.err != nil || next.status != http.StatusOK || service.TokenOwner(next.answer.AccessToken) != uuid {
			t.Fatalf("the next refresh, at server %d: %d %s %v", i, next.status, next.answer.Code, next.err)
		}
		token = next.answer.AccessToken
	}
	if n := service.Count(simulator.EndpointRefresh) - before; n < 2 || n > 2+stalls {
		t.Errorf("%d refreshes, want 2, and the store stalled %d times", n, stalls)
	}
}

// currentToken is the one that the session has.
func currentToken(t *testing.T, browser *page) string {
	t.Helper()
	answer, _ := browser.ask(t, api.TokenRequest{Reason: api.ReasonStart})
	if answer.err != nil || answer.status != http.StatusOK {
		t.Fatalf("the session: %d %s %v", answer.status, answer.answer.Code, answer.err)
	}
	return answer.answer.AccessToken
}

// The bar: logout at one process during a refresh at the other does not wait for
// it, and the session is over everywhere.
func TestLogoutDuringARefreshElsewhere(t *testing.T) {
	service, servers := replicas(t)
	_, code := service.SignInCode("ada@example.com", "Ada", testRedirect)
	here := newPage(t, servers[0].public)
	there := here.at(servers[1].public)
	token := here.exchange(t, code).AccessToken
	cookie := cookieOf(t, here)

	answer := make(chan struct{}) // closed after the logout
	service.Fail(simulator.Fault{Endpoint: simulator.EndpointRefresh, Times: 1, Until: answer})
	waiting := make(chan got, 1)
	go func() {
		var one got
		one.status, one.err = here.post(context.Background(), api.PathToken,
			api.TokenRequest{Reason: api.ReasonInvalid, Have: token}, &one.answer)
		waiting <- one
	}()
	ticks := time.NewTicker(5 * time.Millisecond)
	defer ticks.Stop()
	for deadline := time.Now().Add(patience); service.Count(simulator.EndpointRefresh) == 0; <-ticks.C {
		if time.Now().After(deadline) {
			t.Fatal("there is no refresh")
		}
	}

	r, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, there.base+"/keepalive"+api.PathSession, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", testOrigin)
	r.Header.Set("X-Keepalive", "1")
	response, err := there.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusNoContent {
		t.Errorf("logout: %s", response.Status)
	}
	select {
	case <-waiting: // Capture does not answer before: the server has given it up
		t.Fatal("the logout waited for the refresh")
	default:
	}
	close(answer)
	if one := <-waiting; one.err != nil || one.status != http.StatusUnauthorized ||
		one.answer.Code != api.SessionEnded || one.answer.AccessToken != "" {
		t.Errorf("the waiting caller: %d %s %v, a token: %v", one.status, one.answer.Code, one.err,
			one.answer.AccessToken != "")
	}
	// A cookie that was kept opens nothing.
	for _, server := range servers {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
			server.public+"/keepalive"+api.PathToken, strings.NewReader(`{"reason":"start"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", testOrigin)
		r.Header.Set("X-Keepalive", "1")
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Cookie", "keepalive="+cookie)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusUnauthorized {
			t.Errorf("with the old cookie: %s, want 401", response.Status)
		}
	}
}
