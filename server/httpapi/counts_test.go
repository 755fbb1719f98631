package httpapi_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/httpapi"
	"github.com/capture-keepalive/capture-keepalive/server/session"
)

// counting is an Observer that adds up what pages say.
type counting struct{ total, reports int }

func (c *counting) Request(string, string, api.Code, time.Duration) {}
func (c *counting) PageCounts(counts api.PageCounts) {
	c.reports++
	c.total += counts.Finished + counts.Held + counts.Sent + counts.Kept + counts.SignInsAvoided
}

func tell(s *site, c *http.Cookie, counts string) *http.Response {
	return s.do(request("POST", "/session/token", `{"reason":"due","counts":`+counts+`}`, cookie(c)))
}

func TestPageCounts(t *testing.T) {
	for counts, want := range map[string]counting{
		`{"finished":1,"held":2,"sent":3,"kept":4,"signInsAvoided":5}`: {15, 1},
		`{"finished":1000000000}`:                                      {api.MaxPageCount, 1},
		`{"finished":-5,"held":1}`:                                     {1, 1},
		`{}`:                                                           {0, 1},
	} {
		var got counting
		s := newSite(t, func(c *httpapi.Config) { c.Observer = &got })
		if response := tell(s, s.login(t), counts); response.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", counts, response.Status)
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", counts, got, want)
		}
	}
}

// A page tells with what it says that the user is there, too.
func TestActivityCounts(t *testing.T) {
	var got counting
	s := newSite(t, func(c *httpapi.Config) { c.Observer = &got })
	known := s.login(t)
	for body, status := range map[string]int{
		`{"counts":{"finished":1,"kept":2}}`: http.StatusNoContent,
		`{}`:                                 http.StatusNoContent,
		``:                                   http.StatusNoContent,
		`{"counts":{"other":1}}`:             http.StatusBadRequest,
	} {
		response := s.do(request("POST", "/session/activity", body, cookie(known)))
		if response.StatusCode != status {
			t.Errorf("%s: %s, want %d", body, response.Status, status)
		}
	}
	if want := (counting{3, 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// A hostile page can make numbers up, but not large ones, and gets its tokens
// all the same.
func TestPageCountsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got counting
		s := newSite(t, func(c *httpapi.Config) { c.Observer = &got })
		known := s.login(t)
		for range 1000 {
			response := tell(s, known,
				`{"finished":999,"held":999,"sent":999,"kept":999,"signInsAvoided":999}`)
			if response.StatusCode != http.StatusOK {
				t.Fatal(response.Status)
			}
		}
		if got.reports != 6 || got.total != 6*5*api.MaxPageCount {
			t.Errorf("%+v of one session in one moment, want 6 reports", got)
		}
		time.Sleep(10 * time.Second)
		tell(s, known, `{"finished":1}`)
		if got.reports != 7 {
			t.Errorf("%d reports ten seconds later, want one more", got.reports)
		}
	})
}

// What has no session counts nothing.
func TestPageCountsNeedASession(t *testing.T) {
	var got counting
	s := newSite(t, func(c *httpapi.Config) { c.Observer = &got })
	known := s.login(t)
	tell(s, &http.Cookie{Name: known.Name, Value: "forged"}, `{"finished":1}`)
	s.sessions.err = &session.Error{Code: api.SessionEnded, Detail: "a test"}
	tell(s, known, `{"finished":1}`)
	if got.reports != 0 {
		t.Errorf("%+v", got)
	}
}
