package server

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/clock/clocktest"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis/redistest"
)

// Two real processes on a real Redis. One is stopped (SIGSTOP) while Capture
// answers its refresh, for longer than its lock lasts and than a call may take,
// and the other is asked for the same session all the while. The session must
// live at both when the first one goes on, with the pair that waited in its
// socket.
func TestPausedReplica(t *testing.T) {
	service, url := upstream(t)
	env := serving(url, "", serverSide("STORE="+redistest.Start(t).URL(), "RATE_LOGIN=off", "UPSTREAM_TIMEOUT=2s")...)
	paused, other := start(t, env), start(t, env)
	uuid, code := service.SignInCode("ada@example.com", "Ada", testRedirect)
	here := newPage(t, paused.public)
	there := here.at(other.public)
	token := here.exchange(t, code).AccessToken

	answer := make(chan struct{}) // closed when the server stands still
	service.Fail(simulator.Fault{Endpoint: simulator.EndpointRefresh, Times: 1, Until: answer})
	waiting := make(chan got, 1)
	ask := func(browser *page) (one got) {
		one.status, one.err = browser.post(
			t.Context(), api.PathToken, api.TokenRequest{Reason: api.ReasonInvalid, Have: token}, &one.answer)
		return one
	}
	go func() { waiting <- ask(here) }()
	ticks := time.NewTicker(5 * time.Millisecond)
	defer ticks.Stop()
	for deadline := time.Now().Add(patience); service.Count(simulator.EndpointRefresh) == 0; <-ticks.C {
		if time.Now().After(deadline) {
			t.Fatal("there is no refresh")
		}
	}
	clocktest.Stop(t, paused.command.Process)
	close(answer)
	// Until the other one has taken over, and Capture has called the token dead.
	for stopped := time.Now(); service.Count(simulator.EndpointRefresh) < 2; {
		one := ask(there)
		if one.err != nil || one.status != http.StatusServiceUnavailable {
			t.Fatalf("while the first server is paused: %d %s %v", one.status, one.answer.Code, one.err)
		}
		if time.Since(stopped) > patience {
			t.Fatal("the other server never took over")
		}
	}
	if err := paused.command.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	first := <-waiting
	if first.err != nil || first.status != http.StatusOK || service.TokenOwner(first.answer.AccessToken) != uuid {
		t.Fatalf("the server that was paused: %d %s %v\n%s", first.status, first.answer.Code, first.err, other.log())
	}
	token = first.answer.AccessToken
	for i, browser := range []*page{there, here} {
		one := ask(browser)
		if one.err != nil || one.status != http.StatusOK || service.TokenOwner(one.answer.AccessToken) != uuid {
			t.Fatalf("the next refresh, %d: %d %s %v", i, one.status, one.answer.Code, one.err)
		}
		token = one.answer.AccessToken
	}
}
