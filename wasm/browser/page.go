//go:build js && wasm

package browser

import (
	"time"

	"github.com/hack-pad/safejs"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// page implements session.Page: storage, the Registration UI, and, through
// the loader, the page's own code.
type page struct {
	host    safejs.Value
	now     func() session.Instant
	storage storage
	forms   *forms
	// changed tells the other tabs that storage has changed.
	changed func()
	// wanted is the screen that the page last asked the UI for.
	wanted string
	// pending is a token that the UI could not be given yet: it is still to
	// come, and will be given it before it looks for one.
	pending session.Token
	// replaces is what storage held then.
	replaces session.Token
}

var _ session.Page = (*page)(nil)

func registrationUI() safejs.Value { return path("janrain", "capture", "ui") }

// Snapshot implements session.Page.
func (p *page) Snapshot() session.Snapshot {
	snap := p.storage.snapshot()
	snap.Offline = isFalse(path("navigator", "onLine"))
	if p.waits(snap) {
		snap.Token, snap.Expires = p.pending, p.now().Add(time.Hour)
	}
	return snap
}

// waits reports whether there is a token that the UI is still to be given:
// not any more once storage tells of a sign-out or of anybody's newer token.
func (p *page) waits(snap session.Snapshot) bool {
	stands := snap.Token.Empty() || snap.Token == p.pending || snap.Token == p.replaces
	if snap.Readable && !(stands && snap.Mark.Of(p.pending)) {
		p.pending = session.Token{}
	}
	return !p.pending.Empty()
}

// SetMark implements session.Page. Whatever else is written to storage follows
// in the same breath, and before the other tabs hear of this.
func (p *page) SetMark(mark session.Mark) {
	p.storage.setMark(mark)
	p.changed()
}

// Adopt implements session.Page.
func (p *page) Adopt(token session.Token) {
	if !p.give(token) {
		p.pending, p.replaces = token, p.storage.snapshot().Token
	}
}

// flush gives the UI, which has come, what it has not been given yet.
func (p *page) flush() {
	if p.waits(p.storage.snapshot()) {
		p.give(p.pending)
	}
}

// give reports whether there is a UI to be given a token.
func (p *page) give(token session.Token) bool {
	ui := registrationUI()
	if !callable(ui, "createCaptureSession") {
		return false
	}
	p.pending = session.Token{}
	if _, err := invoke(ui, "createCaptureSession", token.Reveal()); err != nil {
		warn("createCaptureSession threw; the Registration UI may still use its old token")
	}
	return true
}

// Drop implements session.Page. What the UI does not remove, for it is not
// there or throws, the next page would take for a session.
func (p *page) Drop() {
	p.pending = session.Token{}
	ui := registrationUI()
	if callable(ui, "endCaptureSession") {
		_, err := invoke(ui, "endCaptureSession")
		if err == nil {
			return
		}
		warn("endCaptureSession threw; the Registration UI may still show a session")
	}
	p.storage.withdraw()
}

// Withdraw implements session.Page: the keys go, and the cookies that the UI
// may have written beside them (contract, section 1).
func (p *page) Withdraw() {
	p.pending = session.Token{}
	p.storage.withdraw()
}

// Resume implements session.Page.
func (p *page) Resume(a session.Action) {
	if err := p.forms.resume(a); err != nil {
		warn("not repeated: " + err.Error())
	}
}

// Abandon implements session.Page.
func (p *page) Abandon(a session.Action) { p.forms.drop(a) }

// Release implements session.Page.
func (p *page) Release(id uint64, deliver bool) {
	_, _ = invoke(p.host, "release", float64(id), deliver)
}

// Tell implements session.Page.
func (p *page) Tell(n session.Notice) {
	if n.Name == session.NoticeExpired || n.Name == session.NoticeSignedOut || n.Name == session.NoticeIdentityChanged {
		p.forms.end()
	}
	detail := map[string]any{"reason": string(n.Why), "message": n.Why.Sentence(), "at": float64(p.now().UnixMilli())}
	if n.Limit != "" {
		detail["kind"] = n.Limit
	}
	if n.Name == session.NoticeRenewed || n.Name == session.NoticeWarning {
		detail["expiresIn"] = wholeSeconds(n.ExpiresIn)
	}
	if n.RetryIn > 0 {
		detail["retryIn"] = wholeSeconds(n.RetryIn)
	}
	_, _ = invoke(p.host, "emit", string(n.Name), detail)
}

// Settle implements session.Page.
func (p *page) Settle(s session.Settle) {
	for _, id := range s.IDs {
		_, _ = invoke(p.host, "settle", float64(id), s.Token.Reveal(), string(s.Rejected))
	}
}

func wholeSeconds(d time.Duration) float64 { return float64(d / time.Second) }
