package session

import "time"

const (
	// activityEvery spaces the reports that the user is there, at most.
	activityEvery = time.Minute
	// limitSlack asks after a limit, not at it.
	limitSlack = time.Second
)

// limits are when the session ends whatever its token does. Only the server
// moves one that has passed.
type limits struct {
	idle, absolute Instant
	// idleLife is the longest time that the server gave without input.
	idleLife                   time.Duration
	warnedIdle, warnedAbsolute bool
	lastActivity               Instant
	// stayAsked: the user chose to stay when the limit had passed; the server's
	// answer decides.
	stayAsked bool
}

// moved are the limits by a later word; the zero Instant is no limit.
func (l *limits) moved(idle, absolute Instant, idleLife, warning time.Duration, now Instant) {
	l.idle, l.absolute, l.idleLife = idle, absolute, max(l.idleLife, idleLife)
	l.warnedIdle = l.warnedIdle && near(idle, warning, now)
	l.warnedAbsolute = l.warnedAbsolute && near(absolute, warning, now)
}

// active says what input of the user does: report it now and then, and move
// the idle limit with it.
func (l *limits) active(now Instant, out *effects) {
	every := activityEvery
	if l.idleLife > 0 {
		every = min(every, l.idleLife/10)
	}
	if l.passed(now) || !l.lastActivity.IsZero() && now.Since(l.lastActivity) < every {
		return
	}
	l.report(now, out)
}

// stay does what the user's choice to stay does. It reports whether the server
// must be asked: a limit has passed.
func (l *limits) stay(now Instant, out *effects) (ask bool) {
	if l.passed(now) {
		l.stayAsked = true
		return true
	}
	l.report(now, out)
	out.tell(Notice{Name: NoticeStayed, Why: WhyRequest})
	return false
}

func (l *limits) report(now Instant, out *effects) {
	l.lastActivity = now
	if l.idleLife > 0 {
		l.idle, l.warnedIdle = now.Add(l.idleLife), false
	}
	out.do(ReportActivity{})
}

// stayed answers a late choice to stay, once the server has said yes.
func (l *limits) stayed(now Instant, out *effects) {
	if l.stayAsked && !l.passed(now) {
		l.stayAsked = false
		out.tell(Notice{Name: NoticeStayed, Why: WhyRequest})
	}
}

// passed reports whether a limit has passed.
func (l *limits) passed(now Instant) bool {
	return reached(l.idle, now) || reached(l.absolute, now)
}

// warn tells, once each, of a limit that is near.
func (l *limits) warn(warning time.Duration, now Instant, out *effects) {
	tell := func(warned *bool, at Instant, why Why, kind string) {
		if *warned || !near(at, warning, now) {
			return
		}
		*warned = true
		out.tell(Notice{Name: NoticeWarning, Why: why, Limit: kind, ExpiresIn: max(0, at.Until(now))})
	}
	tell(&l.warnedIdle, l.idle, WhyIdleLimit, "idle")
	tell(&l.warnedAbsolute, l.absolute, WhyAbsoluteLimit, "absolute")
}

// times tells when the limits ask for attention.
func (l *limits) times(warning time.Duration, at func(Instant)) {
	of := func(limit Instant, warned bool) {
		if limit.IsZero() {
			return
		}
		if warning > 0 && !warned {
			at(limit.Add(-warning))
		}
		at(limit.Add(limitSlack))
	}
	of(l.idle, l.warnedIdle)
	of(l.absolute, l.warnedAbsolute)
}

// due reports whether the server must be asked about a limit.
func (l *limits) due(warning time.Duration, now Instant) bool {
	due := false
	l.times(warning, func(at Instant) { due = due || at.Reached(now) })
	return due
}

// endReason names the limit that a session ended by, if one did.
func (l *limits) endReason(why Why, now Instant) Why {
	switch {
	case why != WhySessionEnded:
	case reached(l.absolute, now):
		return WhyAbsoluteLimit
	case reached(l.idle, now):
		return WhyIdleLimit
	}
	return why
}

func reached(at, now Instant) bool { return !at.IsZero() && at.Reached(now) }

func near(limit Instant, warning time.Duration, now Instant) bool {
	return warning > 0 && !limit.IsZero() && limit.Add(-warning).Reached(now)
}
