package capture

import (
	"maps"
	"slices"
)

// Kind says who an error is about, and with that who lives and who dies: only
// [GrantGone] and [AccountGone] end a session.
type Kind int

const (
	// Temporary is everything that may be over the next time: a timeout, a
	// proxy's error page, an unknown number. It is the zero value, so that
	// whatever is not understood keeps the session.
	Temporary Kind = iota
	// RateLimited asks for patience: [Error.RetryAfter] may say how much.
	RateLimited
	// TokenExpired: the access token that was sent has expired.
	TokenExpired
	// GrantGone: Capture does not know the user's token or code, or no longer,
	// or the grant behind it was deleted. This session is over.
	GrantGone
	// AccountGone: there is no such user. All sessions of that user are over.
	AccountGone
	// OperatorFault: Capture refuses this service's own client, permission or
	// configuration. Users keep their sessions, the operator gets the alarm.
	OperatorFault
)

var kindNames = [...]string{
	Temporary:     "temporary",
	RateLimited:   "rate_limited",
	TokenExpired:  "token_expired",
	GrantGone:     "grant_gone",
	AccountGone:   "account_gone",
	OperatorFault: "operator_fault",
}

// Kinds returns every Kind there is.
func Kinds() []Kind {
	kinds := make([]Kind, len(kindNames))
	for i := range kinds {
		kinds[i] = Kind(i)
	}
	return kinds
}

// String is a word for logs.
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return "unknown"
	}
	return kindNames[k]
}

// verdicts says what a number of contract section 4 means where nothing is
// known about the call. verdict corrects it by what the call had sent.
var verdicts = map[int]Kind{
	100: OperatorFault, // missing argument
	200: OperatorFault, // invalid argument
	201: OperatorFault, // duplicate argument
	205: OperatorFault, // wrong way to authenticate
	221: OperatorFault, // configuration
	222: OperatorFault,
	223: OperatorFault,
	224: OperatorFault,
	310: AccountGone,   // no such record
	402: OperatorFault, // invalid client credentials
	403: OperatorFault, // the client has no permission
	413: GrantGone,     // access grant deleted
	414: TokenExpired,  // access token expired
	415: GrantGone,     // authorization code expired
	420: OperatorFault, // redirect_uri
	480: OperatorFault, // feature disabled
	500: Temporary,     // unexpected error
	510: RateLimited,   // API limit
}

// Numbers returns every error number that has a meaning here, in order.
func Numbers() []int { return slices.Sorted(maps.Keys(verdicts)) }

// verdict says what an error answer means. A complaint about an argument is
// about the user only when that argument is the user's own credential, and a
// verdict on a token that was never sent is not one.
func verdict(op operation, number int, argument string) Kind {
	switch number {
	case 100, 200, 201:
		if op.credential != "" && argument == op.credential {
			return GrantGone
		}
	case 414:
		if op != identify {
			return Temporary
		}
	case 415:
		if op != exchange {
			return Temporary
		}
	}
	return verdicts[number]
}
