package httpapi

import (
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/capture-keepalive/capture-keepalive/server/api"
	"github.com/capture-keepalive/capture-keepalive/server/session"
)

// programsOnly refuses what a page sends through the browser of an operator.
// Browsers add these headers, programs do not. An address that a person typed is
// no page.
func programsOnly(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		for _, name := range []string{echo.HeaderOrigin, secFetchSite} {
			values := r.Header.Values(name)
			typed := name == secFetchSite && onlyValue(values, "none") && r.Method != http.MethodPost
			if len(values) > 0 && !typed {
				return refuse(api.OriginRefused, "the request has the header "+name+
					", and this route is not for pages; use a program")
			}
		}
		return next(c)
	}
}

// operatorCall reads the body of a call about a user.
func operatorCall(r *http.Request) (uuid string, err error) {
	if !isJSON(r.Header.Values(echo.HeaderContentType)) {
		return "", refuse(api.UnsupportedMedia, "header Content-Type must be application/json")
	}
	body, err := decode[api.UserRequest](r)
	if err != nil {
		return "", err
	}
	uuid = strings.TrimSpace(body.UUID)
	switch {
	case uuid == "":
		return "", badRequest("uuid is missing; send the uuid of the user")
	case len(uuid) > maxUUID:
		return "", badRequest("uuid is too long to be one; send the uuid of the user")
	case strings.ContainsFunc(uuid, func(c rune) bool { return c <= ' ' || c > '~' }):
		return "", badRequest("uuid has a character that no uuid has; send the uuid of the user " +
			"as Capture writes it")
	}
	return uuid, nil
}

// revoke ends all sessions of a user, and says how many there were.
func (s *Server) revoke(c echo.Context) error {
	uuid, err := operatorCall(c.Request())
	if err != nil {
		return err
	}
	announce(c)
	ended, err := s.config.Sessions.Revoke(c.Request().Context(), uuid)
	if err != nil {
		return err
	}
	return sayJSON(c, http.StatusOK, api.RevokeAnswer{Ended: ended})
}

// list tells an operator which sessions a user has. It shows no id and no token.
func (s *Server) list(c echo.Context) error {
	uuid, err := operatorCall(c.Request())
	if err != nil {
		return err
	}
	listed, err := s.config.List(c.Request().Context(), uuid)
	if err != nil {
		return &session.Error{Code: api.StoreUnavailable, RetryAfter: retryLate, Detail: "the " +
			"session store did not answer; ask again in a moment", Cause: err}
	}
	answer := api.ListAnswer{Sessions: []api.ListedSession{}}
	for _, each := range listed {
		answer.Sessions = append(answer.Sessions, api.ListedSession{
			Session:         each.Key.Tag(),
			Mode:            string(each.Mode),
			Opened:          timestamp(each.Opened),
			Seen:            timestamp(each.Seen),
			Renewed:         timestamp(each.Renewed),
			IdleExpires:     timestamp(each.IdleExpires),
			AbsoluteExpires: timestamp(each.AbsoluteExpires),
			Key:             each.KeyID,
		})
	}
	return sayJSON(c, http.StatusOK, answer)
}

// timestamp writes a time as RFC 3339 has it, to the second, in UTC.
func timestamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }
