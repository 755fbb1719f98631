package api_test

import (
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

func TestMarginIsTwoMinutesOrAFifthOfTheLife(t *testing.T) {
	for _, tc := range []struct{ life, want time.Duration }{
		{time.Hour, 2 * time.Minute},
		{10 * time.Minute, 2 * time.Minute},
		{5 * time.Minute, time.Minute},
		{10 * time.Second, 2 * time.Second},
		{0, 0},
	} {
		if got := api.Margin(tc.life); got != tc.want {
			t.Errorf("Margin(%v) = %v, want %v", tc.life, got, tc.want)
		}
	}
}
