package httpapi

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/capture"
	"github.com/capture-keepalive/capture-keepalive/server/secret"
	"github.com/capture-keepalive/capture-keepalive/server/session"
)

const (
	// maxUUID is far above the 36 characters of every uuid on record.
	maxUUID = 128
	// maxExpires is the end of the year 9999. Milliseconds, the usual mistake,
	// are beyond it.
	maxExpires = 253402300799
)

func (s *Server) open(c echo.Context) error {
	login, err := readLogin(c.Request())
	if err != nil {
		return err
	}
	if err := s.admitLogin(c); err != nil {
		return err
	}
	login.Previous, _, _ = s.cookies.read(c.Request())
	opened, err := s.config.Sessions.Open(c.Request().Context(), login)
	if err != nil {
		return err
	}
	if err := s.setCookie(c, opened.ID, opened.AbsoluteExpires); err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, answer(opened.Grant))
}

func readLogin(r *http.Request) (session.Login, error) {
	var body api.OpenRequest
	if err := decode(r, object{
		"accessToken":       &body.AccessToken,
		"uuid":              &body.UUID,
		"expires":           &body.Expires,
		"authorizationCode": &body.AuthorizationCode,
		"redirectUri":       &body.RedirectURI,
	}); err != nil {
		return session.Login{}, err
	}
	switch {
	case body.AccessToken != "" && body.AuthorizationCode != "":
		return session.Login{}, badRequest("accessToken and authorizationCode exclude each other; send the one that the login gave")
	case body.AuthorizationCode != "":
		return session.Login{}, badRequest("authorizationCode is for server-side sessions, for which this server has no client; use responseType token and send accessToken")
	case body.RedirectURI != "":
		return session.Login{}, badRequest("redirectUri belongs to an authorizationCode; leave it out")
	case body.AccessToken == "":
		return session.Login{}, badRequest("accessToken is missing; send the one that the login gave")
	}
	login := session.Login{Token: secret.New(body.AccessToken), Claim: body.UUID}
	if !capture.WellFormed(login.Token) {
		return session.Login{}, badRequest("accessToken does not look like an access token; send it as the login gave it, without a prefix")
	}
	if len(body.UUID) > maxUUID {
		return session.Login{}, badRequest("uuid is too long to be one; send the uuid that the login gave, or leave it out")
	}
	switch {
	case body.Expires < 0 || body.Expires > maxExpires:
		return session.Login{}, badRequest("expires must be a time in unix seconds (not milliseconds); correct it or leave it out")
	case body.Expires > 0:
		login.Expires = time.Unix(body.Expires, 0)
	}
	return login, nil
}

func (s *Server) token(c echo.Context) error {
	id, current, err := s.sessionOf(c)
	if err != nil {
		return err
	}
	var reason, have string
	if err := decode(c.Request(), object{"reason": &reason, "have": &have}); err != nil {
		return err
	}
	if !api.Reason(reason).Known() {
		return badRequest("reason must be start, due, expired, invalid, denied, savefailed, wake or request")
	}
	grant, err := s.config.Sessions.Token(c.Request().Context(), id, api.Reason(reason), secret.New(have))
	if err != nil {
		return err
	}
	if !current {
		if err := s.setCookie(c, id, grant.AbsoluteExpires); err != nil {
			return err
		}
	}
	return c.JSON(http.StatusOK, answer(grant))
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
	return c.JSON(http.StatusOK, api.StatusAnswer{
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
	if err := decodeNothing(c.Request()); err != nil {
		return err
	}
	if err := s.config.Sessions.Touch(c.Request().Context(), id); err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// end removes the cookie only when the session is dead: while the store is
// down the page must be able to ask again.
func (s *Server) end(c echo.Context) error {
	if err := decodeNothing(c.Request()); err != nil {
		return err
	}
	if id, _, ok := s.cookies.read(c.Request()); ok {
		setTag(c, id)
		if err := s.config.Sessions.End(c.Request().Context(), id); err != nil {
			return err
		}
	}
	none := s.cookies.none()
	c.SetCookie(none)
	c.SetCookie(s.cookies.hint(none))
	return c.NoContent(http.StatusNoContent)
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

// seconds rounds down, so that nobody believes in time that is not there.
func seconds(d time.Duration) int64 { return int64(max(d, 0) / time.Second) }
