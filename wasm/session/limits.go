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
func (l limits) moved(idle, absolute Instant, idleLife, warning time.Duration, now Instant) limits {
	l.idle, l.absolute, l.idleLife = idle, absolute, max(l.idleLife, idleLife)
	l.warnedIdle = l.warnedIdle && near(idle, warning, now)
	l.warnedAbsolute = l.warnedAbsolute && near(absolute, warning, now)
	return l
}

// active says what input of the user does: report it now and then, and move
// the idle limit with it.
func (l limits) active(now Instant) (limits, []Effect) {
	every := activityEvery
	if l.idleLife > 0 {
		every = min(every, l.idleLife/10)
	}
	if l.passed(now) || !l.lastActivity.IsZero() && now.Since(l.lastActivity) < every {
		return l, nil
	}
	return l.report(now)
}

// stay says what the user's choice to stay does. With a limit that has passed
// the server must be asked.
func (l limits) stay(now Instant) (next limits, effects []Effect, ask bool) {
	if l.passed(now) {
		l.stayAsked = true
		return l, nil, true
	}
	l, effects = l.report(now)
	return l, append(effects, Notify{Notice{Name: NoticeStayed, Why: WhyRequest}}), false
}

func (l limits) report(now Instant) (limits, []Effect) {
	l.lastActivity = now
	if l.idleLife > 0 {
		l.idle, l.warnedIdle = now.Add(l.idleLife), false
	}
	return l, []Effect{ReportActivity{}}
}

// stayed answers a late choice to stay, once the server has said yes.
func (l limits) stayed(now Instant) (limits, []Effect) {
	if !l.stayAsked || l.passed(now) {
		return l, nil
	}
	l.stayAsked = false
	return l, []Effect{Notify{Notice{Name: NoticeStayed, Why: WhyRequest}}}
}

// passed reports whether a limit has passed.
func (l limits) passed(now Instant) bool {
	return reached(l.idle, now) || reached(l.absolute, now)
}

// warn tells, once each, of a limit that is near.
func (l limits) warn(warning time.Duration, now Instant) (limits, []Effect) {
	var effects []Effect
	tell := func(why Why, kind string, at Instant) {
		effects = append(effects, Notify{Notice{
			Name: NoticeWarning, Why: why, Limit: kind, ExpiresIn: max(0, at.Sub(now)),
		}})
	}
	if !l.warnedIdle && near(l.idle, warning, now) {
		l.warnedIdle = true
		tell(WhyIdleLimit, "idle", l.idle)
	}
	if !l.warnedAbsolute && near(l.absolute, warning, now) {
		l.warnedAbsolute = true
		tell(WhyAbsoluteLimit, "absolute", l.absolute)
	}
	return l, effects
}

// times lists when the limits ask for attention.
func (l limits) times(warning time.Duration) []Instant {
	var times []Instant
	add := func(limit Instant, warned bool) {
		if limit.IsZero() {
			return
		}
		if warning > 0 && !warned {
			times = append(times, limit.Add(-warning))
		}
		times = append(times, limit.Add(limitSlack))
	}
	add(l.idle, l.warnedIdle)
	add(l.absolute, l.warnedAbsolute)
	return times
}

// due reports whether the server must be asked about a limit.
func (l limits) due(warning time.Duration, now Instant) bool {
	for _, at := range l.times(warning) {
		if at.Reached(now) {
			return true
		}
	}
	return false
}

// endReason names the limit that a session ended by, if one did.
func (l limits) endReason(why Why, now Instant) Why {
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
