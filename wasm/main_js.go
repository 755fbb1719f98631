// The browser half of capture-keepalive: a WebAssembly module that the loader
// (web/src) starts when the page is idle or when something needs it.
package main

import "github.com/capture-keepalive/capture-keepalive/wasm/browser"

func main() {
	if err := browser.Run(); err != nil {
		// The loader takes any exit for a crash, restarts once and then stands
		// aside; this line on the console says why.
		println("capture-keepalive: " + err.Error())
	}
}
