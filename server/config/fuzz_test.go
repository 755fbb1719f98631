package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/server/config/configtest"
)

// Whatever the environment says, there is a configuration or a Problems that
// names what is wrong and shows no secret.
func FuzzConfig(f *testing.F) {
	const mark = "zq!9xw"
	for _, name := range Names() {
		f.Add(name, "1h", "k1:c2V2ZW50ZWVuIGJ5dGVzIGFuZCBmaWZ0ZWVuIG1vcmU=")
		f.Add(name, "https://user:password@www.example.com:443/x?y#z", "0123456789abcdef")
		f.Add(name, "127.0.0.1:99999,10.0.0.0/33", "")
	}
	f.Fuzz(func(t *testing.T, name, value, hidden string) {
		if strings.HasSuffix(name, FileSuffix) {
			return // it would read any file
		}
		if strings.Contains(name, "=") || strings.Contains(name+value, mark) {
			return
		}
		for _, secretName := range secrets {
			_, err := Read(configtest.Environment(name+"="+value, secretName+"="+mark+hidden))
			if err == nil {
				continue
			}
			var problems Problems
			if !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("%T %v", err, err)
			}
			if strings.Contains(err.Error(), mark) {
				t.Errorf("%s is shown in %q", secretName, err)
			}
		}
	})
}
