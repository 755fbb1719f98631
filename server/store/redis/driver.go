package redis

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// Driver opens the URLs that Validate describes.
var Driver = store.Driver{
	Schemes:  slices.Sorted(maps.Keys(schemes)),
	Form:     "redis://HOST (also rediss, redis-cluster, redis-sentinel) for several servers",
	Remote:   true,
	Validate: Validate,
	Open: func(ctx context.Context, location secret.String) (store.Backend, error) {
		backend, err := Open(ctx, location)
		if err != nil {
			return nil, err
		}
		return backend, nil
	},
	Diagnose: diagnose,
	Advise:   advise,
}

// diagnose opens the Redis of a URL, which takes a row through its whole life,
// asks for its settings, and looks for what other programs have written there.
func diagnose(ctx context.Context, location secret.String) ([]string, error) {
	advice := advise(location)
	backend, err := Open(ctx, location)
	switch {
	case unproven(err):
		return advice, fmt.Errorf("the server there has no certificate that this machine "+
			"trusts (%w); "+
			"write the host as the certificate has it, and name its issuer with the parameter "+
			"ca", err)
	case errors.Is(err, io.EOF):
		return advice, fmt.Errorf("the server there closes the connection (%w); "+
			"write rediss:// if it speaks TLS, or correct the address", err)
	case unreachable(err):
		return advice, fmt.Errorf("there is no answer (%w); "+
			"start Redis, correct the address, open the way to it from this machine, or write "+
			"redis:// if it speaks no TLS", err)
	case err != nil:
		return advice, err
	}
	advice = append(advice, backend.Advice(ctx)...)
	advice = append(advice, backend.findForeign(ctx)...)
	return advice, backend.Close()
}

// unproven reports whether the server showed a certificate for another name, or
// one that no trusted authority has signed.
func unproven(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}

// unreachable reports whether there was no answer at all.
func unreachable(err error) bool {
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	return errors.Is(err, ErrTimeout)
}

// advise is about the connection to Redis. Sessions cross it sealed; but an
// attacker who reads it learns the password, and one who changes it can delete
// sessions and put old ones back.
func advise(location secret.String) []string {
	t, err := parse(location)
	if err != nil || t.tls {
		return nil
	}
	scheme, _, _ := strings.Cut(location.Reveal(), ":")
	for _, address := range t.addresses {
		host, _, _ := net.SplitHostPort(address)
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return []string{"The connection to Redis is not encrypted and leaves this machine: " +
				"the password can be " +
				"read on the way; write " + strings.Replace(scheme, "redis", "rediss", 1) + ":// and use TLS."}
		}
	}
	return nil
}
