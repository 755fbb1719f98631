// Package setup makes the first configuration of a server: it asks what only
// the operator knows, makes the keys, and writes the environment file.
package setup

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/capture-keepalive/capture-keepalive/server/config"
)

const (
	// EnvironmentFile and KeysFile are the files that Write makes.
	EnvironmentFile = "environment"
	KeysFile        = "keys"

	// UnitFolder is where the systemd unit looks for the settings. It names the
	// files with secrets itself: what the environment file says of them would
	// count instead, and the service cannot read those.
	UnitFolder = "/etc/capture-keepalive"

	issuerSecretFile = "issuer-client-secret"
	loginSecretFile  = "login-client-secret"
	storeFile        = "keepalive.db" // as the default of config
)

// Answers are what only the operator knows. Names are those of the settings.
type Answers struct {
	values map[string]string
	// ResponseType is token, code or both.
	ResponseType string
	// Proxy is one of Proxies, or NoProxy.
	Proxy string
}

func (a *Answers) clientSide() bool { return a.ResponseType != "code" }
func (a *Answers) serverSide() bool { return a.ResponseType != "token" }

// question is one of Ask.
type question struct {
	name  string // of the setting
	text  string
	asked func(*Answers) bool // nil: always
}

var questions = []question{
	{name: "ORIGINS", text: "The origin of your pages, such as https://www.example.com " +
		"(several with commas)"},
	{name: "CAPTURE_URL", text: "The address of your Capture application, such as " +
		"https://app.us.janraincapture.com"},
	{name: "CLIENT_ID", text: "The clientId of the page's settings", asked: (*Answers).clientSide},
	{name: "ISSUER_CLIENT_ID", text: "The id of the API client with the access_issuer " +
		"feature", asked: (*Answers).clientSide},
	{name: "LOGIN_CLIENT_ID", text: "The id of the client with the login_client " +
		"feature", asked: (*Answers).serverSide},
	{name: "REDIRECT_URI", text: "The redirectUri of the page's " +
		"settings", asked: (*Answers).serverSide},
}

// errNoInput ends questions without an answer.
var errNoInput = errors.New("init ended before all questions were answered; nothing was " +
	"written")

// asker asks on a terminal, or reads the answers from a file.
type asker struct {
	ctx   context.Context
	lines <-chan string
	to    io.Writer
}

// Ask asks until each answer is one that the server would take. It gives up
// when the input ends or ctx does.
func Ask(ctx context.Context, from io.Reader, to io.Writer) (*Answers, error) {
	lines := make(chan string)
	go func() { // ends with the process: a read from a terminal cannot be canceled
		defer close(lines)
		scanner := bufio.NewScanner(from)
		for scanner.Scan() {
			lines <- scanner.Text()
		}
	}()
	ask := asker{ctx: ctx, lines: lines, to: to}
	answers := &Answers{values: make(map[string]string)}
	var err error
	types := []string{"token", "code", "both"}
	if answers.ResponseType, err = ask.choice("The responseType of the page's "+
		"settings", types); err != nil {
		return nil, err
	}
	for _, q := range questions {
		if q.asked != nil && !q.asked(answers) {
			continue
		}
		if answers.values[q.name], err = ask.setting(q); err != nil {
			return nil, err
		}
	}
	answers.Proxy, err = ask.choice("The proxy in front, on this "+
		"machine", append(Proxies(), NoProxy))
	return answers, err
}

// setting asks until the answer is one that the server would take.
func (a asker) setting(q question) (string, error) {
	for {
		fmt.Fprintf(a.to, "%s:\n> ", q.text)
		text, err := a.line()
		if err != nil {
			return "", err
		}
		value, err := config.Check(q.name, text)
		if err == nil && !writable(value) {
			err = errors.New("init cannot write a value with a quote; leave the quote out, or " +
				"write %27 in an address")
		}
		if err == nil {
			return value, nil
		}
		fmt.Fprintf(a.to, "%s\n", err)
	}
}

// choice asks for one of a list; nothing means the first.
func (a asker) choice(text string, list []string) (string, error) {
	for {
		fmt.Fprintf(a.to, "%s (%s) [%s]:\n> ", text, strings.Join(list, ", "), list[0])
		line, err := a.line()
		if err != nil {
			return "", err
		}
		answer, err := config.Clean(line)
		answer = strings.ToLower(answer)
		switch {
		case err == nil && answer == "":
			return list[0], nil
		case err == nil && slices.Contains(list, answer):
			return answer, nil
		}
		fmt.Fprintf(a.to, "Write one of %s.\n", strings.Join(list, ", "))
	}
}

func (a asker) line() (string, error) {
	select {
	case line, ok := <-a.lines:
		if ok {
			return line, nil
		}
	case <-a.ctx.Done():
	}
	fmt.Fprintln(a.to) // below the question
	return "", errNoInput
}

// Folder returns the path of a folder that an environment file can name.
func Folder(dir string) (string, error) {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return "", fmt.Errorf("--dir %q is no folder; make it first, or name another one", dir)
	}
	absolute, err := filepath.Abs(dir)
	if err == nil && !writable(absolute) {
		err = fmt.Errorf("the path %q has a quote, a line break or the like, which no "+
			"environment file can name; name another folder with --dir", absolute)
	}
	return absolute, err
}

// Ready fails for a folder that has keys or settings already, or takes no file:
// the answers to all questions would be lost. An environment file of a package
// has explanations alone, and Write replaces it.
func Ready(dir string) error {
	for _, name := range []string{EnvironmentFile, KeysFile} {
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		replaced := name == EnvironmentFile && err == nil && !hasSettings(string(text))
		if !errors.Is(err, os.ErrNotExist) && !replaced {
			return fmt.Errorf("%s is there already, and is left as it is; move it away or name "+
				"another folder with --dir", path)
		}
	}
	probe, err := os.MkdirTemp(dir, "init-*")
	if err != nil {
		return fmt.Errorf("nothing can be written to the folder (%w); name another one with "+
			"--dir, or run init as its owner", err)
	}
	return os.Remove(probe)
}

// Write makes the keys and writes both files into dir.
func Write(dir string, answers *Answers) error {
	dir, err := Folder(dir)
	if err == nil {
		err = Ready(dir) // the answers took a while
	}
	if err != nil {
		return err
	}
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails (crypto/rand)
	keys := "k1:" + base64.StdEncoding.EncodeToString(raw[:]) + "\n"
	if err := writeNew(filepath.Join(dir, KeysFile), keys); err != nil {
		return err
	}
	environment := filepath.Join(dir, EnvironmentFile)
	if err := os.Remove(environment); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return writeNew(environment, render(dir, answers))
}

// hasSettings reports whether an environment file has more than comments.
func hasSettings(text string) bool {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return true
		}
	}
	return false
}

// writeNew writes a file that only its owner can read, if there is none.
func writeNew(path, content string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("%w; move the file away or name another folder with --dir", err)
	}
	_, err = file.WriteString(content)
	return errors.Join(err, file.Close())
}
