package main

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/simulator"
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
		fmt.Fprintf(w, `{"stat":"error","code":500,"error":%q,"argument_name":%q,"request_id":%q,"error_description":%q}`,
			r.Header.Get("Authorization"), body, body, dump)
	})
}

// Everything that is secret goes through the real program at its most talkative,
// through successes, refusals and the mishaps of Capture, and is found
// afterwards in nothing but what was meant to carry it: not in the log, the
// metrics, an error, a file of the store, or what the system shows of the
// process. (Panics are forced where they can be: in the tests of httpapi and
// session.)
func TestSentinels(t *testing.T) {
	service, upstreamURL := upstream(t)
	dir := t.TempDir()
	hidden, data := filepath.Join(dir, "secrets"), filepath.Join(dir, "data")
	for _, each := range []string{hidden, data} {
		if err := os.Mkdir(each, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	file := func(name, value string) string {
		path := filepath.Join(hidden, name)
		write(t, path, value)
		return path
	}
	rawKey, err := base64.StdEncoding.DecodeString(testKeys[len("k1:"):])
	if err != nil {
		t.Fatal(err)
	}
	planted := sentinels{"the issuer's secret": testSecret, "the login client's secret": loginSecret, "the key": string(rawKey)}
	server := start(t, serving(upstreamURL, filepath.Join(data, "keepalive.db"),
		"LOG_LEVEL=debug", "RATE_LOGIN=off", "RATE_FORCED=off", "UPSTREAM_TIMEOUT=1s",
		"ISSUER_CLIENT_SECRET", "ISSUER_CLIENT_SECRET_FILE="+file("issuer", testSecret),
		"LOGIN_CLIENT_ID=login", "LOGIN_CLIENT_SECRET_FILE="+file("login", loginSecret), "REDIRECT_URI="+testRedirect,
		"KEYS", "KEYS_FILE="+file("keys", testKeys)))

	var errors bytes.Buffer // what is answered to those who are refused
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
		if err := response.Write(&errors); err != nil {
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
			{}, {Answer: echo(http.StatusOK)}, {Answer: echo(http.StatusBadGateway)}, {Answer: echo(http.StatusBadRequest)},
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
		do(browser, http.MethodPost, "/keepalive"+api.PathSession+"?accessToken="+token, `{"accessToken":"`+token+`","authorizationCode":"`+token+`"}`)
		do(browser, http.MethodPost, "/keepalive/"+token, `{}`)
		do(browser, http.MethodPost, "/keepalive"+api.PathToken, `{"`+token+`":"`+token+`"}`)
		do(browser, http.MethodPost, "/keepalive"+api.PathToken, `{"reason":"`+token+`"}`)
		do(browser, http.MethodPost, "/keepalive"+api.PathToken, token)
		do(browser, http.MethodPost, "/keepalive"+api.PathSession, `{"accessToken":"Bearer `+token+`","uuid":"`+uuid+`"}`)
		do(browser, http.MethodPost, "/keepalive"+api.PathSession, `{"accessToken":"`+token+`","uuid":"somebody-else"}`)
		do(browser, http.MethodGet, "/keepalive"+api.PathSession, "", func(r *http.Request) {
			for _, name := range []string{"Authorization", "Referer", "User-Agent", "X-Request-Id", "X-Forwarded-For", "Origin"} {
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
	places := map[string][]byte{"the answers": errors.Bytes(), "the metrics": metrics}
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
	stored, err := os.ReadDir(data)
	if err != nil || len(stored) == 0 {
		t.Fatalf("the store has %d files, %v", len(stored), err)
	}
	for _, entry := range stored {
		if places["the file "+entry.Name()], err = os.ReadFile(filepath.Join(data, entry.Name())); err != nil {
			t.Fatal(err)
		}
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
