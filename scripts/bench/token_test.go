package bench

import (
	"slices"
	"testing"
)

const (
	// leastShare is the least part of the requests of a bare net/http handler
	// that the token endpoint over bolt must answer.
	leastShare = 0.5
	// leastGain is the same for the store in memory, compared with bolt. Two
	// runs of one server differ by 3 %.
	leastGain = 0.97
)

// What pages do most: ask for a token while it is fresh.
func BenchmarkToken(b *testing.B) {
	for _, kind := range []string{bareHTTP, bareEcho, "memory", "bolt", boltDebug, "redis"} {
		b.Run("server="+kind, func(b *testing.B) {
			server := newWorld(b).start(kind)
			for b.Loop() {
				server.load(b).report(b)
			}
		})
	}
}

// The servers take turns, so that what else the machine does slows all of them.
func BenchmarkShareOfNetHTTP(b *testing.B) {
	const rounds = 9
	w := newWorld(b)
	bare, inMemory, inBolt := w.start(bareHTTP), w.start("memory"), w.start("bolt")
	for b.Loop() {
		var shares, gains []float64
		for range rounds {
			ofBare, ofMemory, ofBolt := bare.load(b), inMemory.load(b), inBolt.load(b)
			shares = append(shares, ofBolt.perSecond/ofBare.perSecond)
			gains = append(gains, ofMemory.perSecond/ofBolt.perSecond)
		}
		atLeast(b, "bolt/net-http", median(shares), leastShare)
		atLeast(b, "memory/bolt", median(gains), leastGain)
	}
}

func atLeast(b *testing.B, what string, got, want float64) {
	b.Helper()
	b.ReportMetric(got, what)
	if got < want {
		b.Errorf("%s = %.2f, want at least %.2f", what, got, want)
	}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// Resident memory with 20,000 sessions, right after they were opened over
// HTTP. With bolt the file's pages in the page cache count as well.
func BenchmarkResidentMemory(b *testing.B) {
	const sessions = 20_000
	for _, kind := range []string{"memory", "bolt"} {
		b.Run("server="+kind, func(b *testing.B) {
			for b.Loop() {
				w := newWorld(b)
				server := w.start(kind)
				w.signIn(server.address, sessions)
				b.ReportMetric(server.residentMemory(b)/1e6, "MB")
			}
		})
	}
}
