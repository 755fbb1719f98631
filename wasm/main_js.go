// The browser half of capture-keepalive: a WebAssembly module that the loader
// (web/keepalive.js) starts when the page is idle or when something needs it.
package main

import (
	"os"

	"github.com/capture-keepalive/capture-keepalive/wasm/browser"
)

func main() {
	if err := browser.Run(); err != nil {
		// The loader takes an exit for a crash, restarts once and then stands
		// aside; this line on the console says why.
		_, _ = os.Stderr.WriteString("capture-keepalive: " + err.Error() + "\n")
		os.Exit(1)
	}
}
