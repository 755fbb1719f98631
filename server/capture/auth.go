package capture

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

// Scheme is the way a client proves itself to Capture (contract section 4).
type Scheme string

// The two schemes.
const (
	SchemeBasic     Scheme = "basic"     // HTTP Basic, recommended by the vendor
	SchemeSignature Scheme = "signature" // HMAC-SHA1 over the call, the older one
)

// Credentials are an API client's.
type Credentials struct {
	ID     string
	Secret secret.String
}

func (c Credentials) absent() bool { return c.ID == "" && c.Secret.Empty() }

// authenticate signs a call that posts form to endpoint, which begins with a
// slash, and returns what must not be repeated in an error.
func (s Scheme) authenticate(
	header http.Header, c Credentials, endpoint string, form url.Values, now time.Time,
) secret.String {
	var proof string
	switch s {
	case SchemeSignature:
		// Not the Date of HTTP.
		date := now.UTC().Format(time.DateTime)
		header.Set("Date", date)
		proof = signature(c.Secret, endpoint, date, form)
		header.Set("Authorization", "Signature "+c.ID+":"+proof)
	default:
		proof = base64.StdEncoding.EncodeToString([]byte(c.ID + ":" + c.Secret.Reveal()))
		header.Set("Authorization", "Basic "+proof)
	}
	return secret.New(proof)
}

func signature(key secret.String, endpoint, date string, form url.Values) string {
	var base strings.Builder
	base.WriteString(endpoint + "\n" + date + "\n")
	for _, name := range slices.Sorted(maps.Keys(form)) {
		if name == "client_id" || name == "client_secret" || name == "access_token" {
			continue
		}
		for _, value := range form[name] {
			base.WriteString(name + "=" + value + "\n")
		}
	}
	mac := hmac.New(sha1.New, []byte(key.Reveal()))
	mac.Write([]byte(base.String()))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
