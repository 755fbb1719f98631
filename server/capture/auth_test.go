package capture

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

// The verified vector of contract section 4.
func TestSignatureVector(t *testing.T) {
	credentials := Credentials{ID: "foo", Secret: secret.New("bar")}
	form := url.Values{
		"param1": {"this is a string"},
		"param2": {"10"},
		"param3": {"one=1\ntwo=2,three=3"},
		// Left out of what is signed.
		"access_token":  {"z0t8k3vq5n1m7p2r"},
		"client_id":     {"foo"},
		"client_secret": {"bar"},
	}
	// The same moment elsewhere: the header is in UTC.
	now := time.Date(2000, 1, 1, 2, 1, 1, 0, time.FixedZone("CET", 3600))

	header := http.Header{}
	proof := SchemeSignature.authenticate(header, credentials, "/entity", form, now)

	if got, want := header.Get("Authorization"), "Signature foo:G3N5RxCVc0d6rDLmBRGvcg2hCVY="; got != want {
		t.Errorf("Authorization = %q, want %q", got, want)
	}
	if got, want := header.Get("Date"), "2000-01-01 01:01:01"; got != want {
		t.Errorf("Date = %q, want %q", got, want)
	}
	if !proof.Equal(secret.New("G3N5RxCVc0d6rDLmBRGvcg2hCVY=")) {
		t.Error("the proof is not what was sent, so it could come back in an error")
	}
}

func TestBasic(t *testing.T) {
	header := http.Header{}
	SchemeBasic.authenticate(header, Credentials{ID: "foo", Secret: secret.New("b:r")}, "/entity", nil, time.Time{})
	request := http.Request{Header: header}
	if id, password, ok := request.BasicAuth(); !ok || id != "foo" || password != "b:r" {
		t.Errorf("BasicAuth() = %q, %q, %v", id, password, ok)
	}
	if header.Get("Date") != "" {
		t.Error("Basic sends the Date of the signature scheme")
	}
}
