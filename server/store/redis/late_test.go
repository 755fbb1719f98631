package redis

import (
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// The time for an answer is over when the process runs again after a pause. The
// answer has come meanwhile.
func TestAnAnswerThatCameDuringAPauseIsRead(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	peer, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(peer, "+OK")
	if err == nil {
		err = peer.Close() // what it has sent is there by now
	}
	if err != nil {
		t.Fatal(err)
	}
	one := &line{Conn: conn, losses: new(atomic.Int64)}
	if err := one.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, len("+OK"))
	if _, err := io.ReadFull(one, answer); err != nil || string(answer) != "+OK" ||
		one.losses.Load() != 0 {
		t.Errorf("%q, %v, %d losses", answer, err, one.losses.Load())
	}
}
