package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/config"
)

const (
	// outsideTimeout bounds each request of check --url.
	outsideTimeout = 10 * time.Second
	// closedTimeout is for ports that should not answer at all.
	closedTimeout = 2 * time.Second

	// The cookie of the session; see httpapi.
	secureCookie = "__Host-Http-keepalive"
	plainCookie  = "keepalive"
)

// outside looks at a server as pages see it: through the proxy, with nothing
// but its address.
type outside struct {
	base   *url.URL // without a slash at the end
	origin string   // of the pages
	client *http.Client
	// Something has answered, whatever it is.
	reached bool
}

// checkURL prints what is wrong with the server at address, and what is right.
func (p *program) checkURL(ctx context.Context, address, origin string) error {
	seen, err := newOutside(address, origin)
	if err != nil {
		return err
	}
	defer seen.client.CloseIdleConnections()
	found := report{to: p.stdout}
	for _, look := range []func(context.Context) []finding{
		one(seen.route), one(seen.preflight), one(seen.cookie), seen.files,
	} {
		found.add(look(ctx)...)
		if found.faults > 0 {
			break // what comes next builds on it
		}
	}
	if seen.reached {
		found.add(seen.exposure(ctx)...)
	}
	if err := found.end("Seen from here the server"); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, "A real sign-in is the last proof.")
	return nil
}

// one makes a list of a look with one answer.
func one(look func(context.Context) finding) func(context.Context) []finding {
	return func(ctx context.Context) []finding { return []finding{look(ctx)} }
}

func newOutside(address, origin string) (*outside, error) {
	cleaned, err := config.Clean(address)
	if err != nil {
		return nil, usageError("--url " + err.Error())
	}
	base, err := url.Parse(strings.TrimRight(cleaned, "/"))
	if err != nil || base.Scheme != "https" && base.Scheme != "http" ||
		base.Hostname() == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, usageError("--url is no web address; write it like " +
			"https://www.example.com/keepalive")
	}
	if base.Path == "" {
		return nil, usageError("--url has no path; add the one of KEEPALIVE_BASE_PATH, such " +
			"as /keepalive")
	}
	flag := "--origin "
	if origin == "" {
		flag, origin = "--url ", base.Scheme+"://"+base.Host
	}
	if origin, err = config.Origin(origin); err != nil {
		return nil, usageError(flag + err.Error())
	}
	client := &http.Client{
		Timeout:       outsideTimeout,
		CheckRedirect: stay,
		// Compression is one of the questions.
		Transport: plain{&http.Transport{
			Proxy: http.ProxyFromEnvironment, DisableCompression: true,
		}},
	}
	return &outside{base: base, origin: origin, client: client}, nil
}

// ask sends a request below the base, with header lines "Name: value".
func (o *outside) ask(
	ctx context.Context, method, path string, header ...string,
) (*http.Response, []byte, error) {
	return o.askAt(ctx, method, o.base.String()+path, header...)
}

// askSession sends a request about the session, as a page does.
func (o *outside) askSession(ctx context.Context, method string) (*http.Response, []byte, error) {
	return o.ask(ctx, method, api.PathSession, "Origin: "+o.origin, api.HeaderKeepalive+": 1")
}

func (o *outside) askAt(
	ctx context.Context, method, address string, header ...string,
) (*http.Response, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return nil, nil, err
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	response, err := o.client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	o.reached = true
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	return response, body, err
}

// route finds out whether a page's request reaches the server whole.
func (o *outside) route(ctx context.Context) finding {
	response, body, err := o.askSession(ctx, http.MethodGet)
	switch {
	case err != nil && unproven(err):
		return bad("The certificate of %s is not good for it (%s). Browsers refuse "+
			"it, too. Give the proxy one for this name, with its chain.", o.base.Host, err)
	case err != nil:
		return bad("%s cannot be reached (%s). Correct the address, or open the "+
			"way to it.", o.base.Host, err)
	case response.StatusCode >= 300 && response.StatusCode < 400:
		return bad("%s redirects to %s, and pages do not follow. Give check the address that "+
			"pages use, or serve %s itself, without a redirect.",
			o.base, response.Header.Get("Location"), o.base.Path)
	}
	var answer api.Problem
	if json.Unmarshal(body, &answer) != nil || !answer.Code.Known() {
		return o.other(response.StatusCode)
	}
	return o.judge(answer)
}

// other is the finding that something else than the server has answered.
func (o *outside) other(status int) finding {
	switch status {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return bad("The proxy at %s answers HTTP %d: it does not reach the server. Start the "+
			"server, and have the proxy pass %s on to KEEPALIVE_LISTEN.", o.base.Host, status,
			o.base.Path)
	}
	return bad("What answers at %s%s (HTTP %d) is not this server. Have the proxy pass %s on to "+
		"KEEPALIVE_LISTEN, with the path as it is and without a sign-in or error pages of its "+
		"own, and set KEEPALIVE_BASE_PATH to that path.", o.base, api.PathSession, status,
		o.base.Path)
}

// judge says what the server's answer to a page without a session means.
func (o *outside) judge(answer api.Problem) finding {
	switch answer.Code {
	case api.SessionMissing:
		if o.base.Scheme == "http" {
			return good("The server answers at %s. It is plain http: good for this "+
				"machine only.", o.base)
		}
		return good("The server answers at %s, and the certificate is good.", o.base)
	case api.NotFound:
		return bad("The server answers at %s, but has no such path. Give check the path in "+
			"KEEPALIVE_BASE_PATH, and have the proxy pass it on to KEEPALIVE_LISTEN as it is.", o.base)
	case api.OriginRefused:
		if strings.Contains(answer.Detail, api.HeaderKeepalive) {
			return bad("The header %s is lost on the way. Have the proxy pass all "+
				"headers on.", api.HeaderKeepalive)
		}
		return bad("The server refuses pages of %s: %s. Set KEEPALIVE_ORIGINS to the origin of "+
			"the pages, name it here with --origin, "+
			"or have the proxy pass the header Origin on.", o.origin, answer.Detail)
	default:
		return bad("The server answers %s: %s. Have the proxy pass all headers on, %s and "+
			"Origin among them.", answer.Code, answer.Detail, api.HeaderKeepalive)
	}
}

// preflight is for pages of another origin: their browser asks first.
func (o *outside) preflight(ctx context.Context) finding {
	if o.origin == o.base.Scheme+"://"+o.base.Host {
		return good("Pages of the same origin ask without a preflight request.")
	}
	response, _, err := o.ask(ctx, http.MethodOptions, api.PathToken, "Origin: "+o.origin,
		"Access-Control-Request-Method: POST", "Access-Control-Request-Headers: "+
			"content-type,"+strings.ToLower(api.HeaderKeepalive))
	if err != nil {
		return bad("The preflight request failed (%s).", err)
	}
	header := response.Header
	allowed := header.Get("Access-Control-Allow-Origin") == o.origin &&
		header.Get("Access-Control-Allow-Credentials") == "true"
	if response.StatusCode/100 != 2 || !allowed {
		return bad("The preflight request of %s gets HTTP %d and no permission. Have the proxy "+
			"pass OPTIONS requests on, "+
			"and leave Access-Control-… headers as they are.", o.origin, response.StatusCode)
	}
	return good("Pages of %s may ask.", o.origin)
}

// cookie signs out without a session: the server then deletes a cookie that is
// not there, and shows how its cookies arrive.
func (o *outside) cookie(ctx context.Context) finding {
	response, _, err := o.askSession(ctx, http.MethodDelete)
	if err != nil {
		return bad("A DELETE request failed (%s). Have the proxy pass that method on.", err)
	}
	for _, cookie := range response.Cookies() {
		if cookie.Name == secureCookie || cookie.Name == plainCookie {
			return o.judgeCookie(cookie)
		}
	}
	return bad("The answer to DELETE (HTTP %d) does not have the server's cookie. Have the proxy "+
		"pass DELETE, Cookie and Set-Cookie on.", response.StatusCode)
}

func (o *outside) judgeCookie(cookie *http.Cookie) finding {
	overTLS := o.base.Scheme == "https"
	switch {
	case cookie.Name == secureCookie && !overTLS:
		return bad("The server's cookie is for https alone. Give check the https address, " +
			"or set KEEPALIVE_INSECURE_COOKIE=true for plain http on this machine.")
	case cookie.Name == plainCookie && overTLS:
		return bad("The server's cookie is the one for plain http. Remove " +
			"KEEPALIVE_INSECURE_COOKIE from its settings.")
	case cookie.Path != "/" || cookie.Domain != "":
		return bad("The proxy changes the path or domain of cookies. Leave Set-Cookie as " +
			"it is: browsers refuse this cookie otherwise.")
	case overTLS && !cookie.Secure, !cookie.HttpOnly,
		cookie.SameSite != http.SameSiteStrictMode:
		return bad("The proxy takes Secure, HttpOnly or SameSite from cookies. Leave " +
			"Set-Cookie as it is.")
	}
	return good("The server's cookie arrives as it was set.")
}

// files looks at the page's files.
func (o *outside) files(ctx context.Context) []finding {
	_, body, err := o.ask(ctx, http.MethodGet, "/"+api.FileManifest)
	var manifest struct{ Module struct{ File string } }
	if err != nil || json.Unmarshal(body, &manifest) != nil || manifest.Module.File == "" {
		return []finding{bad("The page's files are not at %s. Take a release of the server, or "+
			"have the proxy pass the whole path on.", o.base)}
	}
	return []finding{
		o.file(ctx, "keepalive.js", "text/javascript"),
		o.file(ctx, manifest.Module.File, "application/wasm"),
	}
}

// file looks at the type of a file, and whether it comes compressed.
func (o *outside) file(ctx context.Context, name, want string) finding {
	response, _, err := o.ask(ctx, http.MethodGet, "/"+name, "Accept-Encoding: br, gzip")
	if err != nil {
		return bad("%s cannot be loaded (%s).", name, err)
	}
	got, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	switch encoding := response.Header.Get("Content-Encoding"); {
	case response.StatusCode != http.StatusOK:
		return bad("%s answers HTTP %d. Have the proxy pass the whole path on.", name,
			response.StatusCode)
	case got != want:
		return bad("%s has the type %q, and browsers want %s. Leave Content-Type as it is.",
			name, got, want)
	case encoding != "br" && encoding != "gzip":
		return risky("%s is not compressed: have the proxy pass Accept-Encoding and "+
			"Content-Encoding on.", name)
	default:
		return good("%s comes with the right type, compressed (%s).", name, encoding)
	}
}

// exposure looks for the operator's routes where everyone can ask.
func (o *outside) exposure(ctx context.Context) []finding {
	var findings []finding
	places := []string{o.base.Scheme + "://" + o.base.Host, o.base.String()}
	if host := o.base.Hostname(); host != "localhost" && !net.ParseIP(host).IsLoopback() {
		places = append(places, "http://"+net.JoinHostPort(host, "9090")) // the usual port
	}
	for _, place := range places {
		for _, path := range []string{"/metrics", "/healthz", "/readyz", "/debug/pprof/"} {
			if o.isOperators(ctx, place+path) {
				findings = append(findings, bad("The operator's listener answers at %s. "+
					"Keep it from the internet: a program that reaches it can end anyone's "+
					"sessions.", place+path))
				break
			}
		}
	}
	if findings == nil {
		return []finding{good("The operator's routes do not answer here.")}
	}
	return findings
}

// isOperators reports whether the operator's listener answers there.
func (o *outside) isOperators(ctx context.Context, address string) bool {
	ctx, cancel := context.WithTimeout(ctx, closedTimeout)
	defer cancel()
	// A body that breaks off says enough.
	response, body, _ := o.askAt(ctx, http.MethodGet, address)
	if response == nil || response.StatusCode != http.StatusOK {
		return false
	}
	text := string(body)
	return text == api.WellAnswer || strings.Contains(text, "keepalive_build_info") ||
		strings.Contains(text, "/debug/pprof/")
}
