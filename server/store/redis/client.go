package redis

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/capture-keepalive/capture-keepalive/server/limit"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

const (
	// Timeout bounds each command: a Redis that does not answer is an error after
	// it, so that a request is refused within two seconds.
	Timeout = time.Second
	// poolTimeout is for no call: the context of each, within Timeout, ends its
	// wait for a connection, and takes no pause of the process for a wait.
	poolTimeout = time.Minute
	// idleTime is less than firewalls and balancers remember a connection for.
	idleTime = 30 * time.Second
	// topologyInterval is how old a cluster's map may grow. The library asks for
	// a new one when a node says MOVED, and a dead node says nothing.
	topologyInterval = 5 * time.Second
	// retryPause separates the attempts within one call to a cluster.
	retryPause = 20 * time.Millisecond
)

// The library writes lines of its own to standard error, in a form of its own.
// All that they tell comes back as an error as well.
func init() { logging.Disable() }

// connect returns a client, which has connected to nothing yet.
//
// The library tries a single call once: what can be done twice is repeated by us,
// within Timeout. No identity and no notifications: an ACL user then needs no command
// beyond ours. Protocol 2, because nothing here is gained by the other one.
func connect(t target) (goredis.UniversalClient, error) {
	config, err := t.tlsConfig()
	if err != nil {
		return nil, err
	}
	common := &goredis.UniversalOptions{
		Addrs: t.addresses, DB: t.db, Username: t.user, Password: t.password.Reveal(),
		MasterName:       t.master,
		SentinelUsername: t.sentinelUser, SentinelPassword: t.sentinelPassword.Reveal(),
		Dialer:      (&lines{tls: config}).dial,
		DialTimeout: Timeout, ReadTimeout: Timeout, WriteTimeout: Timeout,
		PoolTimeout:           poolTimeout,
		ContextTimeoutEnabled: true,
		ConnMaxIdleTime:       idleTime,
		MaxRetries:            -1, DialerRetries: 1,
		MinRetryBackoff: retryPause, MaxRetryBackoff: retryPause,
		PipelinePoolSize: -1, // RemoveOwner is rare and shares the connections of the rest
		Protocol:         2, DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	switch t.kind {
	case cluster:
		options := common.Cluster()
		options.ClusterStateReloadInterval = topologyInterval
		// Each of our commands has one slot; no need to ask for COMMAND.
		options.DisableRoutingPolicies = true
		return goredis.NewClusterClient(options), nil
	case sentinel:
		return goredis.NewFailoverClient(common.Failover()), nil
	default:
		return goredis.NewClient(common.Simple()), nil
	}
}

var errNoCertificates = errors.New("the file of the parameter ca holds no certificate; name a " +
	"PEM file")

// tlsConfig is nil for a plain line. The name to check is left to the library,
// which knows which server it dials.
func (t target) tlsConfig() (*tls.Config, error) {
	if !t.tls {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.ca != "" {
		pem, err := os.ReadFile(t.ca)
		if err != nil {
			return nil, fmt.Errorf("the file of the parameter ca cannot be read: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errNoCertificates
		}
	}
	if t.certificate != "" {
		pair, err := tls.LoadX509KeyPair(t.certificate, t.key)
		if err != nil {
			return nil, fmt.Errorf("the files of the parameters cert and key will not do: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// ErrTimeout: Redis did not answer within Timeout. What was asked for may or
// may not have been done.
var ErrTimeout = fmt.Errorf("redis: no answer within %s: %w", Timeout, store.ErrTimeout)

// bounded makes a call within Timeout.
func bounded(ctx context.Context, call func(context.Context) error) error {
	within, cancel := limit.Timeout(ctx, Timeout)
	defer cancel()
	return failure(ctx, call(within))
}

// failure is what a method returns for an error of the client. If the caller's
// context is done, that is the reason. A deadline of ours is not passed on as
// one: the caller's has not passed.
func failure(ctx context.Context, err error) error {
	deadline, limited := ctx.Deadline()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("redis: %w", ctx.Err())
	case limited && !time.Now().Before(deadline):
		// The line's deadline is the context's, and may be noticed first.
		return fmt.Errorf("redis: %w", context.DeadlineExceeded)
	case timedOut(err):
		return ErrTimeout
	}
	if what := diagnosis(err); what != "" {
		return fmt.Errorf("redis: %s: %w", what, err)
	}
	return fmt.Errorf("redis: %w", err)
}

// diagnosis says what to do about an error, if that is more than Redis says.
func diagnosis(err error) string {
	_, moved := goredis.IsMovedError(err)
	switch {
	case moved:
		return "the server is a node of a cluster; use redis-cluster:// or rediss-cluster://"
	case goredis.IsAuthError(err):
		return "the server does not take the user and password of the URL; write them as in " +
			"redis://user:password@host, with / ? @ : % percent-encoded"
	case goredis.IsPermissionError(err), says(err, "The user executing the script can't run"):
		return "the server's ACL does not let the user do what is needed; docs/operations.md has the " +
			"rights"
	case goredis.HasErrorPrefix(err, "This instance has cluster support disabled"):
		return "the server is no node of a cluster; use redis:// or rediss://"
	case says(err, "all sentinels") && errors.Is(err, goredis.Nil):
		return "the sentinels answer, and none knows a primary of the name that the URL has after " +
			"its last /; SENTINEL MASTERS lists the names"
	case says(err, "unknown command 'sentinel'"):
		return "the server is no sentinel; name the sentinels, usually on port 26379, or use redis:// " +
			"or rediss://"
	case says(err, "unknown command 'eval"):
		return "the server runs no scripts: it is a sentinel, which redis-sentinel:// is for, or " +
			"rename-command hides EVAL"
	case says(err, "DB index is out of range"):
		return "Redis has no database of the number that the URL names; it counts from 0 and has 16 " +
			"as a rule"
	case goredis.IsReadOnlyError(err):
		return "the server is a replica, which cannot write; name the primary, or the sentinels, which " +
			"know it"
	case goredis.IsOOMError(err):
		return "Redis is out of memory; raise its maxmemory"
	case wrongType(err):
		return "another program has written under a key of this server; give each its own database"
	}
	return ""
}

// says reports whether Redis, or the library, has said so. Redis has no code for
// most errors, and a script's error has another one in front.
func says(err error, text string) bool { return strings.Contains(err.Error(), text) }

// Advice returns a sentence for each setting of Redis with which sessions can
// be lost, one if another program writes to it, and one if it came back without
// what it held. It is empty where all is well, and where Redis does not say: a
// server may refuse CONFIG, and many do.
func (b *Backend) Advice(ctx context.Context) []string {
	var (
		mu     sync.Mutex
		advice []string
	)
	if key := b.replaced.Load(); key != nil {
		advice = append(advice, foreignAdvice(*key))
	}
	if at := b.emptied.Load(); at != nil {
		advice = append(advice, "Redis had lost what it held by "+at.UTC().Format(time.DateTime)+
			" UTC: the sessions from before are gone, and their users sign in again. See whether it "+
			"was restarted without its data, emptied, or replaced.")
	}
	if b.secretive.Load() {
		return advice
	}
	// Best effort: a node that cannot be reached gives no advice.
	_ = b.eachNode(ctx, func(ctx context.Context, node goredis.UniversalClient) error {
		settings := make(map[string]string)
		for _, name := range [...]string{"maxmemory-policy", "appendonly", "appendfsync", "save"} {
			ctx, cancel := context.WithTimeout(ctx, Timeout)
			values, err := node.ConfigGet(ctx, name).Result()
			cancel()
			if err != nil {
				// What is not allowed is not tried again: it stands in Redis's log.
				b.secretive.Store(goredis.IsPermissionError(err))
				return nil
			}
			settings[name] = values[name]
		}
		mu.Lock()
		defer mu.Unlock()
		for _, sentence := range judge(settings) {
			if !slices.Contains(advice, sentence) {
				advice = append(advice, sentence)
			}
		}
		return nil
	})
	return advice
}

// judge is what Advice makes of the settings of one server.
func judge(settings map[string]string) []string {
	var advice []string
	if policy := settings["maxmemory-policy"]; policy != "noeviction" {
		advice = append(advice, "Redis has maxmemory-policy "+policy+": when memory runs short "+
			"it throws sessions out, and users are signed out; set noeviction.")
	}
	switch {
	case settings["appendonly"] == "yes" && settings["appendfsync"] == "no":
		advice = append(advice, "Redis has appendfsync no: when its machine fails, the last "+
			"half a minute is lost; set everysec or always.")
	case settings["appendonly"] == "yes":
	case strings.TrimSpace(settings["save"]) == "":
		advice = append(advice, "Redis keeps nothing on disk: when it restarts, all users are "+
			"signed out; set appendonly yes.")
	default:
		advice = append(advice, "Redis only writes snapshots: when it fails, sessions since "+
			"the last one are lost, and ended ones come back; set appendonly yes.")
	}
	return advice
}
