// Package echokeepalive is package middleware for sites on echo v4.
package echokeepalive

import (
	"github.com/labstack/echo/v4"

	"github.com/capture-keepalive/capture-keepalive/server/middleware"
)

// Require lets through who is signed in; see [middleware.Middleware.Require].
func Require(m *middleware.Middleware) echo.MiddlewareFunc { return echo.WrapMiddleware(m.Require) }

// Recognize lets everybody through; see [middleware.Middleware.Recognize].
func Recognize(m *middleware.Middleware) echo.MiddlewareFunc {
	return echo.WrapMiddleware(m.Recognize)
}

// Visitor returns who is signed in; ok is false where nobody is.
func Visitor(c echo.Context) (visitor middleware.Visitor, ok bool) {
	return middleware.FromContext(c.Request().Context())
}
