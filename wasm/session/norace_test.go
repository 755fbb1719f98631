//go:build !race

package session_test

const shallower = 0
