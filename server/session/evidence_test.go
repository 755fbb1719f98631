package session

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/store"
)

// What Capture has said in ten minutes decides whether the last user that it
// calls gone is believed to be.
func TestEvidence(t *testing.T) {
	type step struct {
		after    time.Duration
		known    int // answers about users that Capture knew
		from, to int // users that it then calls gone
	}
	for _, tc := range []struct {
		name     string
		steps    []step
		believed bool
	}{
		{"three users", []step{{0, 0, 0, 3}}, true},
		{"four users", []step{{0, 0, 0, 4}}, false},
		{"one user, again and again", []step{{0, 0, 0, 3}, {time.Minute, 0, 0, 1}}, true},
		{"one user in two periods", []step{{0, 0, 0, 3}, {6 * time.Minute, 0, 0, 1}}, true},
		{"four users in two periods", []step{{0, 0, 0, 3}, {6 * time.Minute, 0, 3, 4}}, false},
		{"four users in three periods",
			[]step{{0, 0, 0, 2}, {6 * time.Minute, 0, 2, 3}, {6 * time.Minute, 0, 3, 4}}, true},
		{"four users, after a quiet time", []step{{0, 0, 0, 3}, {11 * time.Minute, 0, 3, 4}}, true},
		{"one in five", []step{{0, 36, 0, 9}}, true},
		{"more than one in five", []step{{0, 35, 0, 9}}, false},
		{"one in five, the others just before", []step{{0, 36, 0, 0}, {6 * time.Minute, 0, 0, 9}}, true},
		{"one in five, the others long before", []step{{0, 36, 0, 0}, {11 * time.Minute, 0, 0, 9}}, false},
		{"more users than are counted", []step{{0, 10 * countedUsers, 0, countedUsers + 1}}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var e evidence
				believed := false
				for _, step := range tc.steps {
					<-time.After(step.after)
					for range step.known {
						e.seen()
					}
					for n := step.from; n < step.to; n++ {
						var user store.Owner
						binary.BigEndian.PutUint32(user[:], uint32(n))
						believed = e.believe(user)
					}
				}
				if believed != tc.believed {
					t.Errorf("the last one is believed: %v, want %v", believed, tc.believed)
				}
			})
		})
	}
}
