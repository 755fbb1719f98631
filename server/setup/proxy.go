package setup

import (
	"embed"
	"strings"

	"github.com/capture-keepalive/capture-keepalive/server/config"
)

//go:embed proxy
var blocks embed.FS

// NoProxy is the answer of who needs no block.
const NoProxy = "none"

// Proxies are those that Block knows, the most likely first.
func Proxies() []string { return []string{"nginx", "caddy", "apache", "haproxy", "traefik"} }

// Block is the configuration that passes the server's path on, for a proxy of
// Proxies on this machine. It is empty for any other name.
func Block(proxy string) string {
	text, err := blocks.ReadFile("proxy/" + proxy)
	if err != nil {
		return ""
	}
	return strings.NewReplacer(
		"{{path}}", config.Default("BASE_PATH"), "{{listen}}", config.Default("LISTEN"),
	).Replace(string(text))
}
