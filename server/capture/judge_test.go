package capture

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestVerdict(t *testing.T) {
	for _, tc := range []struct {
		numbers         []int
		argument        string
		identify, issue Kind
	}{
		{[]int{100, 200, 201}, "access_token", GrantGone, OperatorFault},
		{[]int{100, 200, 201}, "uuid", OperatorFault, OperatorFault},
		{[]int{100, 200, 201}, "type_name", OperatorFault, OperatorFault},
		{[]int{100, 200, 201}, "", OperatorFault, OperatorFault},
		{[]int{205, 221, 222, 223, 224, 402, 403, 420, 480}, "", OperatorFault, OperatorFault},
		// The name of the credential changes nothing for any other number.
		{[]int{205, 221, 222, 223, 224, 402, 403, 420, 480}, "access_token", OperatorFault, OperatorFault},
		{[]int{310}, "", AccountGone, AccountGone},
		{[]int{413}, "", GrantGone, GrantGone},
		{[]int{414}, "", TokenExpired, Temporary},
		{[]int{510}, "", RateLimited, RateLimited},
		{[]int{500}, "", Temporary, Temporary},
		// 415 speaks of a code, which neither call sends; the rest is unknown. What
		// oauth/token answers is in TestTokenNumbers.
		{[]int{415, -1, 0, 1, 202, 225, 311, 412, 416, 501, 999, math.MaxInt}, "access_token", Temporary, Temporary},
	} {
		for _, number := range tc.numbers {
			if got := verdict(identify, number, tc.argument); got != tc.identify {
				t.Errorf("Identify, %d %q: %s, want %s", number, tc.argument, got, tc.identify)
			}
			if got := verdict(issue, number, tc.argument); got != tc.issue {
				t.Errorf("Issue, %d %q: %s, want %s", number, tc.argument, got, tc.issue)
			}
		}
	}
}

func TestKindString(t *testing.T) {
	seen := map[string]bool{}
	for kind := Temporary; kind <= OperatorFault; kind++ {
		if word := kind.String(); word == "" || word == "unknown" || seen[word] {
			t.Errorf("Kind(%d).String() = %q", kind, word)
		} else {
			seen[word] = true
		}
	}
	for _, kind := range []Kind{-1, OperatorFault + 1} {
		if got := kind.String(); got != "unknown" {
			t.Errorf("Kind(%d).String() = %q, want unknown", int(kind), got)
		}
	}
}

func TestJudge(t *testing.T) {
	refusal := func(number int) string { return fmt.Sprintf(`{"stat":"error","code":%d}`, number) }
	for _, tc := range []struct {
		name   string
		status int
		body   string
		kind   Kind
		cause  error
	}{
		// The two shapes of contract section 4.
		{"ordinary error", 200, refusal(413), GrantGone, nil},
		{"oauth error, 400", 400, refusal(413), GrantGone, nil},
		{"oauth error, 401", 401, refusal(402), OperatorFault, nil},
		// Which of the two counts, no two readers need agree on.
		{"two numbers", 200, `{"stat":"error","code":500,"code":310}`, Temporary, errAmbiguous},
		{"two spellings", 200, `{"stat":"error","code":500,"Code":310}`, Temporary, errAmbiguous},
		{"another spelling of code", 200, `{"stat":"error","CODE":310}`, Temporary, errAmbiguous},
		{"another spelling of stat", 200, `{"Stat":"error","code":413}`, Temporary, errAmbiguous},
		{"two stats", 400, `{"stat":"ok","code":413,"stat":"error"}`, Temporary, errAmbiguous},
		{"two of something else", 200, `{"x":{"x":1},"stat":"error","code":413}`, GrantGone, nil},
		// A proxy in between, or a service in trouble.
		{"429 says wait, whatever the number", 429, refusal(413), RateLimited, nil},
		{"502 ends no session", 502, refusal(413), Temporary, errServer},
		{"503 with ok", 503, `{"stat":"ok"}`, Temporary, errServer},
		{"redirect", 307, refusal(310), Temporary, errRedirect},
		{"404 page", 404, "<html>", Temporary, errNotJSON},
		{"ok with an error's status", 401, `{"stat":"ok"}`, Temporary, errNotJSON},
		// Not JSON with stat.
		{"empty", 200, "", Temporary, errNotJSON},
		{"HTML", 200, "<!doctype html><title>Sign in to the Wi-Fi</title>", Temporary, errNotJSON},
		{"no stat", 200, `{"code":413}`, Temporary, errNotJSON},
		{"other stat", 200, `{"stat":"fail","code":413}`, Temporary, errNotJSON},
		{"stat is no string", 200, `{"stat":true}`, Temporary, errNotJSON},
		{"number is no number", 200, `{"stat":"error","code":"413"}`, Temporary, errNotJSON},
		{"array", 200, `[{"stat":"error","code":413}]`, Temporary, errNotJSON},
		{"cut", 200, refusal(413)[:25], Temporary, errNotJSON},
		{"two answers", 200, refusal(413) + refusal(413), Temporary, errNotJSON},
		{"number is missing", 200, `{"stat":"error"}`, Temporary, nil},
		// The limit, to the byte.
		{"as long as may be", 200, refusal(413) + strings.Repeat(" ", maxAnswer-len(refusal(413))), GrantGone, nil},
		{"too long", 200, refusal(413) + strings.Repeat(" ", maxAnswer-len(refusal(413))+1), Temporary, errTooLong},
	} {
		t.Run(tc.name, func(t *testing.T) {
			failure := judge(issue, tc.status, http.Header{}, []byte(tc.body), now, nil)
			if failure == nil {
				t.Fatal("judge says ok")
			}
			if failure.Kind != tc.kind || failure.Status != tc.status || failure.Op != "access/getAccessToken" {
				t.Errorf("judge = %+v, want %s with status %d", failure, tc.kind, tc.status)
			}
			if !errors.Is(failure.Cause, tc.cause) {
				t.Errorf("Cause = %v, want %v", failure.Cause, tc.cause)
			}
		})
	}
}

func TestJudgeOK(t *testing.T) {
	for _, body := range []string{`{"stat":"ok"}`, ` {"x":[1],"stat":"ok","result":{}} `} {
		if failure := judge(identify, 200, http.Header{}, []byte(body), now, nil); failure != nil {
			t.Errorf("judge(%s) = %v", body, failure)
		}
	}
}

func TestLoggable(t *testing.T) {
	hidden := []secret.String{{}, secret.New("z0t8k3vq5n1m7p2r")}
	for in, want := range map[string]string{
		"":                               "",
		"missing_argument":               "missing_argument",
		"Req-1.2_A":                      "Req-1.2_A",
		strings.Repeat("a", 64):          strings.Repeat("a", 64),
		strings.Repeat("a", 65):          "",
		"a b":                            "",
		"a\nlevel=ERROR":                 "",
		"\x1b[31m":                       "",
		"ümlaut":                         "",
		"a@b":                            "",
		"a`b":                            "",
		"a{b":                            "",
		"z0t8k3vq5n1m7p2r":               "",
		"no_such_token.z0t8k3vq5n1m7p2r": "",
	} {
		if got := loggable(in, identifierChars, hidden); got != want {
			t.Errorf("loggable(%q) = %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"missing_argument": "missing_argument", "uuid": "uuid", "code": "code",
		"a_1": "", "a_-b": "", "a_\xff": "",
		"wkujcntnjtarzlna": "", // a token may consist of letters alone
	} {
		if got := loggableName(in, hidden); got != want {
			t.Errorf("loggableName(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"":                              0,
		"0":                             0,
		"7":                             7 * time.Second,
		"60":                            time.Minute,
		"61":                            time.Minute,
		"3600":                          time.Minute,
		"4294967295":                    time.Minute,
		"99999999999999999999":          time.Minute,
		"-7":                            0,
		"1.5":                           0,
		"soon":                          0,
		"Sat, 21 Nov 2026 12:00:30 GMT": 30 * time.Second,
		"Sat, 21 Nov 2026 13:00:00 GMT": time.Minute,
		"Sat, 21 Nov 2026 11:59:00 GMT": 0,
		"Sat, 21 Nov 2099 12:00:00 GMT": time.Minute,
		"Sun Nov  6 08:49:37 1994":      0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("Retry-After %q: %s, want %s", value, got, want)
		}
	}
	if got := retryAfter(http.Header{}, now); got != 0 {
		t.Errorf("no Retry-After: %s, want 0", got)
	}
}

// A date means the clock of the machine that wrote it.
func TestRetryAfterByTheClockOfTheAnswer(t *testing.T) {
	for date, want := range map[string]time.Duration{
		"Sat, 21 Nov 2026 11:00:00 GMT": 0,
		"Sat, 21 Nov 2026 10:59:30 GMT": 30 * time.Second,
		"Sat, 21 Nov 2026 10:00:00 GMT": time.Minute,
		"soon":                          0,
	} {
		header := http.Header{"Retry-After": {"Sat, 21 Nov 2026 11:00:00 GMT"}, "Date": {date}}
		if got := retryAfter(header, now); got != want {
			t.Errorf("Date %s: %s, want %s", date, got, want)
		}
	}
}

func TestSkew(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"":                              0,
		"soon":                          0,
		"2026-11-21 13:00:00":           0,
		"Sat, 21 Nov 2026 12:00:00 GMT": 0,
		"Sat, 21 Nov 2026 13:00:00 GMT": time.Hour,
		"Sat, 21 Nov 2026 11:58:30 GMT": -90 * time.Second,
	} {
		header := http.Header{"Date": {value}}
		if got := judge(issue, 200, header, []byte(`{"stat":"error","code":402}`), now, nil).Skew; got != want {
			t.Errorf("Date %q: %s, want %s", value, got, want)
		}
	}
	if got := skew(http.Header{}, now); got != 0 {
		t.Errorf("no Date: %s, want 0", got)
	}
}

func TestErrNotCapture(t *testing.T) {
	for cause, want := range map[error]bool{
		errNotJSON: true, errRedirect: true, errTooLong: true,
		errServer: false, errProtocol: false, errNoToken: false, errNoUUID: false, errNoRefreshToken: false,
	} {
		if got := errors.Is(&Error{Cause: cause}, ErrNotCapture); got != want {
			t.Errorf("%v: %v, want %v", cause, got, want)
		}
	}
}

// Whatever comes back, it is an answer that can be used or an error that can
// be printed, and nothing but Capture's own clear word ends a session.
func FuzzAnswer(f *testing.F) {
	const token = "z0t8k3vq5n1m7p2r"
	for _, body := range []string{
		`{"stat":"ok","accessToken":"a1b2c3d4e5f6g7h8"}`,
		`{"stat":"ok","result":{"uuid":"2d4f7ad6-1ba9-4a0b-a6a5-1c1f3b2a9c10"}}`,
		`{"stat":"error","code":200,"error":"invalid_argument","argument_name":"access_token","request_id":"r1"}`,
		`{"stat":"error","code":413,"error":"` + token + `","argument_name":"` + token +
			`","request_id":"` + token + `"}`,
		`{"stat":"error","code":310}`,
		`{"stat":"ok","access_token":"a1b2c3d4e5f6g7h8","refresh_token":"r1b2c3d4e5f6g7h8","expires_in":3600}`,
		`{"stat":"error","code":415,"error":"invalid_request","sub_error":"authorization_code_expired"}`,
		`{"stat":"ok","accessToken":7,"result":[]}`,
		"<html>", "", "null", `{"stat":`,
	} {
		f.Add(200, []byte(body), "7")
		f.Add(400, []byte(body), "Sat, 21 Nov 2026 12:01:30 GMT")
	}
	f.Add(429, []byte("{}"), "99999999999999999999")
	f.Add(502, []byte("<html>"), "")

	f.Fuzz(func(t *testing.T, status int, body []byte, wait string) {
		for _, op := range []operation{identify, issue, exchange, refresh} {
			failure := judge(op, status, http.Header{"Retry-After": {wait}, "Date": {wait}}, body,
				now, []secret.String{secret.New(token)})
			if failure == nil {
				if uuid, ok := readUUID(body); ok &&
					(uuid == "" || len(uuid) > 128 || strings.ContainsAny(uuid, " \r\n\x00\x7f")) {
					t.Errorf("usable uuid %q", uuid)
				}
				if access, ok := readAccessToken(body); ok && !usable(access) {
					t.Errorf("usable token %q", access.Reveal())
				}
				tokens, ok := readTokens(body)
				if ok && (!usable(tokens.Access) || tokens.Life < 0 || tokens.Life > maxLife) {
					t.Errorf("usable token %q for %v", tokens.Access.Reveal(), tokens.Life)
				}
				continue
			}
			message := failure.Error()
			if strings.Contains(message, token) || len(message) > 600 {
				t.Errorf("message %q", message)
			}
			for _, r := range message {
				if r < ' ' || r > '~' {
					t.Errorf("message %q has %q", message, r)
				}
			}
			if failure.RetryAfter < 0 || failure.RetryAfter > time.Minute {
				t.Errorf("RetryAfter = %s", failure.RetryAfter)
			}
			if failure.Kind != GrantGone && failure.Kind != AccountGone {
				continue
			}
			if status >= 500 || status == 429 || status >= 300 && status < 400 {
				t.Errorf("HTTP %d ends a session", status)
			}
			switch failure.Number {
			case 310, 413:
			case 415:
				if op != exchange {
					t.Errorf("%s: 415 ends a session", op.endpoint)
				}
			case 100, 200, 201:
				if op.credential == "" || failure.Argument != op.credential {
					t.Errorf("%s: %d about %q ends a session", op.endpoint, failure.Number, failure.Argument)
				}
			default:
				t.Errorf("number %d ends a session", failure.Number)
			}
		}
	})
}
