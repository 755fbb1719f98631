package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

// results is all that was measured.
type results struct {
	speeds []speed
	memory []resident
	calls  float64 // of one session in an hour
}

// speed is one line of the first table.
type speed struct {
	name      string
	perSecond float64
	ratio     float64 // to the bare echo handler
	p50, p99  time.Duration
}

// resident is a store and the bytes in RAM with a crowd of sessions.
type resident struct {
	store string
	bytes float64
}

// describe names the subjects of the first table.
var describe = map[string]string{
	bareHTTP: "bare net/http handler", bareEcho: "bare echo handler",
	boltLoud: "token endpoint, bolt, `LOG_LEVEL=debug`",
	"memory": "token endpoint, memory", "bolt": "token endpoint, bolt", "redis": "token endpoint, Redis",
}

// page is docs/performance.md.
func (r results) page(at time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Performance

Written by `+"`make bench`"+` on %s with %s, %s/%s, %d cores.
The client and, for Redis, Redis share these cores with the server. Each server has one core
(GOMAXPROCS=1). Loopback only. Compare the ratios, which are of the same run; the absolute numbers
depend on the load of the machine.

## Requests

%d connections ask for the token of %d sessions while it is fresh, which is what pages do most.
The bare handlers decode the same body into a struct and encode a struct of the same size, with
what their package has for that (`+"`Bind` and `JSON` of echo, `encoding/json` for `net/http`"+`),
and check nothing. The real one also checks origin, headers and cookie, reads the session from the
store and decrypts it, and counts. At `+"`LOG_LEVEL=debug`"+` it also logs a line for each request; at
the default it logs only what changes (see [operations](operations.md#the-log)). The signature of
the cookie is verified each time. Medians of %d turns of %s.
The bar is %.0f %% of bare echo with bolt: below it, `+"`make bench`"+` fails.

| | requests/s | of bare echo | p50 | p99 |
| --- | --: | --: | --: | --: |
`, at.UTC().Format(time.DateOnly), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(),
		connections, users, rounds, turn, 100*bar)
	for _, s := range r.speeds {
		fmt.Fprintf(&b, "| %s | %.0f | %.0f %% | %s | %s |\n", describe[s.name], s.perSecond, 100*s.ratio, millis(s.p50), millis(s.p99))
	}
	b.WriteString("\nWhere the time goes: `go test -run ^$ -bench FreshToken -cpuprofile cpu.out ./server`.\n")
	fmt.Fprintf(&b, `
## Memory

Resident memory of the server with %d sessions, right after they were opened over HTTP. With bolt
the file's pages in the cache count as well.

| store | MB |
| --- | --: |
`, crowd)
	for _, m := range r.memory {
		fmt.Fprintf(&b, "| %s | %.0f |\n", m.store, m.bytes/1e6)
	}
	fmt.Fprintf(&b, `
## Calls to Capture

%.2f calls in an hour for a session with %d tabs that all ask at once whenever the token of an hour
is due (%d simulated hours). In the browser one of them asks for all.
`, r.calls, tabs, hours)
	return b.String()
}

// verdict says whether the bar is met. What was not measured has not met it.
func (r results) verdict() (sentence string, met bool) {
	i := slices.IndexFunc(r.speeds, func(s speed) bool { return s.name == "bolt" })
	if i < 0 {
		return "fresh token over bolt: not measured", false
	}
	ratio := r.speeds[i].ratio
	return fmt.Sprintf("fresh token over bolt: %.1f %% of bare echo, the bar is %.0f %%", 100*ratio, 100*bar), ratio >= bar
}

func millis(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1000) }
