package httpapi

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// authPatience is how long a proxy that only asks who is there waits for a
// token to be renewed.
const authPatience = 2 * time.Second

// auth answers a reverse proxy that asks on behalf of a visitor (auth_request,
// forward_auth). It needs the visitor's cookie and believes no other header.
func (s *Server) auth(c echo.Context) error {
	id, current, err := s.sessionOf(c)
	if err != nil {
		return err
	}
	ctx := c.Request().Context()
	if s.config.AuthIsActivity {
		if err := s.config.Sessions.Touch(ctx, id); err != nil {
			return err
		}
	}
	asking, cancel := ctx, context.CancelFunc(func() {})
	if !s.config.AuthTokenHeader {
		// A renewal goes on without us; the site's page need not wait for it.
		asking, cancel = context.WithTimeout(ctx, authPatience)
	}
	grant, err := s.config.Sessions.Token(asking, id, api.ReasonRequest, secret.String{})
	cancel()
	if err != nil && !s.config.AuthTokenHeader && upstream(err) {
		// The site asks who is there, not for a token, and trouble of Capture
		// signs nobody out.
		grant, err = s.withoutToken(c, id)
	}
	if err != nil {
		return err
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

// upstream reports whether an error is trouble between this server and Capture.
func upstream(err error) bool {
	var failure *session.Error
	if !errors.As(err, &failure) {
		return false
	}
	return failure.Code == api.UpstreamRefused || failure.Code == api.UpstreamUnavailable
}

func (s *Server) withoutToken(c echo.Context, id store.ID) (session.Grant, error) {
	status, err := s.config.Sessions.Status(c.Request().Context(), id)
	if err != nil {
		return session.Grant{}, err
	}
	return session.Grant{UUID: status.UUID, AbsoluteExpires: status.AbsoluteExpires}, nil
}

// revoke ends all sessions of a user. It is for the operator's programs: the
// headers that only browsers send mean that a page is trying to reach through
// the operator's own browser.
func (s *Server) revoke(c echo.Context) error {
	r := c.Request()
	for _, name := range []string{echo.HeaderOrigin, "Sec-Fetch-Site"} {
		if len(r.Header.Values(name)) > 0 {
			return &problem{code: api.OriginRefused, detail: "the request has the header " + name + ", and no page may revoke; use the revoke command"}
		}
	}
	if !isJSON(r.Header.Values(echo.HeaderContentType)) {
		return &problem{code: api.UnsupportedMedia, detail: "header Content-Type must be application/json"}
	}
	var body api.RevokeRequest
	if err := decode(r, object{{"uuid", &body.UUID}}); err != nil {
		return err
	}
	switch {
	case body.UUID == "":
		return badRequest("uuid is missing; send the uuid of the user whose sessions are to end")
	case len(body.UUID) > maxUUID:
		return badRequest("uuid is too long to be one; send the uuid of the user whose sessions are to end")
	}
	announce(c)
	if _, err := s.config.Sessions.Revoke(r.Context(), body.UUID); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
