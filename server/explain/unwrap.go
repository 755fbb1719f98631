package explain

import (
	"bytes"
	"encoding/json"
)

const (
	// maxWraps is how many collectors may have wrapped a line, one in another.
	maxWraps = 3
	// maxStarts is at how many braces of a text an object is looked for.
	maxStarts = 8
)

// parse finds the server's line in a line of a log. Collectors put text in
// front of it, with braces of its own perhaps ({app="x"} in Loki), or make it a
// field of an object: MESSAGE in journald's JSON, log in Docker's.
func parse(raw []byte) (line, bool) { return find(raw, maxWraps) }

// find looks for the server's line in a text.
func find(text []byte, wraps int) (line, bool) {
	for range maxStarts {
		start := bytes.IndexByte(text, '{')
		if start < 0 {
			break
		}
		text = text[start:]
		var object json.RawMessage
		if json.NewDecoder(bytes.NewReader(text)).Decode(&object) != nil {
			text = text[1:]
			continue
		}
		if found, ok := unwrap(object, wraps); ok {
			return found, true
		}
		text = text[len(object):]
	}
	return line{}, false
}

// unwrap returns the line that an object is, or that one of its fields holds.
func unwrap(object []byte, wraps int) (line, bool) {
	var parsed line
	err := json.Unmarshal(object, &parsed)
	if err == nil && !parsed.Time.IsZero() && parsed.Msg != "" {
		return parsed, parsed.Session == "" || tag.MatchString(parsed.Session)
	}
	var fields map[string]json.RawMessage
	if wraps == 0 || json.Unmarshal(object, &fields) != nil {
		return line{}, false
	}
	for _, value := range fields {
		var text string
		if json.Unmarshal(value, &text) == nil {
			value = []byte(text)
		}
		if found, ok := find(value, wraps-1); ok {
			return found, true
		}
	}
	return line{}, false
}
