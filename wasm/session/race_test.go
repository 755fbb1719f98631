//go:build race

package session_test

// shallower is how much less deep the model is explored: the race detector
// makes it ten times slower, and has nothing to find there.
const shallower = 2
