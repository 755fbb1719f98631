// Package explain tells from the server's log what became of a user's sessions:
// why was this user signed out at 14:05?
package explain

import (
	"cmp"
	"fmt"
	"io"
	"regexp"
	"slices"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/session"
)

// clock is how a story writes times; all are in UTC.
const clock = "2006-01-02 15:04:05"

// Story reads the log of one server or of several, in any order, and returns
// sentences about the user since then, the oldest first. It is empty if the log
// says nothing about them. The sentences hold tags of sessions, and neither a
// token nor a uuid.
func Story(log io.Reader, uuid string, since time.Time) ([]string, error) {
	user := session.UserTag(uuid)
	lines, err := read(log, user, since)
	if err != nil {
		return nil, err
	}
	mine := about(lines, user, since)
	slices.SortStableFunc(mine, func(a, b line) int { return a.Time.Compare(b.Time) })
	var told teller
	before := make(map[line]bool) // logs that overlap have lines twice
	for _, each := range mine {
		if !before[each] {
			told.tell(each)
		}
		before[each] = true
	}
	return told.end(), nil
}

// about returns the lines about a user, those that name only one of the user's
// sessions included.
func about(lines []line, user string, since time.Time) []line {
	sessions := make(map[string]bool)
	for _, each := range lines {
		if each.User == user {
			sessions[each.Session] = true
		}
	}
	var mine []line
	for _, each := range lines {
		if (each.names(user) || sessions[each.Session]) && !each.Time.Before(since) {
			mine = append(mine, each)
		}
	}
	return mine
}

// teller turns lines into sentences. Renewals of a session are told together.
type teller struct {
	sentences []string
	renewals  map[string]*renewals
	open      map[string]bool // sessions that the log does not see end
	order     []string        // of open
	disorder  bool            // something is told of a session before it opens
}

// renewals are those of one session since the last sentence about it.
type renewals struct {
	count       int
	first, last time.Time
}

func (t *teller) tell(l line) {
	if t.renewals == nil {
		t.renewals, t.open = make(map[string]*renewals), make(map[string]bool)
	}
	if l.Event == "renewed" {
		t.seen(l.Session)
		t.count(l)
		return
	}
	known := slices.Contains(t.order, l.Session)
	if known && !t.open[l.Session] && (l.Event == "removed" || l.Event == "ended") {
		return // another server, or the sweep, found the end that has been told
	}
	if known && l.Event == "opened" {
		t.disorder = true
	}
	sentence := sentenceOf(l)
	if sentence == "" {
		return
	}
	t.tellRenewals(l.Session)
	t.say(l.Time, sentence)
	switch {
	case l.Event == "ended" && l.Session == "":
		clear(t.open)
	case l.Event == "ended", l.Event == "removed":
		t.seen(l.Session)
		delete(t.open, l.Session)
	default:
		t.seen(l.Session)
	}
}

// seen notes a session that lives.
func (t *teller) seen(session string) {
	if session == "" || slices.Contains(t.order, session) {
		return
	}
	t.order = append(t.order, session)
	t.open[session] = true
}

func (t *teller) count(l line) {
	r := t.renewals[l.Session]
	if r == nil {
		r = &renewals{first: l.Time}
		t.renewals[l.Session] = r
	}
	r.count++
	r.last = l.Time
}

func (t *teller) tellRenewals(session string) {
	r := t.renewals[session]
	if r == nil {
		return
	}
	delete(t.renewals, session)
	if r.count == 1 {
		t.say(r.first, fmt.Sprintf("Session %s got a new token.", session))
		return
	}
	t.say(r.first, fmt.Sprintf("Session %s got %d new tokens "+
		"until %s.", session, r.count, r.last.UTC().Format(clock)))
}

func (t *teller) say(at time.Time, sentence string) {
	t.sentences = append(t.sentences, at.UTC().Format(clock)+"  "+sentence)
}

// end tells what the log leaves open.
func (t *teller) end() []string {
	for _, session := range t.order {
		t.tellRenewals(session)
	}
	slices.SortStableFunc(t.sentences, func(a, b string) int {
		return cmp.Compare(a[:len(clock)], b[:len(clock)])
	})
	for _, session := range t.order {
		if t.open[session] {
			t.sentences = append(t.sentences, fmt.Sprintf("The log does not say that session "+
				"%s has ended.", session))
		}
	}
	if t.disorder {
		t.sentences = append(t.sentences, "A session is told of before it was opened: the "+
			"clocks of the servers differ. Trust the times of each server by themselves.")
	}
	return t.sentences
}

// ends say why a session ended; the keys are those of session.Why.
var ends = map[string]string{
	"idle":          "the user was not active for the idle limit (KEEPALIVE_IDLE_TIMEOUT)",
	"absolute":      "it had reached the absolute limit (KEEPALIVE_ABSOLUTE_TIMEOUT)",
	"signed_out":    "the user signed out, in this browser or in another tab of it",
	"replaced":      "the same browser signed in again, which made a new session",
	"revoked":       "the operator revoked all sessions of the user",
	"grant_gone":    "Capture said that its grant is gone or was used before",
	"account_gone":  "Capture said that it knows no such user",
	"session_limit": "the user opened more sessions than KEEPALIVE_MAX_SESSIONS_PER_USER",
}

// modes are the kinds of session.
var modes = map[string]string{
	"token": "client-side, responseType token",
	"code":  "server-side, responseType code",
}

func sentenceOf(l line) string {
	switch l.Event {
	case "opened":
		return fmt.Sprintf("The user signed in: session %s was opened (%s).", l.Session,
			cmp.Or(modes[l.Mode], "of an unknown kind"))
	case "ended", "removed":
		return endOf(l)
	case "identity_mismatch":
		return "A login named this user and came with the token of another, or the other way " +
			"round. It was refused."
	case "token_replayed":
		return "A login came with a token of a session of this user, or from before a " +
			"revocation. It was refused."
	}
	serious := l.Level == "WARN" || l.Level == "ERROR"
	if serious && l.Code.Known() {
		return fmt.Sprintf("A request of session %s was answered %s (%s).", l.Session, l.Code,
			l.Code.Title())
	}
	if serious {
		return fmt.Sprintf("Session %s: %s", cmp.Or(l.Session, "unknown"), redact(l.Msg))
	}
	return ""
}

func endOf(l line) string {
	why := cmp.Or(ends[l.Why], "this version does not know the reason")
	switch {
	case l.Session == "" && l.Sessions == 0:
		return fmt.Sprintf("There was no session to end: %s.", why)
	case l.Session == "":
		return fmt.Sprintf("All sessions of the user (%d) ended: %s.", l.Sessions, why)
	case l.At.IsZero():
		return fmt.Sprintf("Session %s ended: %s.", l.Session, why)
	}
	return fmt.Sprintf("Session %s ended: %s, at %s; the server noticed "+
		"it now.", l.Session, why, l.At.UTC().Format(clock))
}

// secretive is what could be a uuid or a token: no message of the server holds
// one, and a log that others have written to may.
var secretive = regexp.MustCompile(`[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}|[A-Za-z0-9_.=+/-]{16,}`)

func redact(text string) string {
	return secretive.ReplaceAllStringFunc(text, func(word string) string {
		if settings.MatchString(word) {
			return word
		}
		return "[left out]"
	})
}

// settings are names of settings, which are long words, too.
var settings = regexp.MustCompile(`^KEEPALIVE_[A-Z_]+\.?$`)
