//go:build !js

package session_test

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"hash/maphash"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/capture-keepalive/capture-keepalive/wasm/session"
)

// The model: two tabs run Next over one storage and one cookie jar, and a
// server answers late, never, or no. What must hold in every state that can be
// reached, besides the laws of a single page:
//
//   - No newer token is overwritten by an older one.
//   - Nothing is written after a sign-out, until a user signs in.
//   - One user's token is never written into another's session.
//   - A sign-out is told only when a person signed out.
//   - Owner: a form is sent again only with a token of the user who sent it,
//     and only if that user has not signed out since.
//   - Why: it is sent again at most once, in one tab.
//   - In order: no sign-out takes the cookie of the login that follows it.
//   - A failure counts for all tabs: none asks just after another has failed.
//   - Attempts are bounded.
//   - If from here on the server answers yes and time passes, every tab comes
//     to rest: with the good token if a user is signed in, also another one than
//     the tab told of before; without any if not; and no form, handler or
//     promise is left without an outcome.
//
// Explored are 7 to 10 moves from each beginning, about a million states in
// all, in some 17 s on one core; three moves serve and answer one renewal.
//
// A page's steps are atomic in the model, as they are in a browser's tab;
// storage is read as it is at that moment, and its events come later, or after
// much else. The two tabs share a lock for their calls. A tab that has waited
// too long takes it over: from then on requests reach the server, and answers
// the page, in any order.

const (
	tabLife     = time.Minute      // of a token, as the server believes
	uiLife      = 30 * time.Second // of a token, as the UI believes
	captureLife = 10 * time.Minute // of a token that is not ended before
	maxPending  = 8                // calls under way that the model can hold
	tabQueue    = 4
)

// minted names a token: its user, and its number among the user's tokens. The
// zero value is no token.
type minted struct{ user, gen int8 }

var users = [...]string{1: "alice", 2: "bob"}

var (
	tokens   [len(users)][32]session.Token
	mintedBy = map[session.Token]minted{{}: {}}
)

func init() {
	for user := 1; user < len(users); user++ {
		for gen := 1; gen < len(tokens[user]); gen++ {
			token := tok(fmt.Sprintf("%s-%d", users[user], gen))
			tokens[user][gen] = token
			mintedBy[token] = minted{int8(user), int8(gen)}
		}
	}
}

func (m minted) token() session.Token { return tokens[m.user][m.gen] }

// told is an event of the UI that its page has yet to hear of.
type told struct {
	what  uiEvent
	token minted
	login int8 // how many logins there had been when a person signed out
}

type uiEvent int8

const (
	uiLogin uiEvent = iota + 1
	uiCreated
	uiSignedOut
	uiEnded // the same without a person's gesture
)

type tab struct {
	state  session.State
	record record
	load   int8 // which page load this is
	// stale: storage has changed since this tab heard of it.
	stale  bool
	queue  [tabQueue]told
	queued int8
	// forms are the ids of what the user has sent, and senders who that was.
	forms   uint64
	senders [64]int8
	// refusedAt is when the UI last met a dead token here.
	refusedAt session.Instant
}

// pendingCall is a call under way.
type pendingCall struct {
	tab, load int8
	call      session.Call
	// hasLock: it has the lock. overtakes: it waits for no other.
	hasLock, overtakes bool
	cookie             int8 // that went with it
	served             bool
	answer             session.Answer
	from               int8 // the session of the token in the answer
	sets               int8 // the cookie of the answer: a session, clears, or 0 for none
}

const clears = -1

var policy = session.Policy{Resubmit: true, ServerMargin: serverMargin}

// stay is a session of the server.
type stay struct {
	token   minted
	expires session.Instant
	dead    bool
}

// budget bounds what people and the weather do in one story.
type budget [moveKinds]int8

type world struct {
	now          session.Instant
	tabs         [2]tab
	store        session.Snapshot
	jar          int8 // the session that the cookie stands for; 0 is none
	stays        [24]stay
	born         int8
	gens         [len(users)]int8
	pending      [maxPending]pendingCall
	pendingCount int8
	// dead says which tokens Capture does not know any more; kills, that
	// minting a token ends the one before (contract, section 5: unknown).
	dead  [len(users)]uint32
	ends  [len(users)][32]session.Instant
	kills bool
	// gave says which sessions gave a token. A browser can come to have two of
	// one login, each with tokens of its own, and the server's word decides
	// between them; from is the session of the answer being handled.
	gave [len(users)][32]uint32
	from int8
	left budget

	// user is who signed in last; 0 after they signed out. last is the tab
	// where a person did something last. gone: the server ended the session;
	// signedOut: a person did, at any time.
	user, last, logins int8
	gone, signedOut    bool
	asked              int
	story              *[]string
}

func newWorld() world {
	w := world{now: session.At(1_800_000_000_000, time.Hour), store: session.Snapshot{Readable: true}}
	return w
}

// --- The server -------------------------------------------------------------

func (w *world) mint(user int8) minted {
	w.gens[user]++
	m := minted{user, w.gens[user]}
	w.ends[user][m.gen] = w.now.Add(captureLife)
	return m
}

func (w *world) good(m minted) bool {
	return m.gen != 0 && w.dead[m.user]&(1<<m.gen) == 0 && w.now.Before(w.ends[m.user][m.gen])
}

func (w *world) grants(s stay) session.Answer {
	return session.Answer{OK: true, Grant: session.Grant{
		Token: s.token.token(), UUID: uuidOf(users[s.token.user]), ExpiresIn: max(0, s.expires.Sub(w.now)),
	}}
}

// serve handles a call as the server does.
func (w *world) serve(f *pendingCall) {
	f.served = true
	switch f.call.Kind {
	case session.CallOpen:
		m := mintedBy[f.call.Token]
		if !w.good(m) {
			f.answer = notVouched
			return
		}
		for _, other := range w.pending[:w.pendingCount] {
			if other.call.Kind == session.CallToken && other.cookie != 0 && other.cookie == f.cookie && !other.served {
				w.gone = true // it will be told, truly, that its session has ended
			}
		}
		w.stays[f.cookie].dead = true // a login ends the cookie's earlier session
		w.born++
		w.stays[w.born] = stay{token: m, expires: w.now.Add(tabLife)}
		w.gave[m.user][m.gen] |= 1 << w.born
		f.answer, f.sets, f.from = w.grants(w.stays[w.born]), w.born, w.born
	case session.CallToken:
		s := &w.stays[f.cookie]
		switch {
		case f.cookie == 0:
			f.answer = noCookie
			return
		case s.dead:
			f.answer = noSession
			return
		case f.call.Why.Refusal() && mintedBy[f.call.Token] == s.token, !w.now.Before(s.expires.Add(-tabLife / 5)):
			if w.kills {
				w.dead[s.token.user] |= 1 << s.token.gen
			}
			s.token, s.expires = w.mint(s.token.user), w.now.Add(tabLife)
			w.gave[s.token.user][s.token.gen] |= 1 << f.cookie
		}
		f.answer, f.from = w.grants(*s), f.cookie
	case session.CallEnd:
		w.stays[f.cookie].dead = true
		f.answer, f.sets = session.Answer{OK: true}, clears
	}
}

// --- The browser ------------------------------------------------------------

// handle lets a tab handle an event, under the laws.
func (w *world) handle(i int8, ev session.Event) error {
	t := &w.tabs[i]
	from := t.state.Phase()
	after, effects, err := t.record.step(t.state, ev, w.store, w.now, policy)
	if w.story != nil {
		*w.story = append(*w.story,
			fmt.Sprintf("%v tab %d, %s", w.now.Sub(newWorld().now), i, tell(from, ev, effects, after.Phase())))
	}
	t.state = after
	if err != nil {
		return err
	}
	for _, effect := range effects {
		switch e := effect.(type) {
		case session.Cancel:
			w.drop(i, e.Seq)
		case session.Overtake:
			for k := range w.pending[:w.pendingCount] {
				if f := &w.pending[k]; f.tab == i && f.load == t.load && f.call.Seq == e.Seq {
					f.overtakes = true
				}
			}
		case session.HandBack:
			if held := mintedBy[w.store.Token]; held.gen != 0 && held.user != t.senders[e.ID] {
				return errors.New("owner: a form goes to the UI with another user's token")
			}
		case session.SetMark:
			if e.Fingerprint != "" && w.user == 0 {
				return errors.New("nothing is written after a sign-out: a mark")
			}
			w.store.Mark = e.Mark
			w.tabs[1-i].stale = true
		case session.Adopt:
			m, held := mintedBy[e.Token], mintedBy[w.store.Token]
			switch {
			case w.user == 0:
				return errors.New("nothing is written after a sign-out: a token")
			case m.user != w.user, held.user != 0 && held.user != m.user:
				return errors.New("one user's token is never written into another's session")
			case held.gen > m.gen && (w.from == 0 || w.gave[held.user][held.gen]&(1<<w.from) != 0):
				return errors.New("no newer token is overwritten by an older one")
			}
			w.write(i, m)
			w.hear(i, told{what: uiCreated, token: m})
		case session.Notify:
			if e.Name == session.NoticeSignedOut && w.logins == 1 && !w.signedOut {
				return errors.New("a sign-out is told only when a person signed out")
			}
		case session.Drop:
			if !w.store.Token.Empty() {
				w.write(i, minted{})
				w.hear(i, told{what: uiEnded})
			}
		}
	}
	// What comes back as an event comes after the effects.
	for _, effect := range effects {
		switch e := effect.(type) {
		case session.Ask:
			if w.pendingCount == maxPending {
				return errors.New("attempts are bounded: too many calls under way")
			}
			w.pending[w.pendingCount] = pendingCall{tab: i, load: t.load, call: e.Call}
			w.pendingCount++
			w.asked++
			if w.free() {
				if err := w.acquire(w.pendingCount - 1); err != nil {
					return err
				}
			}
		case session.Repeat:
			result := session.RepeatSent
			if e.Token != w.store.Token {
				result = session.RepeatMoved // the browser looks once more
			} else if err := w.sends(i, e); err != nil {
				return err
			}
			if err := w.handle(i, session.Repeated{ID: e.ID, Result: result}); err != nil {
				return err
			}
		}
	}
	return nil
}

// free reports whether no tab has the lock.
func (w *world) free() bool {
	for _, f := range w.pending[:w.pendingCount] {
		if f.hasLock && w.tabs[f.tab].load == f.load {
			return false
		}
	}
	return true
}

// acquire gives a call the lock, free or taken from another tab. The call of
// that tab is cut short if it changes the cookie.
func (w *world) acquire(k int8) error {
	f := w.pending[k]
	for j := w.pendingCount - 1; j >= 0; j-- {
		o := w.pending[j]
		changes := o.call.Kind == session.CallOpen || o.call.Kind == session.CallEnd
		if o.tab == f.tab || !o.hasLock || !changes || w.tabs[o.tab].load != o.load {
			continue // a tab keeps its own calls in order without the lock
		}
		w.remove(j)
		if err := w.handle(o.tab, session.Answered{Call: o.call, Answer: unreachable}); err != nil {
			return err
		}
	}
	if k = w.index(f.tab, f.load, f.call.Seq); k < 0 {
		return nil
	}
	w.pending[k].hasLock = true
	if err := w.handle(f.tab, session.LockAcquired{Seq: f.call.Seq}); err != nil {
		return err
	}
	switch mark := w.store.Mark; {
	case w.index(f.tab, f.load, f.call.Seq) < 0:
	case w.tabs[f.tab].state.View().Call != f.call:
		w.drop(f.tab, f.call.Seq) // it is not wanted any more
	case f.call.Kind == session.CallToken && mark.Failures > 0 &&
		w.now.Since(mark.FailedAt) < firstRetry-time.Millisecond:
		return errors.New("a failure counts for all tabs: one asks just after another has failed")
	}
	return nil
}

func (w *world) index(tab, load int8, seq uint64) int8 {
	for k, f := range w.pending[:w.pendingCount] {
		if f.tab == tab && f.load == load && f.call.Seq == seq {
			return int8(k)
		}
	}
	return -1
}

func (w *world) drop(tab int8, seq uint64) {
	if k := w.index(tab, w.tabs[tab].load, seq); k >= 0 {
		w.remove(k)
	}
}

func (w *world) remove(k int8) {
	copy(w.pending[k:], w.pending[k+1:w.pendingCount])
	w.pendingCount--
	w.pending[w.pendingCount] = pendingCall{}
}

// sends is a form of the user's going to the UI, which sends it with the token
// that storage holds.
func (w *world) sends(i int8, e session.Repeat) error {
	switch sender := w.tabs[i].senders[e.ID]; {
	case mintedBy[w.store.Token].user != sender:
		return errors.New("owner: a form is sent with another user's token")
	case w.user != sender:
		return errors.New("owner: a form is sent after its user has left")
	}
	return nil
}

// submits is the user sending a form, with the token in storage. It reports
// whether the form was held.
func (w *world) submits(i int8) (held bool, err error) {
	t := &w.tabs[i]
	t.forms++
	t.senders[t.forms] = mintedBy[w.store.Token].user
	held = t.state.Holds(screen(t.forms), w.now, policy) && t.state.View().Token == w.store.Token
	return held, w.handle(i, session.Submitted{
		ID: t.forms, Screen: screen(t.forms), Token: w.store.Token, At: w.now, Held: held,
	})
}

// fails is the form that was sent last meeting a dead token.
func (w *world) fails(i int8) error {
	t := &w.tabs[i]
	t.refusedAt = w.now
	return w.handle(i, session.DeadToken{Why: session.WhySaveFailed, Screen: screen(t.forms)})
}

// write puts a token into storage, or removes it, from tab i.
func (w *world) write(i int8, m minted) {
	w.store.Token, w.store.Expires = m.token(), session.Instant{}
	if m.gen != 0 {
		w.store.Expires = w.now.Wall().Add(uiLife)
	}
	w.tabs[1-i].stale = true
}

// hear queues an event of the UI. The UI of a tab that is that far behind
// tells nothing.
func (w *world) hear(i int8, ev told) {
	if t := &w.tabs[i]; t.queued < tabQueue {
		t.queue[t.queued] = ev
		t.queued++
	}
}

// --- What may happen next ---------------------------------------------------

// A move is one thing that may happen: what, and to which tab or call.
type move struct {
	what  moveKind
	which int8
}

type moveKind int8

const (
	changed moveKind = iota // a tab hears that storage has changed
	hears                   // a page hears of an event of its UI
	serve                   // a call reaches the server
	answer                  // an answer reaches its page
	// What follows is limited by the story's budget.
	tick    // a tab's timer fires, perhaps late
	fail    // a call or its answer is lost
	alice   // alice signs in
	bob     // bob signs in
	signOut // the person signs out
	refuse  // the user sends a form, and the UI meets a dead token at once
	submit  // the user sends a form
	meets   // it meets a dead token
	logout  // the page's own handlers log out on that
	clear   // the UI removes a token that it thinks expired
	reload  // a page is loaded again
	revoke  // the operator ends the session
	moveKinds
)

// moves lists what is tried in every state.
var moves = func() (all []move) {
	for what := range moveKinds {
		n := int8(2)
		switch what {
		case serve, answer, fail:
			n = maxPending
		case revoke:
			n = 1
		}
		for which := range n {
			all = append(all, move{what, which})
		}
	}
	return all
}()

// can reports whether a move is possible.
func (w *world) can(m move) bool {
	if m.what >= tick && w.left[m.what] == 0 {
		return false
	}
	signedIn := !w.store.Token.Empty()
	switch m.what {
	case serve:
		if m.which >= w.pendingCount {
			return false
		}
		f := w.pending[m.which]
		return !f.served && (f.hasLock || f.overtakes || w.free())
	case answer:
		return m.which < w.pendingCount && w.pending[m.which].served
	case fail:
		return m.which < w.pendingCount && w.pending[m.which].hasLock
	case alice, bob:
		// Two logins with reports that cross on the wire are beyond us: the
		// last answer sets the cookie.
		return !w.slow() && !w.reporting()
	case signOut:
		return signedIn && !w.slow()
	case refuse, submit:
		return signedIn && !w.busy() && w.tabs[m.which].forms < 30
	case meets:
		t := w.tabs[m.which]
		return t.forms > 0 && t.record.forgotten&(1<<t.forms) == 0
	case clear:
		return signedIn && w.store.Expires.Reached(w.now)
	case revoke:
		return w.jar != 0 && !w.stays[w.jar].dead
	case reload:
		// A call that outlives its page can open a session that no page knows
		// of, after the next page's sign-out, or take the next login's cookie:
		// beyond us, too.
		return !w.busy() && !w.reporting() && !w.ending()
	}
	t := &w.tabs[m.which]
	switch m.what {
	case changed:
		return t.stale
	case hears:
		return t.queued != 0
	case tick:
		// Time does not pass between what a person does and the UI's events of
		// it.
		return !t.state.WakeAt.IsZero() && (!t.state.WakeAt.After(w.now) || !w.busy())
	case logout:
		// A page of another user that logs out, or one that does not know the
		// user of its token yet, signs every tab out: nothing shows that it
		// should not.
		v := t.state.View()
		theirs := v.Who == tok(uuidOf(users[w.user])).Fingerprint() && !v.Expires.IsZero()
		return signedIn && theirs && !w.slow() && !t.refusedAt.IsZero() && w.now.Sub(t.refusedAt) < 5*time.Second
	}
	return false
}

// do makes a move that is possible.
func (w *world) do(m move) error {
	if m.what >= tick {
		w.left[m.what]--
	}
	i := m.which
	switch m.what {
	case serve:
		return w.reach(i)
	case answer, fail:
		return w.deliver(i, m.what == fail)
	case revoke:
		w.stays[w.jar].dead, w.gone = true, true
		return nil
	}
	t := &w.tabs[i]
	switch m.what {
	case changed:
		t.stale = false
		return w.handle(i, session.StorageChanged{})
	case hears:
		ev := t.queue[0]
		copy(t.queue[:], t.queue[1:])
		t.queue[tabQueue-1] = told{}
		t.queued--
		return w.handle(i, w.heard(ev))
	case tick:
		w.now = w.now.Add(max(0, t.state.WakeAt.Sub(w.now)))
		return w.handle(i, session.Ticked{})
	case alice:
		w.signIn(i, 1)
	case bob:
		w.signIn(i, 2)
	case signOut:
		w.last, w.signedOut = i, true
		w.write(i, minted{})
		w.hear(i, told{what: uiSignedOut, login: w.logins})
	case refuse:
		if held, err := w.submits(i); held || err != nil {
			return err
		}
		return w.fails(i)
	case submit:
		_, err := w.submits(i)
		return err
	case meets:
		return w.fails(i)
	case logout:
		w.write(i, minted{})
		return w.handle(i, session.SignedOutSeen{Cause: session.CauseReaction})
	case clear:
		w.write(i, minted{})
		return w.handle(i, session.NoTokenSeen{})
	case reload:
		if s := w.stays[w.jar]; w.store.Token.Empty() && (s.dead || s.token.user != w.user) {
			w.gone = true // neither storage nor cookie tells the next page of them
		}
		return w.load(i)
	}
	return nil
}

func (w *world) load(i int8) error {
	t := &w.tabs[i]
	for k := w.pendingCount - 1; k >= 0; k-- {
		if f := w.pending[k]; f.tab == i && !f.hasLock {
			w.remove(k) // it was never sent
		}
	}
	*t = tab{load: t.load + 1, record: record{quick: t.record.quick}}
	return w.handle(i, session.Started{Seed: uint64(i) + 1})
}

// signIn is a person signing in: the UI writes the token and tells of it, in
// its two events, later.
func (w *world) signIn(i, user int8) {
	w.user, w.last, w.gone = user, i, false
	w.logins++
	for k := range w.tabs {
		w.tabs[k].refusedAt = session.Instant{} // handlers that are so late are a logout of this person's
	}
	m := w.mint(user)
	w.write(i, m)
	w.hear(i, told{what: uiCreated, token: m})
	w.hear(i, told{what: uiLogin, token: m})
}

// slow reports whether a person would have to be faster than the UI, which
// has yet to tell of what they did, or than the tabs, which have yet to hear
// of it.
func (w *world) slow() bool { return w.busy() || w.tabs[0].stale || w.tabs[1].stale }

// reporting reports whether a login is under way to the server.
func (w *world) reporting() bool {
	for _, f := range w.pending[:w.pendingCount] {
		if f.call.Kind == session.CallOpen {
			return true
		}
	}
	return false
}

// ending reports whether a sign-out is under way to the server.
func (w *world) ending() bool {
	for _, f := range w.pending[:w.pendingCount] {
		if f.call.Kind == session.CallEnd {
			return true
		}
	}
	return false
}

// busy reports whether the UI has yet to tell of what a person did.
func (w *world) busy() bool {
	for i := range w.tabs {
		for _, ev := range w.tabs[i].queue {
			if ev.what == uiLogin || ev.what == uiSignedOut {
				return true
			}
		}
	}
	return false
}

func (w *world) heard(ev told) session.Event {
	switch ev.what {
	case uiLogin:
		return session.TokenSeen{Token: ev.token.token(), UUID: uuidOf(users[ev.token.user]), Login: true}
	case uiCreated:
		return session.TokenSeen{Token: ev.token.token()}
	case uiSignedOut:
		if ev.login == w.logins {
			w.user = 0 // from here on nothing may be written
		}
	}
	return session.SignedOutSeen{} // in doubt a person's, our own Drop's as well
}

// reach is a call reaching the server: with the lock, and the cookie of now.
func (w *world) reach(k int8) error {
	f := w.pending[k]
	if !f.hasLock {
		if err := w.acquire(k); err != nil {
			return err
		}
		if k = w.index(f.tab, f.load, f.call.Seq); k < 0 {
			return nil
		}
	}
	w.pending[k].cookie = w.jar
	w.serve(&w.pending[k])
	return nil
}

// deliver brings an answer to its page; the browser takes the cookie even when
// the page is no more.
func (w *world) deliver(k int8, lost bool) error {
	f := w.pending[k]
	w.remove(k)
	switch {
	case lost:
		f.answer = unreachable
	case f.sets == clears:
		if w.jar != f.cookie {
			return errors.New("in order: a sign-out takes the cookie of the login that followed it")
		}
		w.jar = 0
	case f.sets != 0:
		w.jar = f.sets
	}
	if w.tabs[f.tab].load != f.load {
		return nil
	}
	w.from = f.from
	err := w.handle(f.tab, session.Answered{Call: f.call, Answer: f.answer})
	w.from = 0
	return err
}

// --- The end of the story ----------------------------------------------------

// settle lets the server answer yes to everything for some minutes, and says
// what is wrong then.
func (w world) settle() error {
	w.asked = 0
	end := w.now.Add(4 * time.Minute)
	for range 1000 {
		m, ok := w.next(end)
		if !ok {
			return w.atRest()
		}
		w.left[tick] = 1
		if err := w.do(m); err != nil {
			return err
		}
	}
	return errors.New("the tabs do not come to rest")
}

// next is what happens next when nothing is late and nothing fails.
func (w *world) next(end session.Instant) (move, bool) {
	for k := range w.pendingCount {
		for _, what := range []moveKind{answer, serve} {
			if m := (move{what, k}); w.can(m) {
				return m, true
			}
		}
	}
	soonest, at := int8(-1), end
	for i := range int8(len(w.tabs)) {
		t := &w.tabs[i]
		switch {
		case t.queued != 0:
			return move{hears, i}, true
		case t.stale:
			return move{changed, i}, true
		case !t.state.WakeAt.IsZero() && t.state.WakeAt.Before(at):
			soonest, at = i, t.state.WakeAt
		}
	}
	return move{tick, soonest}, soonest >= 0
}

func (w *world) atRest() error {
	const calm = 24 // two tabs, some five lives each, and what had to be mended
	if w.asked > calm {
		return fmt.Errorf("attempts are bounded: %d calls in four minutes", w.asked)
	}
	held := mintedBy[w.store.Token]
	signedIn := w.user != 0 && !w.gone
	for i, t := range w.tabs {
		v := t.state.View()
		for _, form := range v.Forms {
			if form.State != "sent" {
				return fmt.Errorf("told: tab %d leaves form %d %s", i, form.ID, form.State)
			}
		}
		if len(v.Handlers)+len(v.Promises) != 0 {
			return fmt.Errorf("told: tab %d leaves something waiting", i)
		}
		switch phase := t.state.Phase(); phase {
		case session.Active:
			switch {
			case w.user == 0:
				return fmt.Errorf("tab %d goes on after a sign-out", i)
			case v.Token != w.store.Token:
				return fmt.Errorf("tab %d has %s, storage %s", i, v.Token.Reveal(), w.store.Token.Reveal())
			case held.user != w.user:
				return fmt.Errorf("tab %d goes on with another user's token", i)
			case !w.good(held):
				return fmt.Errorf("tab %d rests with a dead token", i)
			}
		case session.Ended, session.SignedOut:
			if signedIn {
				return fmt.Errorf("back to life: tab %d is left behind: %v", i, phase)
			}
		default:
			return fmt.Errorf("tab %d is still %v", i, phase)
		}
	}
	switch {
	case signedIn && !w.good(held):
		return errors.New("a user is signed in, and storage holds no good token")
	case w.user == 0 && held.gen != 0:
		return errors.New("the user signed out, and storage holds a token")
	case w.user == 0 && w.jar != 0 && !w.stays[w.jar].dead:
		return errors.New("the user signed out, and the server keeps their session")
	}
	return nil
}

// --- Exploring ----------------------------------------------------------------

// key tells states apart. Moments count from now; of the numbers of calls it
// matters only which is the last; chance (Seed) moves waits by a little and
// would make every state new.
func (w *world) key(b []byte) []byte {
	num := func(n int64) { b = binary.AppendVarint(b, n) }
	flag := func(flags ...bool) {
		var n int64
		for i, f := range flags {
			if f {
				n |= 1 << i
			}
		}
		num(n)
	}
	at := func(i session.Instant) {
		if i.IsZero() {
			num(1 << 40)
			return
		}
		num(i.UnixMilli() - w.now.UnixMilli())
	}
	token := func(t session.Token) {
		m := mintedBy[t]
		b = append(b, byte(m.user), byte(m.gen))
	}
	text := func(s string) {
		b = append(b, byte(len(s)))
		b = append(b, s...)
	}
	call := func(c session.Call) {
		num(int64(c.Kind))
		text(c.Why.String())
		token(c.Token)
		text(c.UUID)
	}
	mark := func(m session.Mark) {
		text(m.Fingerprint)
		at(m.Written)
		at(m.Expires)
		num(int64(m.Life))
		text(m.Why.String())
		flag(m.Ending)
		num(int64(m.Failures))
		at(m.FailedAt)
		at(m.NotBefore)
	}
	for i := range w.tabs {
		t := &w.tabs[i]
		b = t.state.Key(b, w.now)
		r := &t.record
		for _, moment := range []session.Instant{t.refusedAt, r.lastCall, r.openedAt} {
			at(moment)
		}
		num(int64(r.failures))
		flag(t.stale, r.over, r.told)
		token(r.opened)
		for _, bits := range []uint64{
			r.submitted, r.forgotten, r.repeated, r.unsent, r.holding, r.handlers, r.promises,
		} {
			num(int64(bits))
		}
		b = append(b, byte(t.forms))
		for _, sender := range t.senders[:t.forms+1] {
			b = append(b, byte(sender))
		}
		for _, ev := range t.queue {
			b = append(b, byte(ev.what), byte(ev.token.user), byte(ev.token.gen), byte(w.logins-ev.login))
		}
	}
	token(w.store.Token)
	at(w.store.Expires)
	mark(w.store.Mark)
	num(int64(w.jar))
	for _, s := range w.stays[:w.born+1] {
		b = append(b, byte(s.token.user), byte(s.token.gen))
		at(s.expires)
		flag(s.dead)
	}
	for user, gen := range w.gens {
		num(int64(gen))
		num(int64(w.dead[user]))
		for _, by := range w.gave[user][:gen+1] {
			num(int64(by))
		}
		for _, end := range w.ends[user][:gen+1] {
			at(end)
		}
	}
	for _, f := range w.pending[:w.pendingCount] {
		t := &w.tabs[f.tab]
		v := t.state.View()
		current := f.load == t.load && v.Call.Seq == f.call.Seq && v.Call.Kind != session.NoCall
		flag(f.served, f.hasLock, f.overtakes, current, f.load == t.load, f.tab == 1)
		call(f.call)
		num(int64(f.cookie))
		b = append(b, byte(f.from), byte(f.sets))
		token(f.answer.Grant.Token)
		num(int64(f.answer.Grant.ExpiresIn))
		text(f.answer.Why.String())
	}
	num(int64(w.user))
	num(int64(w.last))
	flag(w.gone)
	for _, n := range w.left {
		b = append(b, byte(n))
	}
	return b
}

// explorer tries everything, once per state.
type explorer struct {
	seen   map[uint64]int8 // the depth that was left at a state's last visit
	seed   maphash.Seed
	path   []move
	rests  int
	buf    []byte
	worlds [16]world
}

// explore follows every move from a world to a depth.
func (x *explorer) explore(w *world, depth int8) error {
	x.buf = w.key(x.buf[:0])
	hash := maphash.Bytes(x.seed, x.buf)
	left, known := x.seen[hash]
	if known && left >= depth {
		return nil
	}
	x.seen[hash] = depth
	// Coming to rest costs many steps, so it is tried from one state in eight.
	if !known && hash%8 == 0 {
		x.rests++
		if err := w.settle(); err != nil {
			return fmt.Errorf("at rest: %w", err)
		}
	}
	if depth == 0 {
		return nil
	}
	next := &x.worlds[depth] // the world is large: one for each depth will do
	for _, m := range moves {
		if !w.can(m) {
			continue
		}
		*next = *w
		x.path = append(x.path, m)
		err := next.do(m)
		if err == nil {
			err = x.explore(next, depth-1)
		}
		if err != nil {
			return err
		}
		x.path = x.path[:len(x.path)-1]
	}
	return nil
}

// retell plays a path again and writes it down.
func retell(w world, path []move) string {
	var story []string
	w.story = &story
	for _, m := range path {
		story = append(story, fmt.Sprintf("%s %d", [...]string{
			"storage event", "UI event", "serve", "answer", "tick", "fail", "alice signs in",
			"bob signs in", "sign-out",
			"refuse", "submit", "meets a dead token", "handlers log out", "UI clears", "reload", "revoke",
		}[m.what], m.which))
		if err := w.do(m); err != nil {
			return strings.Join(story, "\n")
		}
	}
	story = append(story, "--- and then the server says yes:")
	if err := w.settle(); err != nil {
		story = append(story, err.Error())
	}
	return strings.Join(story, "\n")
}

// both is a world with both tabs open and alice signed in, in tab 0.
func both(w *world) error {
	for i := range w.tabs {
		if err := w.load(int8(i)); err != nil {
			return err
		}
	}
	w.signIn(0, 1)
	return w.calm()
}

// calm plays until nothing is pending at this moment.
func (w *world) calm() error {
	for {
		m, ok := w.next(w.now.Add(time.Millisecond))
		if !ok {
			return nil
		}
		w.left[tick] = 1
		if err := w.do(m); err != nil {
			return err
		}
	}
}

// begin prepares the world of a story.
func begin(t interface{ Fatal(...any) }, kills bool, prepare func(*world) error, left budget) world {
	w := newWorld()
	w.kills = kills
	if err := prepare(&w); err != nil {
		t.Fatal(err)
	}
	w.left = left
	return w
}

// stories are where the exploration starts and what may happen in it.
var stories = []struct {
	name    string
	prepare func(*world) error
	left    budget
	depth   int8
}{
	{"both renew, some answers are lost", both, budget{tick: 4, fail: 2, refuse: 1}, 9},
	{"actions fail in both tabs", both, budget{tick: 2, fail: 1, refuse: 3}, 8},
	{"a person signs out while both renew", both, budget{tick: 3, fail: 1, signOut: 1, refuse: 1}, 9},
	{"a person signs out and in again", both, budget{tick: 2, fail: 1, signOut: 1, alice: 1}, 9},
	{"another user signs in", both, budget{tick: 2, signOut: 1, bob: 1, refuse: 1}, 9},
	{"another user signs in without a sign-out", both, budget{tick: 2, fail: 1, bob: 1, refuse: 1}, 8},
	{"a page's handlers log out on a dead token", both, budget{tick: 2, fail: 1, refuse: 2, logout: 1, signOut: 1}, 8},
	{"the UI clears what it thinks expired", both, budget{tick: 3, clear: 1, signOut: 1, refuse: 1}, 9},
	{"a page is loaded again", both, budget{tick: 2, fail: 1, reload: 1, signOut: 1, refuse: 1}, 7},
	{"a form is sent, and another user signs in before it fails", both,
		budget{tick: 1, submit: 1, meets: 2, bob: 1, fail: 1}, 9},
	{"a form is sent, and its user signs out and in again", both,
		budget{tick: 1, submit: 1, meets: 1, signOut: 1, alice: 1}, 9},
	{"forms are held, and users change", both, budget{tick: 3, refuse: 2, bob: 1, fail: 2}, 7},
	{"the operator ends the session", both, budget{tick: 2, fail: 1, refuse: 1, revoke: 1}, 10},
	{"a first login", func(w *world) error {
		for i := range w.tabs {
			if err := w.load(int8(i)); err != nil {
				return err
			}
		}
		return nil
	}, budget{tick: 2, fail: 2, alice: 1, signOut: 1}, 10},
	{"a token found by both", func(w *world) error {
		w.user = 1
		w.write(0, w.mint(1))
		for i := range w.tabs {
			if err := w.load(int8(i)); err != nil {
				return err
			}
		}
		return nil
	}, budget{tick: 2, fail: 2, signOut: 1}, 9},
}

func TestTwoTabsExhaustively(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: half a minute")
	}
	if n, want := session.CountSlices(), 6; n != want {
		t.Fatalf("State has %d slices, not %d: teach session.Spare the new one", n, want)
	}
	for _, kills := range []bool{false, true} {
		for _, s := range stories {
			t.Run(fmt.Sprintf("%s, minting kills %v", s.name, kills), func(t *testing.T) {
				t.Parallel()
				w := begin(t, kills, s.prepare, s.left)
				w.tabs[0].record.quick, w.tabs[1].record.quick = true, true
				x := explorer{seen: map[uint64]int8{}, seed: maphash.MakeSeed()}
				begun := time.Now()
				if err := x.explore(&w, s.depth-shallower); err != nil {
					t.Fatalf("%v\n%s", err, retell(w, x.path))
				}
				t.Logf("%d states, %d brought to rest, %v", len(x.seen), x.rests, time.Since(begun))
			})
		}
	}
}

// Long runs, where the exhaustive ones are wide: the same ones every time,
// unless -rapid.seed says otherwise, since a test that fails by chance does
// not show what broke.
func TestTwoTabsAtLength(t *testing.T) {
	if seed := flag.Lookup("rapid.seed"); seed.Value.String() == "0" {
		if err := seed.Value.Set("1"); err != nil {
			t.Fatal(err)
		}
	}
	for _, kills := range []bool{false, true} {
		for _, s := range stories {
			t.Run(fmt.Sprintf("%s, minting kills %v", s.name, kills), func(t *testing.T) {
				t.Parallel()
				rapid.Check(t, func(t *rapid.T) {
					w := begin(t, kills, s.prepare, budget{
						tick: 60, fail: 10, alice: 2, bob: 2, signOut: 2, refuse: 6, submit: 4,
						meets: 4, logout: 2, clear: 2, reload: 2, revoke: 1,
					})
					begun := w
					var path []move
					for _, m := range rapid.SliceOfN(rapid.SampledFrom(moves), 50, 400).Draw(t, "moves") {
						if !w.can(m) {
							continue
						}
						path = append(path, m)
						if err := w.do(m); err != nil {
							t.Fatalf("%v\n%s", err, retell(begun, path))
						}
					}
					if err := w.settle(); err != nil {
						t.Fatalf("at rest: %v\n%s", err, retell(begun, path))
					}
				})
			})
		}
	}
}

// tell is one line of a story that ended badly.
func tell(from session.Phase, ev session.Event, effects []session.Effect, to session.Phase) string {
	var names []string
	for _, effect := range effects {
		names = append(names, name(effect))
	}
	return fmt.Sprintf("%v: %T%v %v → %v", from, ev, detail(ev), names, to)
}

// detail spells out what matters of an event, secrets and all.
func detail(ev session.Event) string {
	switch ev := ev.(type) {
	case session.TokenSeen:
		return fmt.Sprintf(" %s login=%v", ev.Token.Reveal(), ev.Login)
	case session.Answered:
		return fmt.Sprintf(" %d ok=%v %s final=%v", ev.Call.Seq, ev.Answer.OK,
			ev.Answer.Grant.Token.Reveal(), ev.Answer.Final)
	case session.DeadToken:
		return fmt.Sprintf(" %s on %q handlers=%d", ev.Why, ev.Screen, ev.Handlers)
	case session.Submitted:
		return fmt.Sprintf(" %d on %q %s held=%v", ev.ID, ev.Screen, ev.Token.Reveal(), ev.Held)
	case session.SignedOutSeen:
		return fmt.Sprintf(" cause=%d told=%v", ev.Cause, ev.Told)
	case session.Repeated:
		return fmt.Sprintf(" %d %d", ev.ID, ev.Result)
	}
	return ""
}
