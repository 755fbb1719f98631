// Package simulator is a stand-in for the Capture service, for the demo and
// for tests. It has three faces:
//
//   - the Capture API of contract section 4, as far as sessions need it: POST
//     /entity, POST /access/getAccessToken, and POST /oauth/token, with codes
//     that work once and for [CodeLifetime], and refresh tokens that work once;
//   - what the stand-in Registration UI calls from a browser, our own
//     invention, JSON, below /ui/: sign in, load a profile, save it;
//   - control, JSON, below /control/: expire or invalidate a token, switch the
//     service off, read the log of calls. Faults are Go only; see [Fault].
//
// Everything is in memory. It protects nothing: keep it on loopback.
package simulator

import (
	"cmp"
	"net/http"
	"sync"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

// Defaults of [Options].
const (
	DefaultTypeName      = "user"
	DefaultTokenLifetime = time.Hour
)

// CodeLifetime is how long the code of a login lives.
const CodeLifetime = 30 * time.Second

// Client is an API client of the simulated application. The page's clientId is
// one as well; without a secret it cannot prove itself.
type Client struct {
	ID     string
	Secret secret.String
	// AccessIssuer is the feature that lets a client mint a token for any user.
	AccessIssuer bool
	// Login is the feature that lets a client call oauth/token.
	Login bool
}

// Options describe the simulated application. The zero value has no clients:
// people can sign in, and no server can issue tokens.
type Options struct {
	Clients []Client
	// TypeName is the one entity type; empty means DefaultTypeName.
	TypeName string
	// TokenLifetime is how long a token lives; 0 means DefaultTokenLifetime.
	TokenLifetime time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Service is the simulated service. It is safe for concurrent use.
type Service struct {
	clients       map[string]Client
	typeName      string
	tokenLifetime time.Duration
	now           func() time.Time
	mux           *http.ServeMux

	mu       sync.Mutex // guards all below
	accounts accounts
	outage   bool
	faults   []*Fault
	log      callLog
}

// New returns a service without users.
func New(options Options) *Service {
	s := &Service{
		clients:       make(map[string]Client, len(options.Clients)),
		typeName:      cmp.Or(options.TypeName, DefaultTypeName),
		tokenLifetime: cmp.Or(options.TokenLifetime, DefaultTokenLifetime),
		now:           options.Now,
		mux:           http.NewServeMux(),
	}
	for _, client := range options.Clients {
		s.clients[client.ID] = client
	}
	if s.now == nil {
		s.now = time.Now
	}
	s.accounts.init()

	s.mux.Handle("POST /"+EndpointEntity, s.endpoint(EndpointEntity, s.entity))
	s.mux.Handle("POST /"+EndpointIssue, s.endpoint(EndpointIssue, s.getAccessToken))
	s.mux.Handle("POST /oauth/token", s.wrap(grantEndpoint, oauthStatus, s.oauthToken))
	s.mux.Handle("POST /"+EndpointSignIn, s.endpoint(EndpointSignIn, s.signIn))
	s.mux.Handle("POST /"+EndpointProfile, s.endpoint(EndpointProfile, s.profile))
	s.mux.Handle("POST /"+EndpointSave, s.endpoint(EndpointSave, s.save))
	s.mux.HandleFunc("POST /control/expire", s.controlToken(s.Expire))
	s.mux.HandleFunc("POST /control/invalidate", s.controlToken(s.Invalidate))
	s.mux.HandleFunc("POST /control/outage", s.controlOutage)
	s.mux.HandleFunc("GET /control/calls", s.controlCalls)
	return s
}

// ServeHTTP implements http.Handler.
func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	s.mux.ServeHTTP(w, r)
}

// SetOutage switches the service off and on. While it is off, the API and the
// ui routes answer like a proxy in front of a dead service: 503 and HTML.
func (s *Service) SetOutage(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outage = on
}
