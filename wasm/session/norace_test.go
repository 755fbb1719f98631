//go:build !race && !js

package session_test

const shallower = 0
