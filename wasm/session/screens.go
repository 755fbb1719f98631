package session

import (
	"slices"
	"time"
)

const (
	// wantedLife is how long a screen that was asked for, and is not there, is
	// the one that a refusal is about.
	wantedLife = 10 * time.Second
	// shownAgain is how soon after we asked for a screen its refusal counts as
	// a second one.
	shownAgain = 10 * time.Second
	// recentInput is how soon after input a dead token is met for the user.
	recentInput = 10 * time.Second
)

// screens knows what the user looks at, so that a screen that was denied for
// want of a session is drawn when there is one, and never over what the user
// has typed.
type screens struct {
	shown    string
	wanted   string // asked for, and not there yet
	wantedAt Instant
	// denied is to be shown when there is a session.
	denied string
	// drawn is the last that we asked for, at drawnAt.
	drawn   string
	drawnAt Instant
	// edited: the user has typed since the screen was shown.
	edited bool
	// inputAt is when the user last did something.
	inputAt Instant
	// open are the screens that the UI shows without a token: those to sign in
	// with, which need none.
	open []string
}

func (s *screens) want(screen string, now Instant) {
	s.wanted, s.wantedAt = screen, now
	if s.denied != screen {
		s.denied = "" // the user goes elsewhere
	}
}

func (s *screens) show(screen string, token bool) {
	s.shown, s.wanted, s.edited = screen, "", false
	s.open = slices.DeleteFunc(s.open, func(o string) bool { return o == screen })
	if !token {
		s.open = append(s.open, screen)
	}
}

// edit hears of the user's input in a form. A denied screen is not drawn over
// it.
func (s *screens) edit(out *effects) {
	s.edited = true
	s.abandon(WhyEdited, out)
}

// abandon gives the denied screen up, and tells the page.
func (s *screens) abandon(why Why, out *effects) {
	if s.denied != "" {
		out.tellScreen(NoticeUnfinished, why, s.denied)
		s.denied = ""
	}
}

// deny hears that the UI refused a screen; named is empty when it does not say
// which. again: it was our own doing that asked for it.
func (s *screens) deny(named string, now Instant, out *effects) (again bool) {
	screen := named
	if s.wanted != "" && now.Since(s.wantedAt) < wantedLife {
		screen = s.wanted
	}
	s.wanted = ""
	switch {
	case screen == "":
		return false
	case screen == s.drawn && now.Since(s.drawnAt) < shownAgain:
		out.tellScreen(NoticeUnfinished, WhyRefusedAgain, screen)
		return true
	}
	s.denied = screen
	if s.edited {
		s.abandon(WhyEdited, out)
	}
	return false
}

// loads reports whether a screen is the one that the UI is busy with.
func (s *screens) loads(screen string) bool {
	return screen != "" && (s.wanted == screen || s.wanted == "" && s.shown == screen)
}

// draw shows the denied screen, now that there is a session.
func (s *screens) draw(consent bool, now Instant, out *effects) {
	switch {
	case !consent:
		s.abandon(WhyResubmitOff, out)
	case s.denied != "":
		s.drawn, s.drawnAt, s.denied = s.denied, now, ""
		out.do(ShowScreen{Screen: s.drawn})
	}
}

// forUser reports whether a dead token was met by something that the user did,
// and on which screen.
func (s *screens) forUser(ev *DeadToken, now Instant) (string, bool) {
	recent := !s.inputAt.IsZero() && now.Since(s.inputAt) < recentInput && s.shown != ""
	if ev.Screen != "" {
		return ev.Screen, true
	}
	return s.shown, ev.Why == WhySaveFailed || recent
}

// forget drops what was of the session before.
func (s *screens) forget() { s.denied, s.drawn, s.drawnAt = "", "", Instant{} }

func (s *screens) needsNoToken(screen string) bool { return slices.Contains(s.open, screen) }
