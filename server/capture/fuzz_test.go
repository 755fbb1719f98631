package capture

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// A URL that is taken leads every call to the host that it names, and to none
// in plain text but this machine; one that is refused is not repeated, wherever
// the password in it stands.
func FuzzValidateURL(f *testing.F) {
	for i, raw := range []string{
		"https://app.us.janraincapture.com", "https://login.example.com:8443/capture/",
		"http://[::1]:8081", "http://127.0.0.1.example.com",
		"https://user:password@app.example", "https://app.example?key=secret#x",
		"https://app:65536", "https:app.example", "https://[fe80::1%25eth0]/",
		"http://localhost\\@app.example/", "https://app.example/a/../b/%2e%2e/c",
		"https://app.example/%zz", "//app.example", "HTTP://LOCALHOST:1", "",
	} {
		f.Add(raw, i)
	}
	f.Fuzz(func(t *testing.T, raw string, at int) {
		const mark = "zq!9xw"
		if at >= 0 && at <= len(raw) {
			if err := ValidateURL(raw[:at] + mark + raw[at:]); err != nil && strings.Contains(err.Error(), mark) {
				t.Errorf("ValidateURL repeats what it refuses: %v", err)
			}
		}
		base, err := parseURL(raw)
		if err != nil {
			return
		}
		for _, op := range []operation{identify, issue, exchange} {
			request, err := http.NewRequest(http.MethodPost, base.JoinPath(op.endpoint).String(), nil)
			if err != nil {
				t.Errorf("%q is taken, and no address: %v", raw, err)
				continue
			}
			u := request.URL
			if u.Host != base.Host || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
				!strings.HasSuffix(u.Path, "/"+op.endpoint) {
				t.Errorf("%q leads to %q", raw, u)
			}
			if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
				t.Errorf("%q goes in plain text to %q", raw, u)
			}
		}
		if again, err := url.Parse(base.String()); err != nil || again.Host != base.Host {
			t.Errorf("%q is written as %q and read as %v, %v", raw, base, again, err)
		}
	})
}
