package config

import "fmt"

// LoginAdvice says what is wrong with the limit of logins, or nothing: a server
// on loopback has a proxy in front of it, and without its address every visitor
// looks like that proxy. With InsecureCookie the browser is on this machine.
func (c *Config) LoginAdvice() string {
	if c.RateLogin.Off() || c.InsecureCookie || len(c.Proxies) > 0 || !LoopbackAddress(c.Listen) {
		return ""
	}
	return fmt.Sprintf("KEEPALIVE_TRUSTED_PROXIES is empty and KEEPALIVE_LISTEN is on loopback, so all visitors share "+
		"the one limit of logins (KEEPALIVE_RATE_LOGIN, %s) that is meant for each. "+
		"Set KEEPALIVE_TRUSTED_PROXIES to the proxy's address, 127.0.0.1/32 for one on this machine.", c.RateLogin)
}
