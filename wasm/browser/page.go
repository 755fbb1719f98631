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
	// pending is a token that the UI could not be given yet: it is still to
	// come, and will be given it before it looks for one.
	pending session.Token
	// replaces is what storage held then.
	replaces session.Token
	// asked is the address at which a screen was asked for last.
	asked string
	// dropping: we are calling endCaptureSession just now.
	dropping bool
}

var _ session.Page = (*page)(nil)

// Snapshot implements session.Page.
func (p *page) Snapshot() session.Snapshot {
	snap := p.storage.snapshot()
	snap.Offline = isFalse(native(path("navigator"), "Navigator", "onLine"))
	if p.waits(snap) {
		snap.Token, snap.Expires = p.pending, p.now().Add(time.Hour)
	}
	return snap
}

// waits reports whether there is a token that the UI is still to be given:
// not any more once storage tells of a sign-out or of a newer token.
func (p *page) waits(snap session.Snapshot) bool {
	stands := snap.Token.Empty() || snap.Token == p.pending || snap.Token == p.replaces
	if snap.Readable && !(stands && snap.Mark.Of(p.pending)) {
		p.pending = session.Token{}
	}
	return !p.pending.Empty()
}

// SetMark implements session.Page.
func (p *page) SetMark(mark session.Mark) { p.storage.setMark(mark) }

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

// Drop implements session.Page. What the UI does not remove, because it is not
// there or throws, the next page would take for a session.
func (p *page) Drop() {
	p.pending = session.Token{}
	ui := registrationUI()
	if callable(ui, "endCaptureSession") {
		p.dropping = true
		_, err := invoke(ui, "endCaptureSession")
		p.dropping = false
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

// ShowScreen implements session.Page. What a user has typed and not sent is
// worth more than a screen, and so is the page that they have gone to.
func (p *page) ShowScreen(screen string) {
	result := session.RepeatGone
	if p.forms.typing() {
		result = session.RepeatEdited
	} else if p.asked == address() {
		err := renderScreen(screen)
		if err == nil {
			return
		}
		warn("not shown: " + err.Error())
	}
	p.forms.post(session.GivenUp{Screen: screen, Result: result})
}

// Repeat implements session.Page.
func (p *page) Repeat(id uint64, token session.Token) { p.forms.repeat(id, token) }

// HandBack implements session.Page.
func (p *page) HandBack(id uint64) { p.forms.handBack(id) }

// Forget implements session.Page.
func (p *page) Forget(id uint64) { p.forms.forget(id) }

// uses reports whether the UI sends what is submitted now with this token.
// Where storage cannot be read this is not known.
func (p *page) uses(token session.Token) bool {
	snap := p.storage.snapshot()
	return !snap.Readable || snap.Token == token
}

// Release implements session.Page.
func (p *page) Release(id uint64, deliver bool) {
	_, _ = invoke(p.host, "release", float64(id), deliver)
}

// Notify implements session.Page.
func (p *page) Notify(n session.Notice) {
	detail := object(
		"reason", n.Why.String(), "message", n.Why.Sentence(), "at", float64(p.now().UnixMilli()),
	)
	if n.Limit != "" {
		assign(detail, "kind", n.Limit)
	}
	switch n.Name {
	case session.NoticeRenewed, session.NoticeWarning:
		assign(detail, "expiresIn", wholeSeconds(n.ExpiresIn))
	case session.NoticeHolding, session.NoticeReleased, session.NoticeUnfinished:
		assign(detail, "screen", n.Screen)
	}
	if n.RetryIn > 0 {
		assign(detail, "retryIn", wholeSeconds(n.RetryIn))
	}
	_, _ = invoke(p.host, "emit", n.Name.String(), detail)
}

// Settle implements session.Page.
func (p *page) Settle(s session.Settle) {
	for _, id := range s.IDs {
		value := any(safejs.Undefined()) // end() has no value
		if !s.Token.Empty() {
			value = s.Token.Reveal()
		}
		_, _ = invoke(p.host, "settle", float64(id), value, s.Rejected.String())
	}
}

// Publish implements session.Page.
func (p *page) Publish(state session.HostState) {
	var signedIn any // not known yet
	if state.SignedIn != session.Unknown {
		signedIn = state.SignedIn == session.Yes
	}
	detail := object(
		"phase", state.Phase.String(), "signedIn", signedIn,
		"clockSkew", wholeSeconds(state.ClockSkew),
	)
	if state.UUID != "" {
		assign(detail, "uuid", state.UUID)
	}
	_, _ = invoke(p.host, "state", detail)
}

func wholeSeconds(d time.Duration) float64 { return float64(d / time.Second) }
