package session

// describe writes an event into the diary. Ticks and storage writes that
// changed nothing are not worth a line.
func describe(ev Event, from, to Phase, effects []Effect, now Instant) (Entry, bool) {
	e := Entry{At: now.Wall(), From: from, To: to}
	worth := true
	switch ev := ev.(type) {
	case Started:
		e.Event = "started"
	case TokenSeen:
		e.Event = "token_seen"
		if ev.Login {
			e.Event = "login_seen"
		}
	case CodeSeen:
		e.Event = "code_seen"
	case ScreenWanted:
		e.Event, worth = "screen_wanted", false
	case ScreenShown:
		e.Event, worth = "screen_shown", false
	case Left:
		e.Event, worth = "left", false
	case NoTokenSeen:
		e.Event = "no_token_seen"
	case Refused:
		e.Event, e.Why = "refused", ev.Why
	case Submitted:
		e.Event = "submit_held"
	case SignedOutSeen:
		e.Event = "sign_out_seen"
	case StorageChanged:
		e.Event, worth = "storage_changed", false
	case TurnCame:
		e.Event, worth = "turn_came", false
	case Woke:
		e.Event, worth = "woke", false
	case Ticked:
		e.Event, worth = "ticked", false
	case Answered:
		e.Event, e.Why = "answered", ev.Answer.Why
		if ev.Answer.OK {
			e.Why = ev.Call.Why
		}
	case Wanted:
		e.Event, e.Why = "wanted", WhyRequest
	case UserActive:
		e.Event, worth = "user_active", false
	case EndAsked:
		e.Event = "end_asked"
	case Stopped:
		e.Event = "stopped"
	}
	for _, effect := range effects {
		e.Effects = append(e.Effects, effectName(effect))
	}
	return e, worth || from != to || len(effects) > 0
}

func effectName(effect Effect) string {
	switch e := effect.(type) {
	case Ask:
		switch e.Kind {
		case CallOpen:
			return "open:" + string(e.Why)
		case CallEnd:
			return "end:" + string(e.Why)
		}
		return "ask:" + string(e.Why)
	case ReportActivity:
		return "report_activity"
	case Adopt:
		return "adopt"
	case Drop:
		return "drop"
	case Withdraw:
		return "withdraw"
	case SetMark:
		return "mark"
	case Resume:
		return "resume"
	case Abandon:
		return "abandon"
	case Release:
		if e.Deliver {
			return "deliver"
		}
		return "swallow"
	case Tell:
		return string(e.Name) + ":" + string(e.Why)
	case Settle:
		return "settle"
	}
	return ""
}
