package echokeepalive_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/capture-keepalive/capture-keepalive/server/middleware"
	"github.com/capture-keepalive/capture-keepalive/server/middleware/echokeepalive"
)

// keepalive is a server to which every cookie is a session.
func keepalive(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("X-Capture-Uuid", "6b1d9c2e")
	w.WriteHeader(http.StatusNoContent)
}

func site(url string) (*echo.Echo, error) {
	m, err := middleware.New(middleware.Config{URL: url})
	if err != nil {
		return nil, err
	}
	greet := func(c echo.Context) error {
		if visitor, ok := echokeepalive.Visitor(c); ok {
			return c.String(http.StatusOK, "Hello "+visitor.UUID)
		}
		return c.String(http.StatusOK, "Hello whoever you are")
	}
	e := echo.New()
	e.GET("/account", greet, echokeepalive.Require(m))
	e.GET("/", greet, echokeepalive.Recognize(m))
	e.GET("/broken", func(echo.Context) error { return echo.ErrTeapot }, echokeepalive.Require(m))
	return e, nil
}

func visit(e *echo.Echo, path, cookie string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	if cookie != "" {
		r.Header.Set("Cookie", cookie)
	}
	recorder := httptest.NewRecorder()
	e.ServeHTTP(recorder, r)
	return recorder
}

func Example() {
	// In life this is the server's ADMIN_LISTEN, http://127.0.0.1:9090.
	server := httptest.NewServer(http.HandlerFunc(keepalive))
	defer server.Close()
	e, err := site(server.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(visit(e, "/account", "__Host-Http-keepalive=signed").Body)
	fmt.Println(visit(e, "/account", "").Code)
	fmt.Println(visit(e, "/", "").Body)
	// Output:
	// Hello 6b1d9c2e
	// 401
	// Hello whoever you are
}

// What a handler returns is still echo's to answer.
func TestHandlersError(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(keepalive))
	defer server.Close()
	e, err := site(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if got := visit(e, "/broken", "a=b").Code; got != http.StatusTeapot {
		t.Errorf("HTTP %d, want 418", got)
	}
}
