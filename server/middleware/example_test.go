package middleware_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/capture-keepalive/capture-keepalive/server/middleware"
)

func Example() {
	// In life this is the server's ADMIN_LISTEN, http://127.0.0.1:9090.
	server := httptest.NewServer(http.HandlerFunc(keepalive))
	defer server.Close()

	keepalive, err := middleware.New(middleware.Config{
		URL:       server.URL,
		SignedOut: http.RedirectHandler("/login", http.StatusSeeOther),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	account := func(w http.ResponseWriter, r *http.Request) {
		visitor, _ := middleware.FromContext(r.Context())
		fmt.Fprintf(w, "Hello %s, your token is %s.", visitor.UUID, visitor.Token)
	}
	mux := http.NewServeMux()
	mux.Handle("/account", keepalive.Require(http.HandlerFunc(account)))

	for _, cookies := range []string{"__Host-Http-keepalive=signed", ""} {
		r := httptest.NewRequest(http.MethodGet, "/account", nil)
		if cookies != "" {
			r.Header.Set("Cookie", cookies)
		}
		recorder := httptest.NewRecorder()
		mux.ServeHTTP(recorder, r)
		if to := recorder.Header().Get("Location"); to != "" {
			fmt.Println("Sent to", to)
			continue
		}
		fmt.Println(recorder.Body)
	}
	// Output:
	// Hello 6b1d9c2e-0f0a-4c57-9f63-1d5a0d2b7a11, your token is [redacted].
	// Sent to /login
}
