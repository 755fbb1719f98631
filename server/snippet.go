package server

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/capture-keepalive/capture-keepalive/server/config"
)

func (p *program) snippetCommand() *cobra.Command {
	var endpoint string
	command := &cobra.Command{
		Use:   "snippet",
		Short: "Print what to put on a page",
		Long: "Print the stub and the script tag for a page. The stub stands inline, before " +
			"the page's own\n" +
			"scripts and before the Registration UI; it keeps calls and events until " +
			"keepalive.js is there.",
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			place, ok := placeOf(endpoint)
			if !ok {
				return usageError("--endpoint must be a path or an address with a path, such as " +
					"/keepalive or https://keepalive.example.com/keepalive")
			}
			text, err := snippet(p.files, place)
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(p.stdout, text)
			return err
		},
	}
	command.Flags().StringVar(&endpoint, "endpoint", config.Default("BASE_PATH"),
		"where the server is, as pages see it")
	return command
}

// placeOf returns the path below which a page finds the server, with or without
// an origin, if both are what the server's own settings could be.
func placeOf(endpoint string) (place string, ok bool) {
	place, err := config.Clean(endpoint)
	if err != nil {
		return "", false
	}
	place = strings.TrimRight(place, "/")
	path := place
	if address, err := url.Parse(place); err == nil && address.Host != "" {
		origin := address.Scheme + "://" + address.Host
		if _, err := config.Origin(origin); err != nil {
			return "", false
		}
		path = strings.TrimPrefix(place, origin)
	}
	_, err = config.Check("BASE_PATH", path)
	return place, err == nil && path != ""
}

var errNoStub = errors.New("the page's files are not in this program; take a release, or build " +
	"with: make build")

// snippet is the stub, inline, and the tag.
func snippet(files fs.FS, endpoint string) (string, error) {
	stub, err := fs.ReadFile(files, "stub.js")
	if err != nil {
		return "", errNoStub
	}
	script := strings.TrimSpace(string(stub))
	if strings.Contains(strings.ToLower(script), "</script") {
		return "", errors.New("stub.js of this build cannot stand inline; report it")
	}
	elsewhere := ""
	if endpoint != config.Default("BASE_PATH") {
		// Where the script comes from says nothing of where the server is.
		elsewhere = fmt.Sprintf(" data-endpoint=\"%s\"", endpoint)
	}
	return fmt.Sprintf("<script>%s</script>\n<script async src=\"%s/keepalive.js\" data-start "+
		"data-dialog%s></script>\n", script, endpoint, elsewhere), nil
}
