// Package idle has a test file of which nothing runs.
package idle

import "testing"

func BenchmarkNothing(b *testing.B) {
	for b.Loop() {
	}
}
