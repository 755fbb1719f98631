package api

// The default margin: how long before its end a token is due. A hidden tab
// wakes once a minute, so a token of an hour is due two minutes before its end.
// A shorter life gives a shorter margin.
const (
	maxMargin   = 120_000_000_000 // nanoseconds: two minutes
	marginShare = 5
)

// Margin is the default margin of both halves for a token that lives for life,
// in nanoseconds: the smaller of two minutes and a fifth of the life. D is
// time.Duration; this package imports nothing, and so not time either.
func Margin[D ~int64](life D) D { return min(maxMargin, life/marginShare) }
