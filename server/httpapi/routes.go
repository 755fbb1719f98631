package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/session"
	"github.com/capture-keepalive/capture-keepalive/server/store"
)

const (
	// maxUUID is far above the 36 characters of every uuid on record.
	maxUUID = 128
	// maxExpires is the end of the year 9999. Milliseconds, the usual mistake,
	// are beyond it.
	maxExpires = 253402300799
)

func (s *Server) open(c echo.Context) error {
	begin, err := s.readLogin(c.Request())
	if err != nil {
		return err
	}
	if err := s.admitLogin(c); err != nil {
		return err
	}
	previous, _, _ := s.cookies.read(c.Request())
	opened, err := begin(c.Request().Context(), previous)
	if err != nil {
		return err
	}
	announce(c)
	if err := s.setCookie(c, opened.ID, opened.AbsoluteExpires); err != nil {
		return err
	}
	return sayJSON(c, http.StatusCreated, answer(opened.Grant))
}

// login opens the session that a body asks for, in the place of previous.
type login func(ctx context.Context, previous store.ID) (session.Session, error)

// readLogin tells the two kinds of credential apart.
func (s *Server) readLogin(r *http.Request) (login, error) {
	body, err := decode[api.OpenRequest](r)
	if err != nil {
		return nil, err
	}
	switch {
	case body.AccessToken != "" && body.AuthorizationCode != "":
		return nil, badRequest("accessToken and authorizationCode exclude each other; send the " +
			"one that the login gave")
	case body.AuthorizationCode != "":
		return s.readCodeLogin(body)
	}
	return s.readTokenLogin(body)
}

func (s *Server) readTokenLogin(body api.OpenRequest) (login, error) {
	switch {
	case body.AccessToken == "":
		return nil, badRequest("accessToken or authorizationCode is missing; send the one that " +
			"the login gave")
	case !slices.Contains(s.config.Modes, store.ModeToken):
		return nil, badRequest("accessToken is for client-side sessions, for which this server " +
			"has no client; use responseType code and send authorizationCode")
	case body.RedirectURI != "":
		return nil, badRequest("redirectUri belongs to an authorizationCode; leave it out")
	case !capture.WellFormed(secret.New(body.AccessToken)):
		return nil, badRequest("accessToken does not look like an access token; send it as the " +
			"login gave it, without a prefix")
	case len(body.UUID) > maxUUID:
		return nil, badRequest("uuid is too long to be one; send the uuid that the login gave, " +
			"or leave it out")
	case body.Expires < 0 || body.Expires > maxExpires:
		return nil, badRequest("expires must be a time in unix seconds (not milliseconds); " +
			"correct it or leave it out")
	}
	reported := session.Login{Token: secret.New(body.AccessToken), Claim: body.UUID}
	if body.Expires > 0 {
		reported.Expires = time.Unix(body.Expires, 0)
	}
	return func(ctx context.Context, previous store.ID) (session.Session, error) {
		reported.Previous = previous
		return s.config.Sessions.Open(ctx, reported)
	}, nil
}

func (s *Server) readCodeLogin(body api.OpenRequest) (login, error) {
	switch {
	case !slices.Contains(s.config.Modes, store.ModeCode):
		return nil, badRequest("authorizationCode is for server-side sessions, for which this " +
			"server has no client; use responseType token and send accessToken")
	case body.UUID != "":
		return nil, badRequest("uuid belongs to an accessToken; leave it out")
	case body.Expires != 0:
		return nil, badRequest("expires belongs to an accessToken; leave it out")
	case !capture.WellFormed(secret.New(body.AuthorizationCode)):
		return nil, badRequest("authorizationCode does not look like a code; send it as the " +
			"login gave it")
	}
	reported := session.CodeLogin{
		Code:        secret.New(body.AuthorizationCode),
		RedirectURI: body.RedirectURI,
	}
	return func(ctx context.Context, previous store.ID) (session.Session, error) {
		reported.Previous = previous
		return s.config.Sessions.Exchange(ctx, reported)
	}, nil
}

func (s *Server) token(c echo.Context) error {
	id, current, err := s.sessionOf(c)
	if err != nil {
		return err
	}
	body, err := decode[api.TokenRequest](c.Request())
	if err != nil {
		return err
	}
	if !body.Reason.Known() {
		return badRequest("reason must be start, due, expired, invalid, denied, savefailed, " +
			"wake or request")
	}
	ctx, have := c.Request().Context(), secret.New(body.Have)
	grant, err := s.config.Sessions.Token(ctx, id, body.Reason, have)
	if err != nil {
		return err
	}
	s.countPage(id, body.Counts)
	if !current {
		if err := s.setCookie(c, id, grant.AbsoluteExpires); err != nil {
			return err
		}
	}
	return sayJSON(c, http.StatusOK, answer(grant))
}

// countPage passes on what a page says that it did for its user. It may be made
// up, so that it is bounded: each number by api.MaxPageCount, and the reports of
// one session by pageReports.
func (s *Server) countPage(id store.ID, counts *api.PageCounts) {
	if counts == nil || s.config.Observer == nil {
		return
	}
	if _, ok := s.reports.Take(id.Key()); !ok {
		return
	}
	bounded := func(n int) int { return min(max(n, 0), api.MaxPageCount) }
	s.config.Observer.PageCounts(api.PageCounts{
		Finished:       bounded(counts.Finished),
		Held:           bounded(counts.Held),
		Sent:           bounded(counts.Sent),
		Kept:           bounded(counts.Kept),
		SignInsAvoided: bounded(counts.SignInsAvoided),
	})
}

func (s *Server) status(c echo.Context) error {
	id, _, err := s.sessionOf(c)
	if err != nil {
		return err
	}
	status, err := s.config.Sessions.Status(c.Request().Context(), id)
	if err != nil {
		return err
	}
	return sayJSON(c, http.StatusOK, api.StatusAnswer{
		Active:            true,
		UUID:              status.UUID,
		Mode:              string(status.Mode),
		ExpiresIn:         seconds(status.TokenExpires.Sub(status.At)),
		IdleExpiresIn:     seconds(status.IdleExpires.Sub(status.At)),
		AbsoluteExpiresIn: seconds(status.AbsoluteExpires.Sub(status.At)),
	})
}

func (s *Server) activity(c echo.Context) error {
	id, _, err := s.sessionOf(c)
	if err != nil {
		return err
	}
	body, err := decodeOptional[api.ActivityRequest](c.Request())
	if err != nil {
		return err
	}
	if err := s.config.Sessions.Touch(c.Request().Context(), id); err != nil {
		return err
	}
	s.countPage(id, body.Counts)
	return c.NoContent(http.StatusNoContent)
}

// end removes the cookie only when the session is dead: while the store is
// down the page must be able to ask again. The cookie of a login that has come
// first stays.
func (s *Server) end(c echo.Context) error {
	if err := decodeNothing(c.Request()); err != nil {
		return err
	}
	if id, _, ok := s.cookies.read(c.Request()); ok {
		setTag(c, id)
		announce(c)
		replaced, err := s.config.Sessions.End(c.Request().Context(), id)
		switch {
		case err != nil:
			return err
		case replaced:
			return c.NoContent(http.StatusNoContent)
		}
	}
	none := s.cookies.none()
	c.SetCookie(none)
	c.SetCookie(s.cookies.hint(none))
	return c.NoContent(http.StatusNoContent)
}

// sayJSON answers with value as JSON. Echo's own JSON parses the query of every
// request, and writes otherwise for those that have a "pretty" there.
func sayJSON(c echo.Context, status int, value any) error {
	body, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("httpapi: writing an answer: %w", err)
	}
	return c.JSONBlob(status, body)
}

func answer(grant session.Grant) api.TokenAnswer {
	return api.TokenAnswer{
		AccessToken:       grant.Token.Reveal(),
		ExpiresAt:         grant.TokenExpires.Unix(),
		ExpiresIn:         seconds(grant.TokenExpires.Sub(grant.At)),
		ServerTime:        grant.At.UnixMilli(),
		UUID:              grant.UUID,
		IdleExpiresIn:     seconds(grant.IdleExpires.Sub(grant.At)),
		AbsoluteExpiresIn: seconds(grant.AbsoluteExpires.Sub(grant.At)),
	}
}

// seconds rounds down, so that a page does not count on time that is not there.
func seconds(d time.Duration) int64 { return int64(max(d, 0) / time.Second) }
