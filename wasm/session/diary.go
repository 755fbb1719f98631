package session

// Entry is one line of the session's diary. It holds no secret.
type Entry struct {
	At       Instant
	Event    string
	From, To Phase
	// Why is empty where the event needs no reason.
	Why     Why
	Effects []string
}

// describe writes an event into the diary, if it is worth a line.
func describe(ev Event, from, to Phase, effects []Effect, now Instant) (Entry, bool) {
	e := Entry{At: now.Wall(), Event: ev.name(), From: from, To: to, Why: reason(ev)}
	for _, effect := range effects {
		if _, published := effect.(Publish); !published {
			e.Effects = append(e.Effects, effect.name())
		}
	}
	return e, !frequent(ev) || from != to || len(e.Effects) > 0
}

// frequent reports whether an event comes often and mostly changes nothing.
func frequent(ev Event) bool {
	switch ev.(type) {
	case ScreenWanted, ScreenShown, Left, StorageChanged, LockAcquired, Woke, Ticked, UserActive, Edited:
		return true
	}
	return false
}

func reason(ev Event) Why {
	switch ev := ev.(type) {
	case DeadToken:
		return ev.Why
	case ScreenDenied:
		return WhyDenied
	case Repeated:
		return ev.Result.why()
	case GivenUp:
		return ev.Result.why()
	case Wanted:
		return WhyRequest
	case Answered:
		if ev.Answer.OK {
			return ev.Call.Why
		}
		return ev.Answer.Why
	}
	return NoWhy
}
