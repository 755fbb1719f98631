package session

// verdict is what a no of the server means.
type verdict uint8

const (
	verdictWait      verdict = iota // nothing is decided: try again
	verdictCodeSpent                // a session may have come of the code all the same
	verdictNoSession                // no session stands behind what we asked for
	verdictReopen                   // the cookie is gone, the person is not
	verdictNoCookie                 // the browser does not keep the cookie
	verdictOver                     // the session, or the token, is no use any more
)

// judge decides what a no means for the call that it answers.
func (d *dealing) judge(call *Call, answer *Answer) verdict {
	switch {
	case !call.Code.Empty():
		if answer.Final && answer.Why != WhyCodeUsed {
			return verdictNoSession
		}
		return verdictCodeSpent // it cannot be posted again
	case !answer.Final:
		if call.restores() && !d.expect.hadSession {
			return verdictNoSession // most likely anonymous: not worth a second question
		}
		return verdictWait
	case call.Kind == CallToken && !d.session.confirmed():
		return verdictNoSession
	case call.Kind == CallToken && answer.Missing && d.session.alive(d.now):
		return d.judgeCookie()
	}
	return verdictOver
}

// judgeCookie decides what it means that a good token comes without a cookie.
func (d *dealing) judgeCookie() verdict {
	switch {
	case d.exchange.cookie.neverKept(d.now):
		return verdictNoCookie
	case !d.snap.Readable || d.snap.Token == d.session.token:
		return verdictReopen
	}
	return verdictOver
}
