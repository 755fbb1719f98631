package redis

import (
	"errors"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]target{
		"redis://localhost":       {addresses: []string{"localhost:6379"}},
		"redis://localhost/":      {addresses: []string{"localhost:6379"}},
		"redis://10.0.0.1:1234/7": {addresses: []string{"10.0.0.1:1234"}, db: 7},
		"redis://[::1]":           {addresses: []string{"[::1]:6379"}},
		"redis://[2001:db8::1]:1": {addresses: []string{"[2001:db8::1]:1"}},
		"redis://:p@h":            {addresses: []string{"h:6379"}, password: secret.New("p")},
		"redis://u:p%2F%3F%40%3A%25%20+@h": {addresses: []string{"h:6379"}, user: "u",
			password: secret.New("p/?@:% +")},
		"redis://u%40v:p#,[@h":          {addresses: []string{"h:6379"}, user: "u@v", password: secret.New("p#,[")},
		"rediss://h?ca=%2Fetc%2Fca.pem": {tls: true, addresses: []string{"h:6379"}, ca: "/etc/ca.pem"},
		"rediss://h/1?cert=a&key=b": {tls: true, addresses: []string{"h:6379"}, db: 1,
			certificate: "a", key: "b"},
		"redis-cluster://a": {kind: cluster, addresses: []string{"a:6379"}},
		"redis-cluster://u:p@a,b:1,[::1]:2": {kind: cluster,
			addresses: []string{"a:6379", "b:1", "[::1]:2"}, user: "u", password: secret.New("p")},
		"rediss-cluster://a/?ca=c": {kind: cluster, tls: true, addresses: []string{"a:6379"}, ca: "c"},
		"redis-sentinel://a,b:1/m": {kind: sentinel, addresses: []string{"a:26379", "b:1"}, master: "m"},
		"rediss-sentinel://:p@a/m%20n?db=3&sentinel_user=s&sentinel_password=q%26": {
			kind: sentinel, tls: true, addresses: []string{"a:26379"}, master: "m n", password: secret.New("p"), db: 3,
			sentinelUser: "s", sentinelPassword: secret.New("q&"),
		},
	} {
		got, err := parse(secret.New(text))
		if err != nil {
			t.Errorf("parse(%q) = %v", text, err)
			continue
		}
		if strings.Join(got.addresses, " ") != strings.Join(want.addresses, " ") {
			t.Errorf("parse(%q): addresses %q, want %q", text, got.addresses, want.addresses)
		}
		if got.password.Reveal() != want.password.Reveal() ||
			got.sentinelPassword.Reveal() != want.sentinelPassword.Reveal() {
			t.Errorf(
				"parse(%q): passwords %q and %q",
				text,
				got.password.Reveal(),
				got.sentinelPassword.Reveal(),
			)
		}
		if got.kind != want.kind || got.tls != want.tls || got.user != want.user ||
			got.db != want.db || got.master != want.master ||
			got.sentinelUser != want.sentinelUser || got.ca != want.ca ||
			got.certificate != want.certificate ||
			got.key != want.key {
			t.Errorf("parse(%q) = %+v, want %+v", text, got, want)
		}
	}
}

// Every error names the remedy, and none holds the password, whichever half of
// it ended up where.
func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]error{
		"":                                     errScheme,
		"redis:h":                              errScheme,
		"http://h":                             errScheme,
		"Redis://h":                            errScheme,
		"redis://":                             errHost,
		"redis://:hunter2@":                    errHost,
		"redis://a b":                          errBlank,
		"redis://h\n":                          errBlank,
		"redis://::1":                          errHost,
		"redis://[::1":                         errHost,
		"redis://[x]:1":                        errHost,
		"redis://h:0":                          errPort,
		"redis://h:65536":                      errPort,
		"redis://h:x":                          errPort,
		"redis://h:":                           errPort,
		"redis-cluster://a,,b":                 errHost,
		"redis-cluster://a,":                   errHost,
		"redis://a,b":                          errOneHost,
		"redis://hunter2@h":                    errNoPass,
		"redis://u:@h":                         errNoPass,
		"redis://u:hun:ter2@h":                 errEncoding,
		"redis://u:hun@ter2@h":                 errEncoding,
		"redis://u:hun%ter2@h":                 errEncoding,
		"redis://u:hun/ter2@h":                 errEncoding,
		"redis://u:hun?ter2@h":                 errEncoding,
		"redis://%zz:hunter2@h":                errEncoding,
		"redis://h/x":                          errPath,
		"redis://h/1/2":                        errPath,
		"redis://h/-1":                         errPath,
		"redis://h/65536":                      errPath,
		"redis-cluster://h/0":                  errCluster,
		"redis-sentinel://h":                   errMaster,
		"redis-sentinel://h/":                  errMaster,
		"redis-sentinel://h/m/0":               errMaster,
		"redis-sentinel://h/%zz":               errMaster,
		"redis-sentinel://h/m?db=x":            errDB,
		"redis://h?%zz":                        errQuery,
		"rediss://h?cert=a":                    errKeyPair,
		"rediss://h?key=a":                     errKeyPair,
		"redis://h?hunter2":                    nil,
		"redis://h?ca=x":                       nil,
		"rediss://h?ca=x&ca=y":                 nil,
		"redis-sentinel://h/m?ca=x":            nil,
		"redis-sentinel://h/m?db=1&db=hunter2": nil,
	} {
		err := Validate(secret.New(text))
		if err == nil || (want != nil && !errors.Is(err, want)) {
			t.Errorf("Validate(%q) = %v, want %v", text, err, want)
			continue
		}
		for _, part := range []string{"hunter2", "hun", "ter2"} {
			if strings.Contains(err.Error(), part) {
				t.Errorf("Validate(%q) = %v: holds the password", text, err)
			}
		}
	}
	if err := Validate(secret.New("redis-cluster://a,b:x")); !strings.Contains(
		err.Error(),
		"host 2",
	) {
		t.Errorf("Validate() = %v, want it to name the second host", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"redis://u:p@h:1/0", "rediss://h?ca=a&cert=b&key=c", "redis-cluster://[::1]:1,b", "" +
			"redis-sentinel://:p@a,b/m?db=1&sentinel_password=x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parse(secret.New(text))
		if err != nil {
			return
		}
		if len(got.addresses) == 0 || got.db < 0 || (got.kind == sentinel) != (got.master != "") {
			t.Errorf("parse(%q) = %+v: half a target", text, got)
		}
		for _, each := range got.addresses {
			again, err := address(each, "1")
			if err != nil || again != each {
				t.Errorf("parse(%q): address %q reads as %q, %v", text, each, again, err)
			}
		}
		if !got.tls && strings.HasPrefix(text, "rediss") {
			t.Errorf("parse(%q) lost the encryption", text)
		}
	})
}
