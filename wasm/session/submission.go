package session

import "time"

// The times of a submission.
const (
	// sentLife is how long a failure that names the screen may be about it.
	sentLife = time.Minute
	// namelessLife is the same for a failure that names none: it must be the
	// only submission there is.
	namelessLife = 10 * time.Second
	// failedLife is how long after its failure a form may be sent again.
	failedLife = time.Minute
	// holdBound is how long a form is held while there is a network, and
	// offlineBound while there is none.
	holdBound    = 10 * time.Second
	offlineBound = 5 * time.Minute
	// repeatBound is how long the browser may take to send it again: the UI has
	// to draw the form, and the page's scripts to fill it.
	repeatBound = 15 * time.Second
	// lateEvent is how soon after a repetition another kind of event still
	// tells of the first failure.
	lateEvent = time.Second
	// givenUp is how long after its user pressed the button a form may be sent
	// at all. It is longer than all bounds together, which a page that stood
	// still or slept does not keep: the user no longer waits for it by then.
	givenUp = offlineBound + 2*time.Minute
)

// submissionState is where a submission stands.
type submissionState uint8

const (
	sent       submissionState = iota // the UI has it; what came of it is not known
	held                              // stopped before the UI heard of it
	failed                            // it met a dead token
	resuming                          // the browser is sending it again
	superseded                        // it has its outcome; see submissions.supersede
)

// submission is a form that the user sent.
//
//	        ┌─ answered, or long ago ─────────────────► finished
//	sent ───┤
//	        └─ a dead token ──► failed ──┐
//	                                     ├─ a good token of the same
//	held ────────────────────────────────┘  person ──► resuming ──► sent
//
//	edited, left, too long, another person … ─► unfinished, or handed back
type submission struct {
	// id is the browser's; 0 stands for an action of the user that was no form
	// we could see, which can only be told of.
	id           uint64
	screen, form string
	// owner is who sent it, as the fingerprint that the server confirmed; empty
	// while unknown.
	owner string
	token Token // in force when it was sent
	state submissionState
	// pressed is when its user pressed the button, since when its state began.
	pressed, since Instant
	// again: it has been sent a second time.
	again bool
	// handlers are the page's own that were kept back for its failure.
	handlers uint64
	// failures counts the events that may tell of its failure, by kind.
	failures failureCount
}

// failureCount counts ExpiredToken, InvalidToken and SaveFailed.
type failureCount [3]uint8

func failureKind(why Why) int {
	switch why {
	case WhyExpired:
		return 0
	case WhyInvalid:
		return 1
	}
	return 2
}

// bound is when a submission must have its outcome, or the next state.
func (s *submission) bound(offline bool) Instant {
	switch s.state {
	case failed:
		return s.since.Add(failedLife)
	case resuming:
		return s.since.Add(repeatBound)
	case held:
		if offline {
			return s.since.Add(offlineBound)
		}
		return s.since.Add(holdBound)
	}
	return s.since.Add(sentLife)
}

// unclear reports whether a failure may have been about this one or another.
func (s *submission) unclear() bool {
	return s.state == sent && !s.again && s.failures != failureCount{}
}

func (s *submission) waits() bool { return s.state == held || s.state == failed }

// unsettled reports whether the page is to be told when it is given up.
func (s *submission) unsettled() bool { return s.waits() || s.state == resuming }

// end gives it its outcome: the page is told, and its values are forgotten.
func (s *submission) end(outcome Outcome, why Why, out *effects) {
	if s.state == held && outcome != Finished {
		out.tellScreen(NoticeReleased, why, s.screen)
	}
	switch {
	case outcome == Unfinished:
		out.tellScreen(NoticeUnfinished, why, s.screen)
	case outcome == HandedBack && s.state == held: // the UI has not heard of it yet
		out.do(HandBack{ID: s.id})
	}
	if s.id != 0 {
		out.do(Forget{ID: s.id, Outcome: outcome})
	}
}

// whyNot says why it may not be sent again in a user's session; nothing if it
// may.
func (s *submission) whyNot(user string, consent bool, now Instant) Why {
	switch {
	case s.id == 0:
		return WhyNoForm
	case s.owner == "":
		return WhyUnproven
	case s.owner != user:
		return WhyOtherUser
	case s.again:
		return WhyRefusedAgain
	case s.pressed.Add(givenUp).Reached(now):
		return WhyHeldTooLong
	case !consent:
		return WhyResubmitOff
	}
	return NoWhy
}

// resume sends it again, or lets it go on.
func (s *submission) resume(token Token, now Instant, out *effects) {
	if s.state == held {
		out.tellScreen(NoticeReleased, WhyRenewed, s.screen)
	}
	out.do(Repeat{ID: s.id, Token: token})
	s.again = s.state == failed // what was held has not been sent yet
	s.state, s.since, s.token = resuming, now, token
}

func (ev *GivenUp) notice() Notice {
	return Notice{Name: NoticeUnfinished, Why: ev.Result.why(), Screen: ev.Screen}
}

func (r RepeatResult) why() Why {
	switch r {
	case RepeatSent:
		return NoWhy
	case RepeatEdited:
		return WhyEdited
	case RepeatChanged:
		return WhyChanged
	case RepeatMoved:
		return WhyNewToken
	case RepeatInvalid:
		return WhyInvalidForm
	case RepeatFile:
		return WhyFile
	case RepeatGone:
		return WhyGone
	}
	return WhyNoSubmit
}
