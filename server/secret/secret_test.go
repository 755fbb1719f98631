package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

func TestStringNeverPrints(t *testing.T) {
	const plain = "z0t8k3vq5n1m7p2r"
	s := secret.New(plain)
	holder := struct {
		Token secret.String
		Ptr   *secret.String
		inner secret.String // fmt cannot call the methods of this one
	}{s, &s, s}

	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", &s)
		fmt.Fprintf(&out, verb+"\n", holder)
	}
	if err := json.NewEncoder(&out).Encode(holder); err != nil {
		t.Fatal(err)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("text", "token", s, "holder", holder)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("json", "token", s, "holder", holder)

	if strings.Contains(out.String(), plain) || strings.Contains(out.String(), fmt.Sprintf("%x", plain)) {
		t.Errorf("the secret was printed:\n%s", out.String())
	}
	if !strings.Contains(out.String(), "[redacted]") {
		t.Errorf("nothing says [redacted]:\n%s", out.String())
	}
	if s.Reveal() != plain {
		t.Errorf("Reveal() = %q, want the secret", s.Reveal())
	}
}

func TestEqual(t *testing.T) {
	a, b, none := secret.New("a"), secret.New("b"), secret.String{}
	for _, tc := range []struct {
		x, y secret.String
		want bool
	}{{a, a, true}, {a, b, false}, {a, none, false}, {none, none, false}} {
		if got := tc.x.Equal(tc.y); got != tc.want {
			t.Errorf("Equal(%q, %q) = %v, want %v", tc.x.Reveal(), tc.y.Reveal(), got, tc.want)
		}
	}
}
