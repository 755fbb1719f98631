package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/limit"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

const (
	// authPatience is how long a proxy that only asks who is there waits for a
	// token to be renewed. The renewal goes on without it.
	authPatience = 2 * time.Second
	// authTimeout bounds the whole answer to such a proxy.
	authTimeout = 5 * time.Second
	// activityPatience is how long it waits for the activity to be stored.
	activityPatience = time.Second
)

// auth answers a reverse proxy that asks on behalf of a visitor (auth_request,
// forward_auth). It needs the visitor's cookie and believes no other header.
func (s *Server) auth(c echo.Context) error {
	id, current, err := s.sessionOf(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	if !s.config.AuthTokenHeader {
		var cancel context.CancelFunc
		ctx, cancel = limit.Timeout(ctx, authTimeout)
		defer cancel()
	}
	grant, err := s.visitor(ctx, id)
	if err != nil {
		return err
	}
	if s.config.AuthIsActivity {
		if err := s.recordActivity(ctx, id); err != nil {
			return err
		}
	}
	header := c.Response().Header()
	header.Set(api.HeaderUUID, grant.UUID)
	if s.config.AuthTokenHeader {
		header.Set(api.HeaderAccessToken, grant.Token.Reveal())
	}
	if !current {
		// One Set-Cookie alone: nginx hands on no more than that. The hint beside
		// the cookie stays as it is.
		cookie, err := s.cookies.issue(id, grant.AbsoluteExpires)
		if err != nil {
			return err
		}
		c.SetCookie(cookie)
	}
	return c.NoContent(http.StatusNoContent)
}

// visitor finds out which user has the session, with a good token where the site wants
// one. Where it does not, trouble with a token, of Capture or of storing what
// Capture gave, is no reason not to say who is there.
func (s *Server) visitor(ctx context.Context, id store.ID) (session.Grant, error) {
	if s.config.AuthTokenHeader {
		return s.config.Sessions.Token(ctx, id, api.ReasonRequest, secret.String{})
	}
	patient, cancel := limit.Timeout(ctx, authPatience)
	defer cancel()
	grant, err := s.config.Sessions.Token(patient, id, api.ReasonRequest, secret.String{})
	if err == nil || !mayPass(err) {
		return grant, err
	}
	return s.config.Sessions.Status(ctx, id)
}

// recordActivity moves the idle limit. It fails only if the session has ended:
// what cannot be written now must not close the site to people who are signed
// in.
func (s *Server) recordActivity(ctx context.Context, id store.ID) error {
	ctx, cancel := limit.Timeout(ctx, activityPatience)
	defer cancel()
	err := s.config.Sessions.Touch(ctx, id)
	if err == nil || !mayPass(err) {
		return err
	}
	if omitted, ok := s.lines.allow("activity"); ok {
		s.config.Log.WarnContext(ctx, "a visitor's activity could not be stored; the visitor "+
			"was let through",
			"session", session.Tag(id), "omitted", omitted, "error", err)
	}
	return nil
}

// mayPass reports whether an error is trouble of Capture or of the store, which
// may be over in a moment and says nothing about the session.
func mayPass(err error) bool {
	code := problemOf(err).code
	return code == api.UpstreamRefused || code == api.UpstreamUnavailable ||
		code == api.StoreUnavailable
}
