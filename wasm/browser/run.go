//go:build js && wasm

package browser

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// hostName is where the loader leaves what the module needs of it.
const hostName = "__captureKeepalive"

// lastTimeout is more than the millisecond to which the runtime keeps a timeout
// it has set already.
const lastTimeout = 2 * time.Millisecond

var errNoHost = errors.New("the loader is not here: include keepalive.js, which starts the module")

// Run is the module: it reads the loader's options, publishes the API to the
// loader, and works until the page stops it.
func Run() error {
	host := path(hostName)
	if !callable(host, "attach") {
		return errNoHost
	}
	// The browser would call a program that is no more, and throw, should its
	// runtime leave a timeout behind. It clears one only when it fires, so that
	// the last thing done here is to wait for a short one.
	defer time.Sleep(lastTimeout)
	life, err := newLifetime(get(host, "signal"))
	if err != nil {
		return err
	}
	defer life.end()
	loop, p, callLock := newLoop(host, life)
	if err := watchPage(life, loop, p.forms, callLock); err != nil {
		return err
	}
	// Before what the loader has kept for us: it flushes that when attached.
	loop.Post(session.Started{Seed: rand.Uint64()})
	if err := publish(host, life, p, loop, callLock); err != nil {
		return err
	}
	loop.Run()
	return nil
}

// newLoop puts the session and the page's side of it together.
func newLoop(host safejs.Value, life *lifetime) (*session.Loop, *page, *locks) {
	options := get(host, "options")
	begin := time.Now()
	now := func() session.Instant {
		t := time.Now()
		return session.At(t.UnixMilli(), t.Sub(begin)+1)
	}
	p := &page{host: host, now: now}
	callLock := newLocks(life)
	loop := &session.Loop{
		Server:   &server{endpoint: text(get(options, "endpoint")), timeout: callTimeout},
		Page:     p,
		CallLock: callLock,
		Now:      now,
		Policy: session.Policy{
			ServerMargin: api.Margin[time.Duration],
			Margin:       seconds(get(options, "margin")),
			IdleWarning:  idleWarning(options),
			Resubmit:     isTrue(get(options, "resubmit")),
			OnDemand:     text(get(options, "clientSession")) == "onDemand",
		},
	}
	if isTrue(get(options, "debug")) {
		loop.Trace = func(e session.Entry) {
			_, _ = invoke(path("console"), "debug", "capture-keepalive", entry(e))
		}
	}
	p.forms = newForms(now, loop.Post)
	p.forms.holds, p.forms.uses = loop.Holds, p.uses
	return loop, p, callLock
}

// watchPage listens to the page and to the person in front of it.
func watchPage(life *lifetime, loop *session.Loop, f *forms, callLock *locks) error {
	if err := watch(life, loop.Post, callLock.leave); err != nil {
		return err
	}
	if err := f.watch(life); err != nil {
		return err
	}
	return (&activity{life: life, now: loop.Now, post: loop.Post, framed: f.input}).watch()
}

// idleWarning is the page's own, or what the dialog is shown by without one.
func idleWarning(options safejs.Value) time.Duration {
	const withDialog = time.Minute
	own := seconds(get(options, "idleWarning"))
	if own == 0 && isTrue(get(options, "dialog")) {
		return withDialog
	}
	return own
}

// publish gives the loader the module's API until the end.
func publish(host safejs.Value, life *lifetime, p *page, loop *session.Loop, callLock *locks) error {
	module := map[string]any{}
	for _, export := range []struct {
		name string
		fn   func(args []safejs.Value) any
	}{
		{"event", func(args []safejs.Value) any {
			if ev := p.event(text(argument(args, 0)), argument(args, 1), argument(args, 2)); ev != nil {
				loop.Post(ev)
			}
			return nil
		}},
		{"answered", func(args []safejs.Value) any {
			loop.Post(session.HandedOff{Answer: handedOff(argument(args, 0))})
			return nil
		}},
		{"want", func(args []safejs.Value) any {
			if id, ok := idOf(argument(args, 0)); ok {
				loop.Post(session.Wanted{ID: id, Fresh: isTrue(argument(args, 1))})
			}
			return nil
		}},
		{"stay", func([]safejs.Value) any { loop.Post(session.StayAsked{}); return nil }},
		{"end", func(args []safejs.Value) any {
			id, _ := idOf(argument(args, 0))
			loop.Post(session.EndAsked{ID: id})
			return nil
		}},
		{"stop", func([]safejs.Value) any {
			callLock.leave()
			loop.Post(session.Stopped{})
			return nil
		}},
		{"status", func([]safejs.Value) any { return status(loop.Status()) }},
		{"diagnostics", func([]safejs.Value) any { return diary(loop.Diary()) }},
	} {
		f, err := life.function(export.name, export.fn)
		if err != nil {
			return err
		}
		module[export.name] = f
	}
	if _, err := invoke(host, "attach", module); err != nil {
		return fmt.Errorf("attach to the loader: %w", err)
	}
	return nil
}

// idOf reads an id of the loader's.
func idOf(value safejs.Value) (uint64, bool) {
	id, ok := number(value)
	return uint64(max(id, 0)), ok && id >= 0
}

// handedOff is the server's answer to a login that the loader reported.
func handedOff(answer safejs.Value) session.Answer {
	status, _ := number(get(answer, "status"))
	return decodeAnswer(status, get(answer, "body"), session.CallOpen)
}

func argument(args []safejs.Value, i int) safejs.Value {
	if i < len(args) {
		return args[i]
	}
	return safejs.Undefined()
}

func status(st session.Status) safejs.Value {
	return object(
		"phase", st.Phase.String(),
		"expiresIn", wholeSeconds(st.ExpiresIn),
		"dueIn", wholeSeconds(st.DueIn),
		"retryIn", wholeSeconds(st.RetryIn),
		"idleExpiresIn", wholeSeconds(st.IdleExpiresIn),
		"absoluteExpiresIn", wholeSeconds(st.AbsoluteExpiresIn),
		"clockSkew", wholeSeconds(st.ClockSkew),
	)
}

func diary(entries []session.Entry) []any {
	lines := make([]any, len(entries))
	for i, e := range entries {
		lines[i] = entry(e)
	}
	return lines
}

func entry(e session.Entry) safejs.Value {
	effects := make([]any, len(e.Effects))
	for i, effect := range e.Effects {
		effects[i] = effect
	}
	return object(
		"at", float64(e.At.UnixMilli()), "event", e.Event, "from", e.From.String(), "to", e.To.String(),
		"reason", e.Why.String(), "message", e.Why.Sentence(), "effects", effects,
	)
}
