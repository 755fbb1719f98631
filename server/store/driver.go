package store

import (
	"context"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/secret"
)

// Driver is one kind of database. Each backend package exports one as Driver,
// and the package drivers lists them all.
type Driver struct {
	// Schemes are what a location of this kind begins with, up to the colon:
	// "bolt", or "redis" and "rediss".
	Schemes []string
	// Form shows operators how to write a location, such as "bolt:PATH".
	Form string
	// Remote tells that the database is another process, which several servers
	// can share, and that Diagnose asks it.
	Remote bool
	// Validate checks the form of a location, and contacts nothing. Its errors
	// name the part and the remedy, and hold nothing of the location, which can
	// hold a password.
	Validate func(location secret.String) error
	// Open opens the database, and creates it where that is usual. ctx bounds
	// opening alone. Errors hold no password.
	Open func(ctx context.Context, location secret.String) (Backend, error)
	// Diagnose finds out whether Open would succeed, beside a server that may be
	// using the same database, and leaves nothing behind. advice is as that of
	// Advise and of Adviser together. Nil: there is nothing to find out.
	Diagnose func(ctx context.Context, location secret.String) (advice []string, err error)
	// Advise returns one sentence for each risk that the location itself shows,
	// and contacts nothing. Nil: there is none.
	Advise func(location secret.String) []string
}

// Adviser is a Backend that can tell what puts its sessions at risk now: a
// setting of the database, or what others have done to it.
type Adviser interface {
	// Advice returns one sentence for each risk: what it means and what to do.
	// It is empty where all is well, or where the database does not say. It is
	// asked each minute.
	Advice(ctx context.Context) []string
}

// Timekeeper is a Backend with a clock that all its servers share.
type Timekeeper interface {
	// Time is what that clock says now. Unlike a Moment it goes back with the clock.
	Time(ctx context.Context) (time.Time, error)
}
