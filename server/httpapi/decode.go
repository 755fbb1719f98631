package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

// object names the members a body may have, in the order of their names.
type object []member

// member is a name and where its value goes: a *string or an *int64.
type member struct {
	name string
	into any
}

// decode reads a body that must be one JSON object with members of known names
// and types, each at most once. encoding/json alone would take two spellings
// of a name and the last of two members, so that a proxy in front and the
// server could read two different requests.
func decode(r *http.Request, into object) error {
	body, err := readBody(r)
	if err != nil {
		return err
	}
	if into.plain(body) {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	if opening, err := decoder.Token(); err != nil || opening != json.Delim('{') {
		return badRequest("the body must be a JSON object")
	}
	seen := make([]bool, len(into))
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return badRequest("the body is not well-formed JSON")
		}
		name, _ := token.(string) // in an object the decoder yields nothing else here
		at := into.index(name)
		switch {
		case at < 0:
			// The name itself is not repeated: it is the page's, and may be a
			// token in the wrong place.
			return badRequest("the body has a member that this call does not know; it knows " + into.names())
		case seen[at]:
			return badRequest(name + " is there more than once; send it once")
		}
		seen[at] = true
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return badRequest("the body is not well-formed JSON")
		}
		if err := assign(name, value, into[at].into); err != nil {
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

// plain reads a body as our own page writes it: no spaces, and strings of
// printable ASCII that need no escape. It takes nothing that encoding/json would
// not take, and costs a tenth of it; false leaves the body, right or wrong, to that.
func (o object) plain(body []byte) bool {
	seen := 0 // a bit for each member
	for lead := byte('{'); ; lead = ',' {
		name, rest, _ := cutPlain(body, lead) // without a name there is no value either
		value, rest, ok := cutPlain(rest, ':')
		at := o.index(string(name))
		if !ok || at < 0 || seen>>at&1 == 1 {
			return false
		}
		target, text := o[at].into.(*string)
		if !text {
			return false
		}
		*target = string(value)
		seen |= 1 << at
		if string(rest) == "}" {
			return true
		}
		body = rest
	}
}

// cutPlain takes lead and a plain string from the front of body.
func cutPlain(body []byte, lead byte) (text, rest []byte, ok bool) {
	if len(body) < 2 || body[0] != lead || body[1] != '"' {
		return nil, nil, false
	}
	body = body[2:]
	for i, c := range body {
		switch {
		case c == '"':
			return body[:i], body[i+1:], true
		case c < ' ', c > '~', c == '\\':
			return nil, nil, false
		}
	}
	return nil, nil, false
}

// index is where the member of that name is, or -1.
func (o object) index(name string) int {
	return slices.IndexFunc(o, func(m member) bool { return m.name == name })
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

var errTooLarge = &problem{code: api.TooLarge, detail: "the body must not be over 4096 bytes"}

func readBody(r *http.Request) ([]byte, error) {
	if r.ContentLength > api.MaxBody {
		return nil, errTooLarge
	}
	var (
		body []byte
		err  error
	)
	if r.ContentLength >= 0 { // as from every browser
		body = make([]byte, r.ContentLength)
		_, err = io.ReadFull(r.Body, body)
	} else {
		body, err = io.ReadAll(io.LimitReader(r.Body, api.MaxBody+1))
	}
	switch {
	case err != nil:
		return nil, badRequest("the body could not be read to its end")
	case len(body) > api.MaxBody:
		return nil, errTooLarge
	}
	return body, nil
}

func (o object) names() string {
	if len(o) == 0 {
		return "none"
	}
	names := make([]string, len(o))
	for i, each := range o {
		names[i] = each.name
	}
	return strings.Join(names, ", ")
}
