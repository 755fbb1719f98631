package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"

	"github.com/capture-keepalive/capture-keepalive/server/limit"
)

// maxSecretFile bounds what is read from a file with a value, in bytes.
const maxSecretFile = 64 << 10

// lists are the settings with several entries.
var lists = []string{"ORIGINS", "REDIRECT_URI", "KEYS", "TRUSTED_PROXIES"}

// cleanFor is the cleaning of one setting's value.
func cleanFor(name string) func(string) (string, error) {
	if slices.Contains(lists, name) {
		return CleanList
	}
	return Clean
}

// ours returns the variables with the prefix, by full name, as they are. A
// variable that is set to nothing is not set.
func ours(environment []string) map[string]string {
	values := make(map[string]string)
	for _, line := range environment {
		name, value, _ := strings.Cut(line, "=")
		// The first name of a file can have a byte order mark.
		name = trim(name)
		if strings.HasPrefix(strings.ToUpper(name), Prefix) && trim(value) != "" {
			values[name] = value
		}
	}
	return values
}

// clean cleans the values of the settings that there are.
func (p *Problems) clean(values map[string]string) {
	for _, name := range Names() {
		cleaned, err := cleanFor(name)(values[Prefix+name])
		if err != nil {
			p.add(name, err.Error()+".")
		}
		values[Prefix+name] = cleaned
		if cleaned == "" {
			delete(values, Prefix+name)
		}
	}
}

// AdminListen is the operator's listener of environment. The commands that
// talk to a running server need it, and no secret.
func AdminListen(environment []string) (string, error) {
	const name = "ADMIN_LISTEN"
	address, err := Clean(ours(environment)[Prefix+name])
	if err != nil {
		return "", Problem{Variable: Prefix + name, Text: err.Error()}
	}
	address = cmp.Or(address, Default(name))
	if text := checkAddress(address, Default(name)); text != "" {
		return "", Problem{Variable: Prefix + name, Text: text}
	}
	return address, nil
}

// readFiles replaces each …_FILE by the content of its file.
func (p *Problems) readFiles(values map[string]string) {
	for _, name := range secrets {
		path, given := values[Prefix+name+FileSuffix]
		if !given {
			continue
		}
		if _, both := values[Prefix+name]; both {
			p.add(name, "and "+Prefix+name+FileSuffix+" are both set. Keep one of them.")
			continue
		}
		content, err := readFile(path, cleanFor(name))
		if err != nil {
			p.add(name+FileSuffix, "names a file that "+err.Error()+".")
			continue
		}
		values[Prefix+name] = content
	}
}

// files are the files with secrets that values name.
func files(values map[string]string) map[string]string {
	named := make(map[string]string)
	for _, name := range secrets {
		if path, given := values[Prefix+name+FileSuffix]; given {
			named[name+FileSuffix] = path
		}
	}
	return named
}

// ReadKeys returns the key ring that a file holds. The subject of its errors is
// the file: "cannot be opened …".
func ReadKeys(path string) (string, error) { return readFile(path, CleanList) }

// fileTimeout bounds the reading of a file: one on a network that stands still, or
// a pipe that nothing writes to, would hold up every reading after it.
var fileTimeout = 5 * time.Second

func readFile(path string, clean func(string) (string, error)) (string, error) {
	type answer struct {
		value string
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		value, err := readNow(path, clean)
		done <- answer{value, err}
	}()
	select {
	case a := <-done:
		return a.value, a.err
	case <-time.After(fileTimeout):
		return "", errors.New("cannot be read in time (a pipe, or a disk that stands still?); " +
			"name a plain file")
	}
}

func readNow(path string, clean func(string) (string, error)) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("cannot be opened (%w); correct the path or its permissions", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	if err != nil {
		return "", fmt.Errorf("cannot be read (%w); name a plain file", err)
	}
	if len(content) > maxSecretFile {
		return "", errors.New("has more than 64 KiB, which no secret has; correct the path")
	}
	value, err := clean(string(content))
	if err != nil {
		return "", err
	}
	if value == "" {
		return "", errors.New("is empty; put the value in it")
	}
	return value, nil
}

// unparsed names the variables with a value of the wrong type. The parser's
// own words quote the value and name the Go field, so they are not used.
func (p *Problems) unparsed(err error) {
	var all env.AggregateError
	if !errors.As(err, &all) {
		p.add("*", "cannot be read: "+err.Error())
		return
	}
	for _, one := range all.Errors {
		var wrong env.ParseError
		if !errors.As(one, &wrong) {
			p.add("*", "cannot be read: "+one.Error())
			continue
		}
		field, _ := reflect.TypeFor[Config]().FieldByName(wrong.Name)
		p.add(field.Tag.Get("env"), cmp.Or(remedies[wrong.Type], "cannot be read."))
	}
}

// remedies say how a value of a type is written.
var remedies = map[reflect.Type]string{
	reflect.TypeFor[time.Duration](): "must be a duration with a unit, such as 90s, 30m or 12h.",
	reflect.TypeFor[limit.Rate]():    "must be events/duration, such as 30/1m, or off.",
	reflect.TypeFor[int]():           "must be a whole number, such as 50.",
	reflect.TypeFor[slog.Level]():    "must be debug, info, warn or error.",
	reflect.TypeFor[bool]():          "must be true or false.",
}
