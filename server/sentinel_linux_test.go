package server

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/app"
	"github.com/capture-keepalive/capture-keepalive/server/config"
	"github.com/capture-keepalive/capture-keepalive/server/config/configtest"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis/redistest"
)

// sentinels are secrets to be found nowhere, by what they are.
type sentinels map[string]string

// in returns which of the sentinels are in text, as they are or encoded.
func (s sentinels) in(text []byte) (found []string) {
	for _, name := range slices.Sorted(maps.Keys(s)) {
		value := []byte(s[name])
		for form, encoded := range map[string]string{
			"":                 string(value),
			" in base64":       base64.RawStdEncoding.EncodeToString(value),
			" in base64url":    base64.RawURLEncoding.EncodeToString(value),
			" in hex":          hex.EncodeToString(value),
			" in a URL":        url.QueryEscape(string(value)),
			" as Go prints it": strings.Trim(fmt.Sprintf("%v", value), "[]"),
		} {
			if bytes.Contains(text, []byte(encoded)) {
				found = append(found, name+form)
			}
		}
	}
	return found
}

// echo answers with everything that was asked, as a careless service might.
func echo(status int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dump, err := httputil.DumpRequest(r, true)
		if err != nil {
			dump = []byte(err.Error())
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Echo", r.Header.Get("Authorization"))
		w.WriteHeader(status)
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, `{"stat":"error","code":500,"error":%q,"argument_name":%q,`+
			`"request_id":%q,"error_description":%q}`,
			r.Header.Get("Authorization"), body, body, dump)
	})
}

// Everything that is secret goes through the real program at its most talkative,
// through successes, refusals and the mishaps of Capture, and is found
// afterwards in nothing but what was meant to carry it: not in the log, the
// metrics, an error, a file of the store, or what the system shows of the
// process. TestSentinelsInPanics does the same where the server itself fails.
func TestSentinels(t *testing.T) {
	t.Run("bolt", func(t *testing.T) {
		data := t.TempDir()
		lookForSentinels(t, "bolt:"+filepath.Join(data, "keepalive.db"), data, sentinels{})
	})
	t.Run("redis", func(t *testing.T) {
		const password = "redis-password-0001"
		// Its file has every write, also of what was deleted since.
		database := redistest.Start(t, "--requirepass", password, "--appendonly", "yes")
		lookForSentinels(t, "redis://:"+password+"@"+database.Address, database.Dir,
			sentinels{"the store's password": password})
	})
}

// lookForSentinels is TestSentinels with one store, which has its files in data.
func lookForSentinels(t *testing.T, storeURL, data string, planted sentinels) {
	service, upstreamURL := upstream(t)
	hidden := t.TempDir()
	file := func(name, value string) string {
		path := filepath.Join(hidden, name)
		write(t, path, value)
		return path
	}
	rawKey, err := base64.StdEncoding.DecodeString(configtest.Keys[len("k1:"):])
	if err != nil {
		t.Fatal(err)
	}
	planted["the issuer's secret"], planted["the login client's secret"],
		planted["the key"] = configtest.IssuerSecret, loginSecret, string(rawKey)
	server := start(t, serving(upstreamURL, "", "STORE", "STORE_FILE="+file("store", storeURL),
		"LOG_LEVEL=debug", "RATE_LOGIN=off", "RATE_FORCED=off", "UPSTREAM_TIMEOUT=1s",
		"ISSUER_CLIENT_SECRET", "ISSUER_CLIENT_SECRET_FILE="+file("issuer", configtest.IssuerSecret),
		"LOGIN_CLIENT_ID=login", "LOGIN_CLIENT_SECRET_FILE="+file("login", loginSecret), "REDIRECT_URI="+testRedirect,
		"KEYS", "KEYS_FILE="+file("keys", configtest.Keys)))

	var answers bytes.Buffer // what is said to those who are refused
	do := func(browser *page, method, path, body string, change ...func(*http.Request)) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, browser.base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", testOrigin)
		r.Header.Set("X-Keepalive", "1")
		r.Header.Set("Content-Type", "application/json")
		for _, each := range change {
			each(r)
		}
		response, err := browser.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode < 400 {
			_, _ = io.Copy(io.Discard, response.Body) // the page's own token
			return
		}
		if err := response.Write(&answers); err != nil {
			t.Fatal(err)
		}
	}

	for i, mode := range []string{"token", "code"} {
		browser := newPage(t, server.public)
		name := fmt.Sprintf("user%d@example.com", i)
		var uuid, token, code string
		if mode == "token" {
			uuid, token = service.SignIn(name, name)
			browser.login(t, token)
		} else {
			uuid, code = service.SignInCode(name, name, testRedirect)
			token = browser.exchange(t, code).AccessToken
			planted["the code"] = code
		}
		planted["the "+mode+" session's uuid"], planted["the "+mode+" session's token"] = uuid, token
		cookie := cookieOf(t, browser)
		planted["the "+mode+" session's cookie"] = cookie
		_, claims, _ := strings.Cut(cookie, ".")
		claims, _, _ = strings.Cut(claims, ".")
		planted["the "+mode+" session's claims"] = claims

		for round, fault := range []simulator.Fault{
			{}, {Answer: echo(http.StatusOK)}, {Answer: echo(http.StatusBadGateway)},
			{Answer: echo(http.StatusBadRequest)},
			{Number: 402}, {Number: 510}, {Number: 200, Argument: token}, {Answer: simulator.Reset()},
			{Answer: http.RedirectHandler("/"+token, http.StatusFound)}, {Delay: patience},
		} {
			undo := service.Fail(fault)
			renewing := newPage(t, server.public)
			_, fresh := service.SignIn(name, name)
			planted[fmt.Sprintf("token %d of the %s session", round, mode)] = fresh
			do(renewing, http.MethodPost, "/keepalive"+api.PathSession, `{"accessToken":"`+fresh+`"}`)
			do(browser, http.MethodPost, "/keepalive"+api.PathToken, `{"reason":"invalid","have":"`+token+`"}`)
			undo()
		}
		// Secrets in all the wrong places.
		do(browser, http.MethodPost, "/keepalive"+api.PathSession+"?accessToken="+token,
			`{"accessToken":"`+token+`","authorizationCode":"`+token+`"}`)
		do(browser, http.MethodPost, "/keepalive/"+token, `{}`)
		do(browser, http.MethodPost, "/keepalive"+api.PathToken, `{"`+token+`":"`+token+`"}`)
		do(browser, http.MethodPost, "/keepalive"+api.PathToken, `{"reason":"`+token+`"}`)
		do(browser, http.MethodPost, "/keepalive"+api.PathToken, token)
		do(browser, http.MethodPost, "/keepalive"+api.PathSession,
			`{"accessToken":"Bearer `+token+`","uuid":"`+uuid+`"}`)
		do(browser, http.MethodPost, "/keepalive"+api.PathSession, `{"accessToken":"`+token+`","uuid":"another-user"}`)
		do(browser, http.MethodGet, "/keepalive"+api.PathSession, "", func(r *http.Request) {
			for _, name := range []string{"Authorization", "Referer", "User-Agent", "X-Request-Id",
				"X-Forwarded-For", "Origin"} {
				r.Header.Set(name, token)
			}
		})
		do(browser, http.MethodGet, "/keepalive"+api.PathSession, "", func(r *http.Request) {
			r.Header.Set("Cookie", "keepalive="+cookie[:len(cookie)-2]) // forged, nearly
		})
		do(browser, "X"+strings.ToUpper(strings.ReplaceAll(token, "-", "")), "/keepalive"+api.PathSession, "")
		do(browser, http.MethodDelete, "/keepalive"+api.PathSession, "")
	}
	server.hangUp(t, taken)

	response, err := http.Get(server.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	metrics, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	places := map[string][]byte{"the answers": answers.Bytes(), "the metrics": metrics}
	for _, name := range []string{"cmdline", "environ"} {
		shown, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", server.command.Process.Pid, name))
		if err != nil {
			t.Fatal(err)
		}
		places["the process's "+name] = shown
	}
	if err := server.command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := server.command.Wait(); err != nil {
		t.Errorf("exit: %v", err)
	}
	places["the log"] = []byte(server.log())
	stored := 0
	err = filepath.WalkDir(data, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		stored++
		places["the file "+path], err = os.ReadFile(path)
		return err
	})
	if err != nil || stored == 0 {
		t.Fatalf("the store has %d files, %v", stored, err)
	}
	for place, text := range places {
		if len(text) == 0 {
			t.Errorf("%s: there is nothing to look at", place)
		}
		if found := planted.in(text); len(found) > 0 {
			t.Errorf("in %s: %q", place, found)
		}
	}
}

// bomb is something that panics with all that it can see.
type bomb struct {
	armed atomic.Bool
	kind  func(text string) any
}

// explode panics once if the bomb is armed.
func (b *bomb) explode(text string) {
	if b.armed.Swap(false) {
		panic(b.kind(text))
	}
}

// wires is a bomb in the way to Capture. It goes off with the question or with
// the answer in hand.
type wires struct{ asking, answered *bomb }

// RoundTrip implements http.RoundTripper.
func (w wires) RoundTrip(r *http.Request) (*http.Response, error) {
	dump, err := httputil.DumpRequestOut(r, true)
	if err != nil {
		return nil, err
	}
	w.asking.explode(string(dump))
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if dump, err = httputil.DumpResponse(response, true); err != nil {
		return nil, err
	}
	w.answered.explode(string(dump))
	return response, nil
}

// body is a bomb in the body of a request.
type body struct {
	bomb *bomb
	text string
}

func (b body) Read([]byte) (int, error) {
	b.bomb.explode(b.text)
	return 0, io.EOF
}

// The whole server, in this process so that it can be made to panic: on the way
// to Capture, on the way back, and while a page is read, with the secrets of the
// moment as what the panic says.
func TestSentinelsInPanics(t *testing.T) {
	service, upstreamURL := upstream(t)
	data := t.TempDir()
	settings, err := config.Read(serving(upstreamURL, filepath.Join(data, "keepalive.db"), serverSide(
		"LOG_LEVEL=debug", "RATE_LOGIN=off", "RATE_FORCED=off")...))
	if err != nil {
		t.Fatal(err)
	}
	var log output
	explosive := &bomb{}
	asking, answered := &bomb{}, &bomb{}
	server, err := app.New(t.Context(), settings, app.Options{
		Log: app.NewLog(settings, &log), Transport: wires{asking, answered},
	})
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	t.Cleanup(func() {
		if !closed {
			_ = server.Close() // the test has failed already
		}
	})

	planted := sentinels{"the issuer's secret": configtest.IssuerSecret,
		"the login client's secret": loginSecret, "the keys": configtest.Keys}
	var answers bytes.Buffer
	ask := func(method, path, cookie string, body io.Reader) *httptest.ResponseRecorder {
		t.Helper()
		r := httptest.NewRequest(method, "/keepalive"+path, body)
		r.Header.Set("Origin", testOrigin)
		r.Header.Set("X-Keepalive", "1")
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Cookie", cookie)
		answer := httptest.NewRecorder()
		server.Public().ServeHTTP(answer, r)
		return answer
	}
	panics := 0
	failing := func(path, cookie string, body io.Reader) {
		t.Helper()
		answer := ask(http.MethodPost, path, cookie, body)
		if answer.Code != http.StatusInternalServerError {
			t.Fatalf("%s: %d %s, want a panic's 500", path, answer.Code, answer.Body)
		}
		panics++
		if err := answer.Result().Write(&answers); err != nil {
			t.Fatal(err)
		}
	}

	kinds := map[string]func(text string) any{
		"string": func(text string) any { return text },
		"error":  func(text string) any { return errors.New(text) },
		"value":  func(text string) any { return struct{ text string }{text} },
		"runtime": func(text string) (fault any) {
			defer func() { fault = recover() }()
			return any(text).(error) // what the runtime says of it
		},
	}
	for kind, explosion := range kinds {
		explosive.kind, asking.kind, answered.kind = explosion, explosion, explosion
		for _, mode := range []string{"token", "code"} {
			name := kind + mode + "@example.com"
			login := func() string {
				if mode == "token" {
					uuid, token := service.SignIn(name, name)
					planted["a uuid of "+name], planted["a token of "+name] = uuid, token
					return `{"accessToken":"` + token + `"}`
				}
				uuid, code := service.SignInCode(name, name, testRedirect)
				planted["a uuid of "+name], planted["a code of "+name] = uuid, code
				return `{"authorizationCode":"` + code + `","redirectUri":"` + testRedirect + `"}`
			}
			opened := ask(http.MethodPost, api.PathSession, "", strings.NewReader(login()))
			if opened.Code != http.StatusCreated {
				t.Fatalf("login: %d %s", opened.Code, opened.Body)
			}
			cookie, _, _ := strings.Cut(opened.Header().Get("Set-Cookie"), ";")
			_, planted["a cookie of "+name], _ = strings.Cut(cookie, "=")
			var grant api.TokenAnswer
			if err := json.Unmarshal(opened.Body.Bytes(), &grant); err != nil {
				t.Fatal(err)
			}
			planted["the session's token of "+name] = grant.AccessToken
			renewal := `{"reason":"invalid","have":"` + grant.AccessToken + `"}`

			for _, each := range []*bomb{asking, answered} {
				each.armed.Store(true)
				failing(api.PathSession, "", strings.NewReader(login()))
				if mode == "code" && each == answered {
					break // what a refresh gave is lost with its answer
				}
				each.armed.Store(true)
				failing(api.PathToken, cookie, strings.NewReader(renewal))
			}
			for _, path := range []string{api.PathSession, api.PathToken} {
				explosive.armed.Store(true)
				failing(path, cookie, body{explosive, renewal + cookie})
			}
			if alive := ask(http.MethodPost, api.PathToken, cookie,
				strings.NewReader(renewal)); alive.Code != http.StatusOK {
				t.Errorf("%s, %s: the session did not survive the panics: %d %s", kind, mode, alive.Code, alive.Body)
			}
		}
	}

	metrics := httptest.NewRecorder()
	server.Admin().ServeHTTP(metrics, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	closed = true
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	stored, err := os.ReadFile(filepath.Join(data, "keepalive.db"))
	if err != nil {
		t.Fatal(err)
	}
	if told := strings.Count(log.String(), `"stack":"`); told != panics || panics == 0 {
		t.Errorf("the log tells of %d panics, want %d", told, panics)
	}
	for place, text := range map[string][]byte{
		"the answers": answers.Bytes(), "the metrics": metrics.Body.Bytes(),
		"the log": []byte(log.String()), "the store": stored,
	} {
		if len(text) == 0 {
			t.Errorf("%s: there is nothing to look at", place)
		}
		if found := planted.in(text); len(found) > 0 {
			t.Errorf("in %s: %q", place, found)
		}
	}
}
