package app

import (
	"math"
	"net"
	"net/http"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// connections bounds those of the public listener. Anyone can open them, and
// each takes one of the files that the operator's listener, the store and the
// calls to Capture need, too.
//
// Above the bound the connection is closed that has waited longest for a
// request: an idle one, or one whose client does not finish the head of its first
// request. A request that is being answered is left alone; it has a deadline.
type connections struct {
	most int

	mu      sync.Mutex
	open    int                                // guarded by mu
	waiting *simplelru.LRU[net.Conn, struct{}] // guarded by mu; oldest first
}

func newConnections(most int) *connections {
	waiting, _ := simplelru.NewLRU[net.Conn, struct{}](math.MaxInt, nil) // fails for sizes below 1
	return &connections{most: most, waiting: waiting}
}

// changed is for http.Server.ConnState.
func (c *connections) changed(conn net.Conn, state http.ConnState) {
	if surplus := c.count(conn, state); surplus != nil {
		_ = surplus.Close() // its client may have been first
	}
}

// count returns the connection to be closed, if any.
func (c *connections) count(conn net.Conn, state http.ConnState) (surplus net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateNew:
		c.waiting.Add(conn, struct{}{})
		if c.open++; c.open > c.most {
			surplus, _, _ = c.waiting.RemoveOldest()
		}
	case http.StateIdle:
		c.waiting.Add(conn, struct{}{})
	case http.StateActive:
		c.waiting.Remove(conn)
	case http.StateClosed, http.StateHijacked:
		c.waiting.Remove(conn)
		c.open--
	}
	return surplus
}

// mostConnections leaves an eighth of the files that the process can open to the
// rest of it. The alert KeepaliveFilesRunOut comes earlier.
func mostConnections() int { return openFiles() / 8 * 7 }
