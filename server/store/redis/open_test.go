package redis_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"github.com/capture-keepalive/capture-keepalive/server/clock/clocktest"
	"github.com/capture-keepalive/capture-keepalive/server/keyring"
	"github.com/capture-keepalive/capture-keepalive/server/porttest"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis"
	"github.com/capture-keepalive/capture-keepalive/server/store/redis/redistest"
)

// permissions are what docs/operations.md tells an operator to grant.
func permissions(t *testing.T, after string) []string {
	t.Helper()
	docs, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	var granted []string
	for line := range strings.Lines(string(docs)) {
		if rules, ok := strings.CutPrefix(line, after); ok {
			granted = append(granted, strings.Fields(rules)...)
		}
	}
	if len(granted) < 10 {
		t.Fatalf("docs/operations.md has no line that begins with %q", after)
	}
	return granted
}

// exercise does everything once with the permissions that a user has.
func exercise(t *testing.T, b *redis.Backend) {
	t.Helper()
	mustInsert(t, b, testRow(1))
	for _, name := range []string{"Ping", "Lookup", "Replace", "Remove", "RemoveOwner", "Insert"} {
		if err := calls(b, t.Context())[name](); err != nil {
			t.Errorf("%s() = %v", name, err)
		}
	}
}

func TestPermissions(t *testing.T) {
	const line = "ACL SETUSER keepalive "
	const password = "h%2F%3A2"
	rules := func(t *testing.T) []any {
		args := []any{"ACL", "SETUSER", "keepalive"}
		for _, rule := range permissions(t, line) {
			if strings.HasPrefix(rule, ">") {
				rule = ">h/:2"
			}
			args = append(args, rule)
		}
		return args
	}
	t.Run("one server", func(t *testing.T) {
		server := redistest.Start(t)
		admin := dial(t, server)
		do(t, admin, rules(t)...)
		b := open(t, "redis://keepalive:"+password+"@"+server.Address)
		exercise(t, b)
		if advice := b.Advice(t.Context()); advice != nil {
			t.Errorf("Advice() = %q from a server that does not let itself be asked", advice)
		}
		do(t, admin, "FLUSHALL")
		do(t, admin, "SCRIPT", "FLUSH")
		exercise(t, b)
	})
	t.Run("a cluster", func(t *testing.T) {
		cluster := redistest.StartCluster(t)
		for _, node := range cluster.Nodes {
			do(t, dial(t, node), rules(t)...)
		}
		exercise(t, open(t, strings.Replace(cluster.URL(), "//", "//keepalive:"+password+"@", 1)))
	})
	// Nothing is granted that is not needed.
	t.Run("each is needed", func(t *testing.T) {
		server := redistest.Start(t)
		admin := dial(t, server)
		for _, rule := range permissions(t, line) {
			command, isCommand := strings.CutPrefix(rule, "+")
			if !isCommand || strings.Contains(command, "|") {
				continue
			}
			do(t, admin, rules(t)...)
			do(t, admin, "ACL", "SETUSER", "keepalive", "-"+command)
			do(t, admin, "SCRIPT", "FLUSH")
			b, err := redis.Open(
				t.Context(),
				secret.New("redis://keepalive:"+password+"@"+server.Address+"/1"),
			)
			if err == nil {
				t.Errorf("Open() works without %s", command)
				err = b.Close()
			}
			wantSystemFailure(t, "Open() without "+command, err)
		}
	})
}

func TestOpenRefuses(t *testing.T) {
	server := redistest.Start(t, "--requirepass", "right-password")
	// An address with no server: it has ended.
	gone := redistest.Start(t)
	gone.Kill()
	stopped := redistest.Start(t)
	stopped.Stop(t)
	replica := redistest.Start(t, "--replicaof", "127.0.0.1 1")
	replicas := redistest.Start(t, "--cluster-enabled", "yes")
	for name, tc := range map[string]struct {
		url string
		is  func(error) bool
	}{
		"a wrong password": {"redis://:hunter2@" + server.Address, goredis.IsAuthError},
		"an unknown user":  {"redis://hunter3:hunter2@" + server.Address, goredis.IsAuthError},
		"no password":      {server.URL(), goredis.IsAuthError},
		"no server":        {"redis://:hunter2@" + gone.Address, nil},
		"no server, all":   {"redis-cluster://:hunter2@" + gone.Address, nil},
		"no sentinel":      {"redis-sentinel://:hunter2@" + gone.Address + "/m?sentinel_password=hunter2", nil},
		"no such host":     {"redis://:hunter2@keepalive.invalid", nil},
		"no answer": {"redis://:hunter2@" + stopped.Address,
			func(err error) bool { return errors.Is(err, redis.ErrTimeout) }},
		"a replica":          {replica.URL(), goredis.IsReadOnlyError},
		"a cluster not made": {replicas.URL(), goredis.IsClusterDownError},
		"no cluster":         {"redis-cluster://:right-password@" + server.Address, nil},
		"not encrypted":      {"rediss://:hunter2@" + gone.Address, nil},
		"no such file": {"rediss://:hunter2@h?ca=/none/ca.pem",
			func(err error) bool { return errors.Is(err, os.ErrNotExist) }},
		"a bad certificate": {"rediss://:hunter2@h?cert=/dev/null&key=/dev/null", nil},
		"a bad authority":   {"rediss://:hunter2@h?ca=/dev/null", nil},
		"a bad URL":         {"redis://:hunter2@h/x", nil},
	} {
		t.Run(name, func(t *testing.T) {
			watch := clocktest.Start()
			b, err := redis.Open(t.Context(), secret.New(tc.url))
			if err == nil {
				t.Fatal(errors.Join(errors.New("Open() = nil, want an error"), b.Close()))
			}
			if tc.is != nil && !tc.is(err) {
				t.Errorf("Open() = %v, want another reason", err)
			}
			if took := watch.Took(); took >= bar {
				t.Errorf("Open() took %v, want less than %v", took, bar)
			}
			wantSystemFailure(t, "Open()", err)
			for _, word := range []string{"hunter2", "right-password"} {
				if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), word) {
					t.Errorf("Open() = %v: holds a password", err)
				}
			}
		})
	}
}

func TestSentinel(t *testing.T) {
	master := redistest.Start(t, "--requirepass", "p")
	sentinel := redistest.StartSentinel(
		t,
		"mymaster",
		master,
		"sentinel auth-pass mymaster p",
		"requirepass s",
	)
	b := open(t, "redis-sentinel://:p@"+sentinel.Address+"/mymaster?db=2&sentinel_password=s")
	exercise(t, b)
	if err := errors.Join(b.Insert(t.Context(), testRow(7), 0), b.Ping(t.Context())); err != nil {
		t.Fatal(err)
	}
	elsewhere := goredis.NewClient(&goredis.Options{Addr: master.Address, Password: "p", DB: 2})
	defer elsewhere.Close()
	if n := keys(t, elsewhere, "keepalive:{*"); len(n) == 0 {
		t.Error("database 2 of the master holds nothing")
	}
}

// The master dies, the sentinels choose its replica, and the store goes on with
// that one.
func TestSentinelFailover(t *testing.T) {
	master := redistest.Start(t)
	host, port, _ := net.SplitHostPort(master.Address)
	replica := redistest.Start(t, "--replicaof", host+" "+port)
	sentinel := redistest.StartSentinel(t, "mymaster", master, "sentinel "+
		"down-after-milliseconds mymaster 500", "sentinel failover-timeout mymaster 3000")
	b := open(t, "redis-sentinel://"+sentinel.Address+"/mymaster")
	admin := dial(t, master)
	eventually(t, func() error {
		if n, err := admin.Wait(t.Context(), 1, time.Second).Result(); n != 1 {
			return fmt.Errorf("%d replicas are there (%w)", n, err)
		}
		return nil
	})
	mustInsert(t, b, testRow(1))
	copied := dial(t, replica)
	eventually(t, func() error { // WAIT would be about the writes of its own connection
		if n := len(keys(t, copied, "keepalive:{*")); n != 1 {
			return fmt.Errorf("the replica has %d rows", n)
		}
		return nil
	})

	master.Kill()
	wantOutage(t, b)
	eventually(t, func() error { return b.Ping(t.Context()) })
	if _, err := b.Lookup(t.Context(), testRow(1).Key); err != nil {
		t.Errorf("Lookup() at the new master = %v", err)
	}
	if role := dial(t, replica).Do(t.Context(), "ROLE").Val().([]any)[0]; role != "master" {
		t.Errorf("the replica is a %v, want the master", role)
	}
}

// authority makes certificates for 127.0.0.1.
type authority struct {
	dir    string
	key    *ecdsa.PrivateKey
	parent *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir()}
	a.parent = &x509.Certificate{
		SerialNumber: big.NewInt(
			1,
		), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	a.key = a.write(t, "ca", a.parent, nil)
	return a
}

func (a *authority) file(name string) string { return filepath.Join(a.dir, name) }

// write makes a key and a certificate, signed by signer or by itself.
func (a *authority) write(
	t *testing.T,
	name string,
	template *x509.Certificate,
	signer *ecdsa.PrivateKey,
) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if signer == nil {
		signer = key
	}
	certificate, errCert := x509.CreateCertificate(
		rand.Reader,
		template,
		a.parent,
		&key.PublicKey,
		signer,
	)
	private, errKey := x509.MarshalPKCS8PrivateKey(key)
	if err := errors.Join(
		errCert, errKey,
		os.WriteFile(a.file(name+".pem"),
			pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate}), 0o600),
		os.WriteFile(a.file(name+".key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) issue(t *testing.T, name string, address string) {
	t.Helper()
	a.write(t, name, &x509.Certificate{
		SerialNumber: big.NewInt(2), IPAddresses: []net.IP{net.ParseIP(address)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}, a.key)
}

func TestTLS(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	ours.issue(t, "here", "127.0.0.1")
	ours.issue(t, "elsewhere", "192.0.2.1")
	secured := func(t *testing.T, certificate string) *redistest.Server {
		address := porttest.Address(t)
		_, port, _ := net.SplitHostPort(address)
		server := redistest.Start(
			t,
			"--tls-port",
			port,
			"--tls-auth-clients",
			"yes",
			"--tls-cert-file",
			ours.file(certificate+".pem"),
			"--tls-key-file",
			ours.file(certificate+".key"),
			"--tls-ca-cert-file",
			ours.file("ca.pem"),
		)
		server.Address = address
		return server
	}
	here, elsewhere := secured(t, "here"), secured(t, "elsewhere")
	parameters := func(ca string) string {
		return "?" + url.Values{
			"ca":   {ca},
			"cert": {ours.file("here.pem")},
			"key":  {ours.file("here.key")},
		}.Encode()
	}
	exercise(t, open(t, "rediss://"+here.Address+parameters(ours.file("ca.pem"))))

	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	for what, tc := range map[string]struct {
		url  string
		want any
	}{
		"an authority we do not trust":   {"rediss://" + here.Address + parameters(theirs.file("ca.pem")), &unknown},
		"the system's authorities":       {"rediss://" + here.Address, &unknown},
		"a certificate of another place": {"rediss://" + elsewhere.Address + parameters(ours.file("ca.pem")), &name},
		"no certificate of our own":      {"rediss://" + here.Address + "?ca=" + ours.file("ca.pem"), nil},
	} {
		b, err := redis.Open(t.Context(), secret.New(tc.url))
		if err == nil {
			t.Errorf("%s: Open() = nil, want an error", what)
			err = b.Close()
		}
		// Whether Redis's alert comes before the end of the line is up to the kernel.
		if tc.want != nil && !errors.As(err, tc.want) {
			t.Errorf("%s: Open() = %v, want a %T", what, err, tc.want)
		}
	}
}

func TestAdvice(t *testing.T) {
	server := redistest.Start(t)
	b, admin := open(t, server.URL()), dial(t, server)
	for name, tc := range map[string]struct {
		policy, appendonly, appendfsync, save string
		words                                 []string
	}{
		"all is well":         {"noeviction", "yes", "everysec", "", nil},
		"always":              {"noeviction", "yes", "always", "3600 1", nil},
		"eviction":            {"volatile-lru", "yes", "everysec", "", []string{"noeviction"}},
		"no disk":             {"noeviction", "no", "everysec", "", []string{"appendonly yes"}},
		"snapshots":           {"noeviction", "no", "everysec", "3600 1", []string{"snapshots"}},
		"never synced":        {"noeviction", "yes", "no", "", []string{"appendfsync"}},
		"eviction and no AOF": {"allkeys-lru", "no", "no", "", []string{"allkeys-lru", "appendonly"}},
	} {
		for setting, value := range map[string]string{
			"maxmemory-policy": tc.policy, "appendonly": tc.appendonly, "appendfsync": tc.appendfsync, "save": tc.save,
		} {
			do(t, admin, "CONFIG", "SET", setting, value)
		}
		advice := b.Advice(t.Context())
		if len(advice) != len(tc.words) {
			t.Errorf("%s: Advice() = %q, want %d sentences", name, advice, len(tc.words))
			continue
		}
		for i, word := range tc.words {
			if !strings.Contains(advice[i], word) {
				t.Errorf("%s: Advice()[%d] = %q, want %q in it", name, i, advice[i], word)
			}
		}
	}

	cluster := redistest.StartCluster(t)
	do(t, dial(t, cluster.Nodes[2]), "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
	if advice := open(t, cluster.URL()).Advice(t.Context()); len(advice) != 2 {
		t.Errorf("Advice() = %q, want one sentence for all nodes and one for the third", advice)
	}
}

// Who reads a copy of the database learns nothing.
func TestDump(t *testing.T) {
	server := redistest.Start(
		t,
		"--rdbcompression",
		"no",
		"--appendonly",
		"yes",
		"--aof-use-rdb-preamble",
		"no",
	)
	raw := make([]byte, 32)
	rand.Read(raw)
	ring, err := keyring.Parse(secret.New("k1:" + base64.StdEncoding.EncodeToString(raw)))
	if err != nil {
		t.Fatal(err)
	}
	st := store.New(open(t, server.URL()), ring, nil)
	const uuid = "c0ffee00-dead-4bee-8bad-0123456789ab"
	id := store.NewID()
	record := store.Record{
		Mode: store.ModeCode, UUID: uuid, AccessToken: secret.New("z0t8k3vq5n1m7p2r"),
		RefreshToken: secret.New("refresh7p2rz0t8k3"),
		RedirectURI:  "https://www.example.com/back", IdleExpires: time.Now().Add(time.Hour),
		AbsoluteExpires: time.Now().Add(time.Hour),
	}
	if err := st.Create(t.Context(), id, record, 0); err != nil {
		t.Fatal(err)
	}
	record.Version = 1
	if _, err := st.Update(t.Context(), id, record); err != nil {
		t.Fatal(err)
	}
	do(t, dial(t, server), "SAVE")

	seen := 0
	err = filepath.WalkDir(server.Dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		key := id.Key()
		if bytes.Contains(content, []byte(base64.RawURLEncoding.EncodeToString(key[:]))) {
			seen++
		}
		for what, plain := range map[string][]byte{
			"the id": id[:], "the uuid": []byte(uuid), "the access token": []byte(record.AccessToken.Reveal()),
			"the refresh token": []byte(record.RefreshToken.Reveal()), "the redirect URI": []byte(record.RedirectURI),
		} {
			for how, form := range map[string][]byte{
				"as it is": plain, "in hex": []byte(hex.EncodeToString(plain)),
				"in base64":    []byte(base64.RawStdEncoding.EncodeToString(plain)),
				"in base64url": []byte(base64.RawURLEncoding.EncodeToString(plain)),
			} {
				if bytes.Contains(content, form) {
					t.Errorf("%s is in %s, %s", what, entry.Name(), how)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 2 {
		t.Errorf("%d files hold the row, want the snapshot and the log: the test has looked in "+
			"the wrong place", seen)
	}
}

// A write without an answer is sent once more, and then given up.
func TestLostAnswer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fake := &lossy{address: listener.Addr().String()}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go fake.serve(conn)
		}
	}()
	t.Cleanup(func() {
		if err := listener.Close(); err != nil {
			t.Error(err)
		}
		<-ended
	})
	for _, scheme := range []string{"redis", "redis-cluster"} {
		t.Run(scheme, func(t *testing.T) {
			fake.lose.Store(false)
			b := open(t, scheme+"://"+fake.address)
			fake.lose.Store(true)
			fake.writes.Store(0)
			row := testRow(1)
			row.Version = 2
			wantSystemFailure(t, "Replace()", b.Replace(t.Context(), row))
			if n := fake.writes.Load(); n != 2 {
				t.Errorf("the write was sent %d times, want once and once more", n)
			}
		})
	}
}

// lossy speaks as much Redis as TestLostAnswer takes, and can end the connection
// where the answer to the write of a row should be.
type lossy struct {
	address string
	lose    atomic.Bool
	writes  atomic.Int32
}

func (l *lossy) serve(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		args, err := readCommand(in)
		if err != nil {
			return
		}
		answer := "+OK\r\n"
		switch strings.ToLower(args[0]) {
		case "hello":
			answer = "*0\r\n"
		case "cluster":
			host, port, _ := net.SplitHostPort(l.address)
			answer = fmt.Sprintf(""+
				"*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n$%d\r\n%s\r\n:%s\r\n$1\r\nn\r\n", len(host), host, port)
		case "evalsha":
			if answer = "+done\r\n"; args[3] == "keepalive:clock" {
				answer = "+1\r\n"
			}
			if args[2] == "2" && len(args) == 7 { // a revocation
				answer = "*0\r\n"
			}
			if strings.HasPrefix(args[3], "keepalive:{") {
				l.writes.Add(1)
				if l.lose.Load() {
					return
				}
			}
		case "hgetall":
			answer = "*8\r\n$7\r\nversion\r\n$1\r\n1\r\n$5\r\nowner\r\n$32\r\n" + strings.Repeat(
				"o",
				32,
			) + "" +
				"\r\n$7\r\nexpires\r\n$1\r\n1\r\n$5\r\nvalue\r\n$1\r\nv\r\n"
		case "scan":
			answer = "*2\r\n$1\r\n0\r\n*0\r\n"
		case "zrange":
			answer = "*0\r\n"
		case "del":
			answer = ":1\r\n"
		case "eval": // of a row that is to be deleted
			answer = ":0\r\n"
		}
		if _, err := io.WriteString(conn, answer); err != nil {
			return
		}
	}
}

// readCommand reads an array of bulk strings (Redis serialization protocol).
func readCommand(in *bufio.Reader) ([]string, error) {
	length := func() (int, error) {
		line, err := in.ReadString('\n')
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(strings.TrimSpace(line[1:]))
	}
	count, err := length()
	if err != nil {
		return nil, err
	}
	args := make([]string, count)
	for i := range args {
		size, err := length()
		if err != nil {
			return nil, err
		}
		text := make([]byte, size+2)
		if _, err := io.ReadFull(in, text); err != nil {
			return nil, err
		}
		args[i] = string(text[:size])
	}
	return args, nil
}
