package main

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"time"
)

func TestReadAnswer(t *testing.T) {
	const good = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: y\r\n\r\n{}"
	for _, tc := range []struct {
		name, answer, rest string
		ok                 bool
	}{
		{"good", good, "", true},
		{"two", good + good, good, true},
		{"refused", "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\n{}", "", false},
		{"empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", false},
		{"cut off", good[:len(good)-1], "", false},
		{"no number", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}", "", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			from := bufio.NewReader(strings.NewReader(tc.answer))
			if err := readAnswer(from); (err == nil) != tc.ok {
				t.Fatalf("got %v", err)
			}
			if rest, err := io.ReadAll(from); tc.ok && (err != nil || string(rest) != tc.rest) {
				t.Errorf("left %q, want %q (%v)", rest, tc.rest, err)
			}
		})
	}
}

// The whole machinery, but for the programs it measures.
func TestCallsAndPage(t *testing.T) {
	calls, err := measureCalls(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	// A token of an hour is renewed two minutes early, however many tabs ask.
	if calls < 0.9 || calls > 1.1 {
		t.Errorf("%.2f calls in an hour", calls)
	}
	page := results{
		speeds: []speed{{bareEcho, 1000, 1, time.Millisecond, 2 * time.Millisecond}, {"bolt", 700, 0.7, time.Millisecond, 3 * time.Millisecond}},
		memory: []resident{{"bolt", 50e6}}, calls: calls,
	}.page(time.Unix(0, 0))
	for _, line := range []string{"| token endpoint, bolt | 700 | 70 % | 1.00 ms | 3.00 ms |", "| bolt | 50 |", "1970-01-01"} {
		if !strings.Contains(page, line) {
			t.Errorf("no %q in\n%s", line, page)
		}
	}
}
