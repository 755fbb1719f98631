package server

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/config"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/app"
)

// What a page asks most: its token, while that is fresh. Whole requests over
// the network are scripts/bench's.
func BenchmarkFreshToken(b *testing.B) {
	service, url := upstream(b)
	settings, err := config.Read(serving(url, filepath.Join(b.TempDir(), "keepalive.db"), "RATE_LOGIN=off"))
	if err != nil {
		b.Fatal(err)
	}
	a, err := app.New(b.Context(), settings, app.Options{Log: slog.New(slog.NewJSONHandler(io.Discard, nil))})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := a.Close(); err != nil {
			b.Error(err)
		}
	})
	handler := a.Public()
	ask := func(path, body, cookie string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodPost, "/keepalive"+path, strings.NewReader(body))
		r.Header.Set("Origin", testOrigin)
		r.Header.Set("X-Keepalive", "1")
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Cookie", cookie)
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, r)
		return answer
	}
	_, token := service.SignIn("ada@example.com", "Ada")
	opened := ask(api.PathSession, `{"accessToken":"`+token+`"}`, "")
	if opened.Code != http.StatusCreated {
		b.Fatalf("login: %d %s", opened.Code, opened.Body)
	}
	cookie, _, _ := strings.Cut(opened.Header().Get("Set-Cookie"), ";")
	b.ReportAllocs()
	for b.Loop() {
		if answer := ask(api.PathToken, `{"reason":"start"}`, cookie); answer.Code != http.StatusOK {
			b.Fatalf("%d %s", answer.Code, answer.Body)
		}
	}
}
