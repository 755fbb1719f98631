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

// The whole machinery, without the programs it measures.
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
	for _, line := range []string{"| token endpoint, bolt | 700 | 70 % | 1.00 ms | 3.00 ms |", "| bolt | 50 |", "1970-01-01", "The bar is 60 % of bare echo with bolt"} {
		if !strings.Contains(page, line) {
			t.Errorf("no %q in\n%s", line, page)
		}
	}
}

func TestVerdict(t *testing.T) {
	for _, tc := range []struct {
		name   string
		speeds []speed
		says   string
		met    bool
	}{
		{"met", []speed{{name: "memory", ratio: 0.1}, {name: "bolt", ratio: 0.714}}, "fresh token over bolt: 71.4 % of bare echo, the bar is 60 %", true},
		{"just met", []speed{{name: "bolt", ratio: 0.6}}, "60.0 %", true},
		{"just missed", []speed{{name: "bolt", ratio: 0.5989}}, "59.9 %", false},
		{"missed", []speed{{name: "memory", ratio: 0.9}, {name: "bolt", ratio: 0.45}}, "45.0 % of bare echo, the bar is 60 %", false},
		{"not measured", []speed{{name: boltLoud, ratio: 0.9}}, "not measured", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if said, met := (results{speeds: tc.speeds}).verdict(); met != tc.met || !strings.Contains(said, tc.says) {
				t.Errorf("%v %q, want %v %q", met, said, tc.met, tc.says)
			}
		})
	}
}
