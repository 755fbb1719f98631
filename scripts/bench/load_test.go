package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// connections are used at the same time, each for one request after another.
	connections = 32
	// turn is how long one load lasts.
	turn = time.Second
	// answerTimeout bounds one answer. One that takes longer is a failure.
	answerTimeout = 10 * time.Second
)

// sample is what one load found.
type sample struct {
	perSecond float64
	p50, p99  time.Duration
}

func (s sample) report(b *testing.B) {
	b.ReportMetric(0, "ns/op") // an iteration lasts one turn, of any load
	b.ReportMetric(s.perSecond, "req/s")
	b.ReportMetric(s.p50.Seconds()*1000, "p50-ms")
	b.ReportMetric(s.p99.Seconds()*1000, "p99-ms")
}

// tokenRequest is what a page sends that asks for its token.
func tokenRequest(cookie string) []byte {
	const body = `{"reason":"start"}`
	return fmt.Appendf(nil, "POST /keepalive/session/token HTTP/1.1\r\nHost: localhost\r\n"+
		"Origin: %s\r\nX-Keepalive: 1\r\nContent-Type: application/json\r\nCookie: %s\r\n"+
		"Content-Length: %d\r\n\r\n%s", origin, cookie, len(body), body)
}

// load sends the requests in turn over all connections. It makes the requests
// beforehand and reads the answers by hand: client and server share the
// machine, so what the client costs is taken from the server.
func (s server) load(b *testing.B) sample {
	b.Helper()
	var group sync.WaitGroup
	times := make([][]time.Duration, connections)
	failures := make([]error, connections)
	start := time.Now()
	for i := range connections {
		group.Go(func() {
			requests := s.requests[i*len(s.requests)/connections:]
			times[i], failures[i] = ask(s.address, requests, start.Add(turn))
		})
	}
	group.Wait()
	elapsed := time.Since(start)
	if err := errors.Join(failures...); err != nil {
		b.Fatal(err)
	}
	all := slices.Concat(times...)
	slices.Sort(all)
	return sample{
		perSecond: float64(len(all)) / elapsed.Seconds(),
		p50:       all[len(all)/2],
		p99:       all[len(all)*99/100],
	}
}

// ask uses one connection until end, for one request at least.
func ask(address string, requests [][]byte, end time.Time) (took []time.Duration, err error) {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	answers := bufio.NewReader(connection)
	for i := 0; ; i++ {
		began := time.Now()
		if err := connection.SetDeadline(began.Add(answerTimeout)); err != nil {
			return nil, err
		}
		if _, err := connection.Write(requests[i%len(requests)]); err != nil {
			return nil, err
		}
		if err := readAnswer(answers); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
		if !time.Now().Before(end) {
			return took, nil
		}
	}
}

var (
	okLine        = []byte("HTTP/1.1 200 ")
	lengthHeader  = []byte("Content-Length: ")
	errWrongReply = errors.New("an answer that is not 200 with a length")
)

// readAnswer reads one answer. All that are measured have a Content-Length.
func readAnswer(answers *bufio.Reader) error {
	first, err := answers.ReadSlice('\n')
	if err != nil {
		return err
	}
	if !bytes.HasPrefix(first, okLine) {
		return fmt.Errorf("%w: %q", errWrongReply, first)
	}
	length := 0
	for {
		line, err := answers.ReadSlice('\n')
		if err != nil {
			return err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if digits, ok := bytes.CutPrefix(line, lengthHeader); ok {
			if length, err = strconv.Atoi(string(digits)); err != nil {
				return err
			}
		}
	}
	if length == 0 {
		return errWrongReply
	}
	_, err = answers.Discard(length)
	return err
}

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
