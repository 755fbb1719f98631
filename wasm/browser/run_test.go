//go:build js && wasm

package browser

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// loader stands in for keepalive.js: what it is told comes out of channels.
type loader struct {
	t        *testing.T
	module   safejs.Value
	attached chan struct{}
	emitted  chan string // name and detail
	settled  chan string // id, token, code
	released chan string // id, deliver
	states   chan string
	ran      chan error
	stopped  bool
}

// start runs the module with a loader on the page until the test ends.
// early are events that it has kept until then.
func start(t *testing.T, options string, early ...string) *loader {
	t.Helper()
	const plenty = 32
	l := &loader{
		t: t, attached: make(chan struct{}), emitted: make(chan string, plenty), settled: make(chan string, plenty),
		released: make(chan string, plenty), states: make(chan string, plenty), ran: make(chan error, 1),
	}
	record := func(into chan string) safejs.Value {
		return function(t, func(args []safejs.Value) any {
			words := make([]any, len(args))
			for i, arg := range args {
				words[i] = arg
			}
			spelling, err := path("Array").Call("of", words...)
			if err != nil {
				t.Error(err)
			}
			into <- spell(spelling)
			return nil
		})
	}
	set(t, hostName, map[string]any{
		"options": parse(t, options),
		"emit":    record(l.emitted), "settle": record(l.settled), "release": record(l.released),
		"state": record(l.states),
		"attach": function(t, func(args []safejs.Value) any {
			l.module = argument(args, 0)
			for _, event := range early {
				l.do("event", event)
			}
			close(l.attached)
			return nil
		}),
	})
	go func() { l.ran <- Run() }()
	<-l.attached
	t.Cleanup(l.stop)
	return l
}

func (l *loader) do(method string, args ...any) safejs.Value {
	l.t.Helper()
	return call(l.t, l.module, method, args...)
}

// stop ends the module and waits for it.
func (l *loader) stop() {
	l.t.Helper()
	if l.stopped {
		return
	}
	l.stopped = true
	l.do("stop")
	if err := <-l.ran; err != nil {
		l.t.Errorf("Run: %v", err)
	}
}

const defaults = `{"endpoint":"/keepalive","margin":0,"load":"idle","hold":false,"guard":true,` +
	`"resubmit":true,"idleWarning":0,"debug":false}`

// The whole module, from a login to the sign-out, through what the loader
// calls and is called with.
func TestRun(t *testing.T) {
	cleanStorage(t)
	u := fakeUI(t)
	asked := make(chan string, 8)
	alive := map[string]any{
		api.PathSession: api.TokenAnswer{AccessToken: "token-1", UUID: "uuid-1", ExpiresIn: 3600,
			IdleExpiresIn: 1800, AbsoluteExpiresIn: 43200},
		api.PathToken: api.TokenAnswer{AccessToken: "token-2", UUID: "uuid-1", ExpiresIn: 3600,
			IdleExpiresIn: 1800, AbsoluteExpiresIn: 43200},
	}
	signedIn := false
	fakeFetch(t, func(r request) any {
		route := strings.TrimPrefix(r.url, "/keepalive")
		method := text(get(r.init, "method"))
		body := ""
		if r.body != "" {
			body = sorted(t, r.body)
		}
		asked <- method + " " + route + " " + body
		switch {
		case method == http.MethodDelete:
			return response(t, 204, nil)
		case route == api.PathSession:
			signedIn = true
		case !signedIn:
			return response(t, 401, encode(t, api.Problem{Code: api.SessionMissing}))
		}
		return response(t, 200, encode(t, alive[route]))
	})
	expectAsked := func(want string) {
		t.Helper()
		if got := <-asked; got != want {
			t.Fatalf("asked %s, want %s", got, want)
		}
	}
	expect := func(from chan string, want string) {
		t.Helper()
		if got := <-from; got != want {
			t.Fatalf("heard %s, want %s", got, want)
		}
	}

	l := start(t, defaults)
	var methods []string
	for _, name := range items(call(t, path("Object"), "keys", l.module)) {
		methods = append(methods, text(name))
	}
	slices.Sort(methods)
	if want := []string{"answered", "diagnostics", "end", "event", "status", "stay", "stop",
		"want"}; !slices.Equal(methods, want) {
		t.Errorf("the loader got %q, want %q", methods, want)
	}

	// No user is signed in.
	expectAsked(`POST /session/token {"reason":"start"}`)
	l.do("want", 1, false)
	expect(l.settled, `[1,null,"signed_out"]`)

	// A user signs in.
	store(t, keyToken, "token-1")
	store(t, keyExpires, time.Now().Add(time.Hour).UTC().Format(http.TimeFormat))
	l.do("event", "onCaptureLoginSuccess", parse(t, recorded), safejs.Undefined())
	expectAsked(`POST /session {"accessToken":"token-1","uuid":"uuid-1"}`)
	if got := <-l.emitted; !strings.HasPrefix(got, `["signedin",`) {
		t.Errorf("emitted %s", got)
	}
	l.do("want", 2, false)
	expect(l.settled, `[2,"token-1",""]`)
	var status map[string]any
	if err := json.Unmarshal([]byte(spell(l.do("status"))), &status); err != nil {
		t.Fatal(err)
	}
	if in, ok := status["expiresIn"].(float64); status["phase"] != "active" || !ok || in < 3590 || in > 3600 {
		t.Errorf("status %v", status)
	}
	if mark := decodeMark(stored(t, keyMark)); !mark.Of(session.NewToken("token-1")) {
		t.Errorf("mark %+v", mark)
	}

	// The token is refused, and replaced.
	l.do("event", "onCaptureExpiredToken", safejs.Undefined(), parse(t, `{"held":9}`))
	expectAsked(`POST /session/token {"have":"token-1","reason":"expired"}`)
	expect(l.released, `[9,false]`)
	if want := []string{"token-2"}; !slices.Equal(u.tokens, want) {
		t.Errorf("createCaptureSession got %q", u.tokens)
	}
	if got := <-l.emitted; !strings.HasPrefix(got, `["renewed",`) {
		t.Errorf("emitted %s", got)
	}
	store(t, keyToken, "token-2")

	// Nothing that the page can read says a token or a uuid.
	told := spell(l.do("diagnostics")) + spell(l.do("status"))
	for _, event := range []string{"login_seen", "dead_token", "answered", "wanted"} {
		if !strings.Contains(told, `"event":"`+event+`"`) {
			t.Errorf("no %s in the diagnostics: %s", event, told)
		}
	}
	for _, secret := range []string{"token-1", "token-2", "uuid-1"} {
		if strings.Contains(told, secret) {
			t.Errorf("the diagnostics tell %s", secret)
		}
	}

	l.do("stay")
	expectAsked(`POST /session/activity ` +
		`{"counts":{"finished":0,"held":0,"kept":0,"sent":0,"signInsAvoided":1}}`)
	if got := <-l.emitted; !strings.HasPrefix(got, `["stayed",`) {
		t.Errorf("emitted %s", got)
	}

	// The page ends the session.
	l.do("end", 3)
	expectAsked(`DELETE /session `)
	if got := <-l.emitted; !strings.HasPrefix(got, `["signedout",`) {
		t.Errorf("emitted %s", got)
	}
	expect(l.settled, `[3,null,""]`)
	l.stop()
	if u.ended != 1 {
		t.Errorf("endCaptureSession was called %d times", u.ended)
	}
}

// Once stopped, no listener and no timer of ours is left: what the loader
// still holds does nothing.
func TestRunStops(t *testing.T) {
	cleanStorage(t)
	asked := hanging(t, false)
	l := start(t, defaults)
	<-asked
	// A storage event that counts how often it is read.
	looks := 0
	storage := construct(t, "Event", "storage")
	call(t, path("Object"), "defineProperty", storage, "key", map[string]any{
		"get": function(t, func([]safejs.Value) any { looks++; return "theme" }),
	})
	call(t, safejs.Global(), "dispatchEvent", storage)
	if looks == 0 {
		t.Error("the page has no storage listener")
	}
	l.do("want", 1, false)
	l.stop()
	if got := <-l.settled; got != `[1,null,"stopped"]` {
		t.Errorf("settled %s", got)
	}
	errs := hear(t, "error")
	looks = 0
	call(t, safejs.Global(), "dispatchEvent", storage)
	for _, h := range happenings() {
		h.fire(t)
	}
	if looks > 0 {
		t.Error("a listener stays behind")
	}
	errs.silent(t)
	for _, method := range []string{"event", "answered", "want", "stay", "end", "stop", "status", "diagnostics"} {
		l.do(method)
	}
	if len(errs.text) != 8 {
		t.Errorf("%d of 8 functions were released", len(errs.text))
	}
}

// Arguments that are missing or wrong stop nothing.
func TestRunOddCalls(t *testing.T) {
	cleanStorage(t)
	hanging(t, false)
	l := start(t, defaults)
	warnings := hear(t, "warn")
	for _, arg := range []any{safejs.Undefined(), nil, "text", -1, 1e308, parse(t, `{}`), trap(t, "accessToken")} {
		for _, method := range []string{"event", "want", "stay", "status", "diagnostics"} {
			l.do(method)
			l.do(method, arg)
			l.do(method, arg, arg, arg)
		}
	}
	warnings.silent(t)
	l.stop()
}

// Options that the loader would not pass on are survived.
func TestRunOddOptions(t *testing.T) {
	for _, options := range []string{"", `null`, `{}`,
		`{"endpoint":7,"margin":"1","idleWarning":-1,"resubmit":"yes","debug":1}`} {
		cleanStorage(t)
		hanging(t, false)
		start(t, options).stop()
	}
}

// What the loader has kept for the module, and passes on when it is attached,
// comes after the start: nothing of it is lost.
func TestRunTakesWhatWasKept(t *testing.T) {
	cleanStorage(t)
	asked := hanging(t, false)
	l := start(t, defaults, "onCaptureSessionNotFound")
	<-asked
	var entries []struct{ Event string }
	if err := json.Unmarshal([]byte(spell(l.do("diagnostics"))), &entries); err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 || entries[0].Event != "started" || entries[1].Event != "no_token_seen" {
		t.Errorf("the diary says %+v", entries)
	}
	l.stop()
}

// With debug, each transition is written to the console as it happens.
func TestRunDebug(t *testing.T) {
	for debug, least := range map[string]int{"true": 1, "false": 0} {
		cleanStorage(t)
		asked := hanging(t, false)
		written := hear(t, "debug")
		l := start(t, `{"endpoint":"/keepalive","debug":`+debug+`}`)
		<-asked
		l.stop()
		if len(written.text) > 0 != (least > 0) {
			t.Errorf("debug %s: wrote %s", debug, written)
		}
		if least > 0 && !strings.Contains(written.text[0], `"event":"started"`) {
			t.Errorf("first wrote %s", written.text[0])
		}
	}
}

func TestRunWithoutLoader(t *testing.T) {
	for _, host := range []any{safejs.Undefined(), nil, map[string]any{},
		map[string]any{"attach": 1}, trap(t, "attach")} {
		set(t, hostName, host)
		if err := Run(); !errors.Is(err, errNoHost) {
			t.Errorf("%v, want %v", err, errNoHost)
		}
	}
}

// A loader that fails gets its error, and no listener stays behind.
func TestRunAttachFails(t *testing.T) {
	cleanStorage(t)
	set(t, hostName, map[string]any{"attach": thrower(t)})
	if err := Run(); err == nil || errors.Is(err, errNoHost) {
		t.Errorf("%v, want the loader's own error", err)
	}
	errs := hear(t, "error")
	for _, h := range happenings() {
		h.fire(t)
	}
	errs.silent(t)
}
