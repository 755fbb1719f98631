// Package redistest runs real Redis servers for a test, on free ports of the
// loopback interface, with their files in the test's directory. They end with
// the test. A machine without redis-server fails the test.
package redistest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/clock/clocktest"
	"github.com/capture-keepalive/capture-keepalive/server/porttest"
)

const (
	// patience bounds what a server does by itself: starting, agreeing.
	patience = time.Minute
	// attempts to find a port: another process may take it first.
	attempts = 5
)

// Server is one Redis process.
type Server struct {
	// Address is host:port, also after a restart.
	Address string
	// Dir is where its files are.
	Dir string

	args    []string
	process *exec.Cmd
	log     *log
}

// URL is where the server is, for redis.Open.
func (s *Server) URL() string { return "redis://" + s.Address }

// Start starts a server that keeps nothing on disk, unless arguments such as
// "--appendonly", "yes" say otherwise.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	s := &Server{Dir: t.TempDir()}
	t.Cleanup(func() { s.end() })
	var err error
	for range attempts {
		s.Address = porttest.Address(t)
		_, port, _ := net.SplitHostPort(s.Address)
		s.args = append([]string{
			"--port", port, "--bind", "127.0.0.1", "--dir", s.Dir, "--save", "", "--appendonly", "no",
			"--enable-debug-command", "local",
		}, args...)
		if err = s.launch(t, s.args...); err == nil {
			return s
		}
	}
	t.Fatal(err)
	return nil
}

// StartSentinel starts a sentinel that watches a master by a name.
func StartSentinel(t testing.TB, name string, master *Server, lines ...string) *Server {
	t.Helper()
	host, port, _ := net.SplitHostPort(master.Address)
	s := &Server{Dir: t.TempDir()}
	t.Cleanup(func() { s.end() })
	var err error
	for range attempts {
		s.Address = porttest.Address(t)
		_, own, _ := net.SplitHostPort(s.Address)
		path := filepath.Join(s.Dir, "sentinel.conf")
		config := append([]string{
			"port " + own, "bind 127.0.0.1", "dir " + s.Dir,
			fmt.Sprintf("sentinel monitor %s %s %s 1", name, host, port),
		}, lines...)
		if err = os.WriteFile(path, []byte(strings.Join(config, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err = s.launch(t, path, "--sentinel"); err == nil {
			return s
		}
	}
	t.Fatal(err)
	return nil
}

// Cluster is three nodes that share the keys, without replicas.
type Cluster struct{ Nodes []*Server }

// URL is where the cluster is, for redis.Open.
func (c *Cluster) URL() string {
	return "redis-cluster://" + strings.Join(c.addresses(), ",")
}

func (c *Cluster) addresses() []string {
	var addresses []string
	for _, node := range c.Nodes {
		addresses = append(addresses, node.Address)
	}
	return addresses
}

// StartCluster starts three servers and makes them a cluster. The arguments are
// for each of them.
func StartCluster(t testing.TB, args ...string) *Cluster {
	t.Helper()
	c := new(Cluster)
	for range 3 {
		_, bus, _ := net.SplitHostPort(porttest.Address(t))
		c.Nodes = append(c.Nodes, Start(t, append([]string{
			"--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "30000",
		}, args...)...))
	}
	create := append([]string{"--cluster", "create"}, c.addresses()...)
	if said, err := exec.Command(find(t, "redis-cli"),
		append(create, "--cluster-yes")...).CombinedOutput(); err != nil {
		t.Fatalf("redis-cli --cluster create: %v\n%s", err, said)
	}
	for _, node := range c.Nodes {
		if err := node.log.wait("Cluster state changed: ok"); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// Stop makes the server stand still, with its connections open.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	clocktest.Stop(t, s.process.Process)
}

// Continue ends a Stop.
func (s *Server) Continue(t testing.TB) {
	t.Helper()
	if err := s.process.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
}

// Kill ends the server as a failing machine does.
func (s *Server) Kill() { s.end() }

// Restart starts a killed server again, where it was and with what it had on
// disk.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := s.launch(t, s.args...); err != nil {
		t.Fatal(err)
	}
}

// launch returns when the server takes connections.
func (s *Server) launch(t testing.TB, args ...string) error {
	process := exec.Command(find(t, "redis-server"), args...)
	output, err := process.StdoutPipe()
	if err != nil {
		return err
	}
	process.Stderr = process.Stdout
	if err := process.Start(); err != nil {
		return err
	}
	s.process, s.log = process, follow(output)
	ready := "Ready to accept connections"
	if args[len(args)-1] == "--sentinel" {
		ready = "+monitor master"
	}
	if err := s.log.wait(ready); err != nil {
		s.end()
		return err
	}
	return nil
}

func (s *Server) end() {
	if s.process == nil {
		return
	}
	// The process may be gone already, which is all that is wanted here.
	_ = s.process.Process.Kill()
	<-s.log.ended
	_ = s.process.Wait()
	s.process = nil
}

func find(t testing.TB, program string) string {
	t.Helper()
	if testing.Short() {
		t.Skipf("-short: this test runs %s", program)
	}
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatalf("%v: this test needs a real Redis. Run: scripts/setup.sh redis", err)
	}
	return path
}

// log is what a server has said.
type log struct {
	mu      sync.Mutex
	lines   []string      // guarded by mu
	changed chan struct{} // guarded by mu; closed when there is a new line
	ended   chan struct{} // closed when the server says no more
}

func follow(output io.Reader) *log {
	l := &log{changed: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(l.ended)
		for lines := bufio.NewScanner(output); lines.Scan(); {
			l.mu.Lock()
			l.lines = append(l.lines, lines.Text())
			close(l.changed)
			l.changed = make(chan struct{})
			l.mu.Unlock()
		}
	}()
	return l
}

// wait returns when a line has held text.
func (l *log) wait(text string) error {
	timeout := time.After(patience)
	for {
		l.mu.Lock()
		said, changed := strings.Join(l.lines, "\n"), l.changed
		l.mu.Unlock()
		if strings.Contains(said, text) {
			return nil
		}
		select {
		case <-changed:
		case <-l.ended:
			return fmt.Errorf("redis-server ended without %q:\n%s", text, said)
		case <-timeout:
			return fmt.Errorf("redis-server did not say %q:\n%s", text, said)
		}
	}
}
