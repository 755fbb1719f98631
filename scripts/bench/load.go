package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// sample is what a load found.
type sample struct {
	perSecond float64
	p50, p99  time.Duration
}

const (
	origin = "http://localhost:3000"
	// answerTimeout bounds one answer; one that takes longer is a failure.
	answerTimeout = 10 * time.Second
)

// tokenRequest is what a page sends that asks for its token.
func tokenRequest(cookie string) []byte {
	const body = `{"reason":"start"}`
	return fmt.Appendf(nil, "POST /keepalive/session/token HTTP/1.1\r\nHost: localhost\r\nOrigin: %s\r\nX-Keepalive: 1\r\n"+
		"Content-Type: application/json\r\nCookie: %s\r\nContent-Length: %d\r\n\r\n%s", origin, cookie, len(body), body)
}

// load sends the requests by turns over all connections for a while. Requests
// are made beforehand and answers read by hand: what the client costs is taken
// from the server, on a machine that both share.
func load(ctx context.Context, address string, requests [][]byte, d time.Duration) (sample, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	times := make([][]time.Duration, connections)
	start := time.Now()
	for i := range connections {
		group.Go(func() {
			took, err := ask(ctx, address, requests[i*len(requests)/connections:], start.Add(d))
			if err != nil {
				cancel(err)
			}
			times[i] = took
		})
	}
	group.Wait()
	elapsed := time.Since(start)
	if err := context.Cause(ctx); err != nil {
		return sample{}, err
	}
	all := slices.Concat(times...)
	if len(all) == 0 {
		return sample{}, errors.New("nothing was answered")
	}
	slices.Sort(all)
	return sample{
		perSecond: float64(len(all)) / elapsed.Seconds(),
		p50:       all[len(all)/2],
		p99:       all[len(all)*99/100],
	}, nil
}

// ask is one connection.
func ask(ctx context.Context, address string, requests [][]byte, end time.Time) (took []time.Duration, err error) {
	connection, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	answers := bufio.NewReader(connection)
	for i := 0; ; i++ {
		began := time.Now()
		if !began.Before(end) || ctx.Err() != nil {
			return took, nil
		}
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
	}
}

var (
	okLine        = []byte("HTTP/1.1 200 ")
	lengthHeader  = []byte("Content-Length: ")
	errWrongReply = errors.New("an answer that is not 200 with a length")
)

// readAnswer reads one answer with a Content-Length, which ours all have.
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

// client is for what is not measured.
var client = &http.Client{
	Timeout:   answerTimeout,
	Transport: &http.Transport{MaxIdleConnsPerHost: connections},
}

func drain(response *http.Response) {
	_, _ = io.Copy(io.Discard, response.Body) // only so that the connection can be used again
	_ = response.Body.Close()
}
