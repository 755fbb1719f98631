package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

// object names the members a body may have and where each goes: a *string or
// an *int64.
type object map[string]any

// decode reads a body that must be one JSON object with members of known names
// and types, each at most once. encoding/json alone would take two spellings
// of a name and the last of two members, so that a proxy in front and the
// server could read two different requests.
func decode(r *http.Request, into object) error {
	body, err := readBody(r)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if opening, err := decoder.Token(); err != nil || opening != json.Delim('{') {
		return badRequest("the body must be a JSON object")
	}
	seen := make(map[string]bool, len(into))
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return badRequest("the body is not well-formed JSON")
		}
		name, _ := token.(string) // in an object the decoder yields nothing else here
		target, known := into[name]
		switch {
		case !known:
			// The name itself is not repeated: it is the page's, and may be a
			// token in the wrong place.
			return badRequest("the body has a member that this call does not know; it knows " + into.names())
		case seen[name]:
			return badRequest(name + " is there more than once; send it once")
		}
		seen[name] = true
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return badRequest("the body is not well-formed JSON")
		}
		if err := assign(name, value, target); err != nil {
			return err
		}
	}
	if _, err := decoder.Token(); err != nil {
		return badRequest("the body is not well-formed JSON")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return badRequest("something follows the JSON object in the body; remove it")
	}
	return nil
}

// decodeNothing reads the body of a call that takes none.
func decodeNothing(r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	return decode(r, object{})
}

func assign(name string, value json.RawMessage, target any) error {
	kind, fits := "a string", value[0] == '"'
	if _, number := target.(*int64); number {
		kind, fits = "a whole number", value[0] == '-' || value[0] >= '0' && value[0] <= '9'
	}
	// The first byte is looked at because null fits anything for encoding/json.
	if !fits || json.Unmarshal(value, target) != nil {
		return badRequest(name + " must be " + kind)
	}
	return nil
}

func readBody(r *http.Request) ([]byte, error) {
	tooLarge := &problem{code: api.TooLarge, detail: "the body must not be over 4096 bytes"}
	if r.ContentLength > api.MaxBody {
		return nil, tooLarge
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, api.MaxBody+1))
	switch {
	case err != nil:
		return nil, badRequest("the body could not be read to its end")
	case len(body) > api.MaxBody:
		return nil, tooLarge
	}
	return body, nil
}

func (o object) names() string {
	if len(o) == 0 {
		return "none"
	}
	return strings.Join(slices.Sorted(maps.Keys(o)), ", ")
}
