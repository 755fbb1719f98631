// Command capture-keepalive keeps people signed in on sites that use the
// Registration UI: it serves the page's module and gets new access tokens from
// the Capture API. Run it with --help for what it can do.
package main

import "github.com/capture-keepalive/capture-keepalive/server"

// version is set by the build.
var version string

func main() { server.Main(version) }
