//go:build js && wasm

package browser

import (
	"slices"
	"testing"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// ui is the Registration UI as far as the module calls it.
type ui struct {
	screens, tokens []string
	ended           int
	// draw, if set, is what renderScreen does.
	draw func(screen string)
	// end, if set, is what endCaptureSession does.
	end func()
}

// fakeUI puts a Registration UI on the page.
func fakeUI(t *testing.T) *ui {
	t.Helper()
	u := &ui{}
	methods := map[string]any{
		"renderScreen": function(t, func(args []safejs.Value) any {
			screen := text(argument(args, 0))
			u.screens = append(u.screens, screen)
			if u.draw != nil {
				u.draw(screen)
			}
			return nil
		}),
		"createCaptureSession": function(t, func(args []safejs.Value) any {
			if len(args) != 1 {
				t.Errorf("createCaptureSession got %d arguments", len(args))
			}
			u.tokens = append(u.tokens, text(argument(args, 0)))
			return nil
		}),
		"endCaptureSession": function(t, func([]safejs.Value) any {
			u.ended++
			if u.end != nil {
				u.end()
			}
			return nil
		}),
	}
	set(t, "janrain", map[string]any{"capture": map[string]any{"ui": methods}})
	return u
}

func TestAdopt(t *testing.T) {
	p, _ := newPage(t, safejs.Undefined())
	u := fakeUI(t)
	p.Adopt(session.NewToken("token-1"))
	if want := []string{"token-1"}; !slices.Equal(u.tokens, want) {
		t.Errorf("createCaptureSession got %q, want %q", u.tokens, want)
	}
	if got := p.Snapshot().Token; !got.Empty() {
		t.Error("a token that was given away is still taken for the storage's")
	}
	p.event("hooked", safejs.Undefined(), safejs.Undefined())
	if len(u.tokens) != 1 {
		t.Errorf("given %d times", len(u.tokens))
	}
}

// A UI that is still to come is given the newest token before it looks for
// one; until then the token counts as being in storage.
func TestAdoptBeforeTheUI(t *testing.T) {
	p, c := newPage(t, safejs.Undefined())
	p.event("hooked", safejs.Undefined(), safejs.Undefined())
	store(t, keyToken, "stored-1")
	adopt(p, "token-1")
	adopt(p, "token-2")
	want := session.Snapshot{
		Readable: true, Token: session.NewToken("token-2"), Expires: c.now().Add(time.Hour), Mark: markOf("token-2"),
	}
	if got := p.Snapshot(); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	u := fakeUI(t)
	p.event("hooked", safejs.Undefined(), safejs.Undefined())
	if want := []string{"token-2"}; !slices.Equal(u.tokens, want) {
		t.Errorf("createCaptureSession got %q, want %q", u.tokens, want)
	}
}

// adopt does as the session does: the mark first, then the token.
func adopt(p *page, token string) {
	p.SetMark(markOf(token))
	p.Adopt(session.NewToken(token))
}

func markOf(token string) session.Mark {
	return session.Mark{Fingerprint: session.NewToken(token).Fingerprint(), Who: "who"}
}

// A UI that comes late is not given what others have overtaken since.
func TestAdoptOvertaken(t *testing.T) {
	for name, since := range map[string]func(){
		"another tab has renewed": func() { new(storage).setMark(markOf("token-2")) },
		"a person has signed out": func() {
			new(storage).setMark(session.Mark{Ending: true, Written: session.AtWall(1)})
		},
		"another script has written one": func() { store(t, keyToken, "foreign-1") },
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := newPage(t, safejs.Undefined())
			adopt(p, "token-1")
			since()
			if got := p.Snapshot().Token; got == session.NewToken("token-1") {
				t.Error("the token still counts as being in storage")
			}
			u := fakeUI(t)
			p.event("hooked", safejs.Undefined(), safejs.Undefined())
			if len(u.tokens) > 0 {
				t.Errorf("createCaptureSession got %q", u.tokens)
			}
		})
	}
}

// A session that ended while the UI was still to come leaves it nothing.
func TestDropBeforeTheUI(t *testing.T) {
	p, _ := newPage(t, safejs.Undefined())
	p.Adopt(session.NewToken("token-1"))
	p.Drop()
	u := fakeUI(t)
	p.event("hooked", safejs.Undefined(), safejs.Undefined())
	if len(u.tokens) > 0 || u.ended > 0 {
		t.Errorf("createCaptureSession got %q, endCaptureSession was called %d times", u.tokens, u.ended)
	}
	if !p.Snapshot().Token.Empty() {
		t.Error("the token is still taken for the storage's")
	}
}

// What the UI does not remove the next page would take for a session.
func TestDropWithoutTheUI(t *testing.T) {
	for name, ui := range map[string]map[string]any{"missing": nil, "throws": {"endCaptureSession": thrower(t)}} {
		t.Run(name, func(t *testing.T) {
			p, _ := newPage(t, safejs.Undefined())
			hear(t, "warn")
			set(t, "janrain", map[string]any{"capture": map[string]any{"ui": ui}})
			store(t, keyToken, "token-1")
			store(t, keyExpires, "Fri, 31 Dec 2100 00:00:00 GMT")
			p.Drop()
			if token, expires := stored(t, keyToken), stored(t, keyExpires); token+expires != "" {
				t.Errorf("the storage has %q until %q", token, expires)
			}
		})
	}
}

// What the UI tells within our own endCaptureSession is our doing.
func TestDrop(t *testing.T) {
	p, _ := newPage(t, safejs.Undefined())
	u := fakeUI(t)
	seen := func() session.Event {
		return p.event("onCaptureSessionEnded", safejs.Undefined(), safejs.Undefined())
	}
	var within session.Event
	u.end = func() { within = seen() }
	p.Drop()
	if u.ended != 1 {
		t.Errorf("endCaptureSession was called %d times", u.ended)
	}
	if want := (session.SignedOutSeen{Cause: session.CauseOwn}); within != want {
		t.Errorf("told within: %#v, want %#v", within, want)
	}
	if got := seen(); got != (session.SignedOutSeen{}) {
		t.Errorf("told afterwards: %#v", got)
	}
}

// A screen that cannot be shown is said on the console.
func TestShowScreen(t *testing.T) {
	tests := []struct {
		name    string
		janrain any
		part    string
	}{
		{"no UI", safejs.Undefined(), "cannot show editProfile"},
		{"another version of it", map[string]any{"capture": map[string]any{"ui": map[string]any{}}},
			"cannot show editProfile"},
		{"it throws",
			map[string]any{"capture": map[string]any{"ui": map[string]any{"renderScreen": thrower(t)}}},
			"show editProfile"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, _ := newPage(t, safejs.Undefined())
			set(t, "janrain", test.janrain)
			warnings := hear(t, "warn")
			p.event("render", safejs.Undefined(), safejs.Undefined())
			p.ShowScreen("editProfile")
			warnings.only(t, test.part)
			alive(t)
		})
	}
}

// What the page's own code throws is reported, without the token, and stops
// nothing.
func TestUIThrows(t *testing.T) {
	tests := []struct {
		method string
		do     func(*page)
	}{
		{"createCaptureSession", func(p *page) { p.Adopt(session.NewToken("token-1")) }},
		{"endCaptureSession", (*page).Drop},
	}
	for _, test := range tests {
		t.Run(test.method, func(t *testing.T) {
			p, _ := newPage(t, safejs.Undefined())
			set(t, "janrain", map[string]any{"capture": map[string]any{"ui": map[string]any{test.method: thrower(t)}}})
			warnings := hear(t, "warn")
			test.do(p)
			warnings.only(t, "capture-keepalive: "+test.method+" threw; the Registration UI may still")
			alive(t)
		})
	}
}

// Half a UI, or one with parts that cannot be read, counts as none.
func TestUIOdd(t *testing.T) {
	for name, janrain := range map[string]any{
		"null":      nil,
		"a string":  "janrain",
		"a getter":  trap(t, "capture"),
		"no method": map[string]any{"capture": map[string]any{"ui": map[string]any{"createCaptureSession": 1}}},
		"a trap": map[string]any{"capture": map[string]any{"ui": trap(t,
			"createCaptureSession", "endCaptureSession")}},
		"nothing yet": map[string]any{"settings": map[string]any{"capture": map[string]any{}}},
	} {
		t.Run(name, func(t *testing.T) {
			p, _ := newPage(t, safejs.Undefined())
			set(t, "janrain", janrain)
			adopt(p, "token-1")
			if p.Snapshot().Token != session.NewToken("token-1") {
				t.Error("the token is not kept for later")
			}
			p.Drop()
			alive(t)
		})
	}
}

// recorder is a loader that writes down how it is called.
func recorder(t *testing.T) (safejs.Value, *[]string) {
	t.Helper()
	calls := &[]string{}
	methods := map[string]any{}
	for _, name := range []string{"emit", "release", "settle", "state"} {
		methods[name] = function(t, func(args []safejs.Value) any {
			all := []any{name}
			for _, arg := range args {
				all = append(all, arg)
			}
			*calls = append(*calls, spell(call(t, path("Array"), "of", all...)))
			return nil
		})
	}
	return made(t, methods), calls
}

func TestNotifyTheLoader(t *testing.T) {
	token := session.NewToken("token-1")
	tests := []struct {
		name string
		do   func(*page)
		want []string
	}{
		{"renewed", func(p *page) {
			p.Notify(session.Notice{Name: session.NoticeRenewed, Why: session.WhyDue,
				ExpiresIn: 90*time.Second + time.Millisecond})
		}, []string{`["emit","renewed",{"at":1700000000000,"expiresIn":90,` +
			`"message":"the token was near its end","reason":"due"}]`}},
		{"an error with another try", func(p *page) {
			p.Notify(session.Notice{Name: session.NoticeRenewError, Why: session.WhyOffline, RetryIn: 8 * time.Second})
		}, []string{`["emit","renewerror",{"at":1700000000000,` +
			`"message":"the keepalive server could not be reached","reason":"offline","retryIn":8}]`}},
		{"an error without", func(p *page) {
			p.Notify(session.Notice{Name: session.NoticeRenewError, Why: session.WhyRefusedAgain})
		}, []string{`["emit","renewerror",{"at":1700000000000,` +
			`"message":"a token just renewed was refused as well","reason":"refused_again"}]`}},
		{"a warning", func(p *page) {
			p.Notify(session.Notice{Name: session.NoticeWarning, Why: session.WhyIdleLimit,
				Limit: "idle", ExpiresIn: time.Minute})
		}, []string{`["emit","warning",{"at":1700000000000,"expiresIn":60,"kind":"idle",` +
			`"message":"there was no input for too long","reason":"idle_limit"}]`}},
		{"a sign-out", func(p *page) {
			p.Notify(session.Notice{Name: session.NoticeSignedOut, Why: session.WhySignedOut})
		}, []string{`["emit","signedout",{"at":1700000000000,"message":"the person signed out",` +
			`"reason":"signed_out"}]`}},
		{"delivered", func(p *page) { p.Release(7, true) }, []string{`["release",7,true]`}},
		{"swallowed", func(p *page) { p.Release(8, false) }, []string{`["release",8,false]`}},
		{"resolved", func(p *page) { p.Settle(session.Settle{IDs: []uint64{1, 2}, Token: token}) },
			[]string{`["settle",1,"token-1",""]`, `["settle",2,"token-1",""]`}},
		{"rejected", func(p *page) { p.Settle(session.Settle{IDs: []uint64{3}, Rejected: session.RejectSignedOut}) },
			[]string{`["settle",3,null,"signed_out"]`}},
		{"done", func(p *page) { p.Settle(session.Settle{IDs: []uint64{4}}) }, []string{`["settle",4,null,""]`}},
		{"holding", func(p *page) {
			p.Notify(session.Notice{Name: session.NoticeHolding, Why: session.WhyExpired, Screen: "editProfile"})
		}, []string{`["emit","holding",{"at":1700000000000,` +
			`"message":"the Registration UI met an expired token","reason":"expired","screen":"editProfile"}]`}},
		{"where it stands", func(p *page) {
			p.Publish(session.HostState{Phase: session.Active, SignedIn: session.Yes,
				UUID: "uuid-1", ClockSkew: -90 * time.Second})
		}, []string{`["state",{"clockSkew":-90,"phase":"active","signedIn":true,"uuid":"uuid-1"}]`}},
		{"not known yet", func(p *page) { p.Publish(session.HostState{Phase: session.Restoring}) },
			[]string{`["state",{"clockSkew":0,"phase":"restoring","signedIn":null}]`}},
		{"signed out", func(p *page) { p.Publish(session.HostState{Phase: session.SignedOut, SignedIn: session.No}) },
			[]string{`["state",{"clockSkew":0,"phase":"signedout","signedIn":false}]`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			host, calls := recorder(t)
			p, _ := newPage(t, host)
			store(t, keyToken, "token-1")
			test.do(p)
			for i, line := range *calls {
				(*calls)[i] = sorted(t, line)
			}
			if !slices.Equal(*calls, test.want) {
				t.Errorf("%q, want %q", *calls, test.want)
			}
		})
	}
}

// A listener of the page that throws, and a loader that is gone, stop nothing.
func TestLoaderThrows(t *testing.T) {
	for _, host := range []safejs.Value{
		safejs.Undefined(),
		made(t, map[string]any{"emit": thrower(t), "release": thrower(t), "settle": thrower(t)}),
	} {
		p, _ := newPage(t, host)
		p.Notify(session.Notice{Name: session.NoticeRenewed, Why: session.WhyDue})
		p.Release(1, true)
		p.Settle(session.Settle{IDs: []uint64{1}})
		p.Publish(session.HostState{})
		alive(t)
	}
}
