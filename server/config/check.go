package config

import "errors"

// example is a configuration that is whole, so that one value can be checked
// within it.
var example = map[string]string{
	"ORIGINS": "https://www.example.com", "CAPTURE_URL": "https://app.us.janraincapture.com",
	"CLIENT_ID": "page", "ISSUER_CLIENT_ID": "issuer", "ISSUER_CLIENT_SECRET": "secret",
	"LOGIN_CLIENT_ID": "login", "LOGIN_CLIENT_SECRET": "secret", "REDIRECT_URI": "https://www.example.com/",
}

// Check returns the value of one setting, by its name without prefix, as Read
// would take it. The error is a Problem of that setting.
func Check(name, value string) (string, error) {
	environment := []string{Prefix + name + "=" + value}
	for other, good := range example {
		if other != name {
			environment = append(environment, Prefix+other+"="+good)
		}
	}
	_, err := Read(environment)
	var problems Problems
	errors.As(err, &problems)
	for _, problem := range problems {
		if problem.Variable == Prefix+name {
			return "", problem
		}
	}
	return cleanFor(name)(value)
}
