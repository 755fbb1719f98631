package explain

import (
	"bytes"
	"encoding/json"
)

const (
	// maxWraps is in how many objects and lists a line may lie: the answer of
	// Elasticsearch or Loki to a query has five around what a collector sent.
	maxWraps = 8
	// maxStarts is how many braces of a text may begin no object.
	maxStarts = 8
)

// parse finds the server's lines in a line of a log. Collectors put text in
// front of one, with braces of its own perhaps ({app="x"} in Loki), make it a
// field of an object (MESSAGE in journald's JSON, log in Docker's), or export
// many in one list.
func parse(raw []byte) []line { return find(raw, maxWraps) }

// find looks for the server's lines in a text.
func find(text []byte, wraps int) []line {
	var found []line
	for failures := 0; failures < maxStarts; {
		start := bytes.IndexByte(text, '{')
		if start < 0 {
			break
		}
		text = text[start:]
		var object json.RawMessage
		if json.NewDecoder(bytes.NewReader(text)).Decode(&object) != nil {
			text = text[1:]
			failures++
			continue
		}
		found = append(found, unwrap(object, wraps)...)
		text = text[len(object):]
	}
	return found
}

// unwrap returns the line that an object is, or those that its fields hold.
func unwrap(object []byte, wraps int) []line {
	var parsed line
	err := json.Unmarshal(object, &parsed)
	if err == nil && !parsed.Time.IsZero() && parsed.Msg != "" {
		if parsed.Session != "" && !tag.MatchString(parsed.Session) {
			return nil
		}
		return []line{parsed}
	}
	var fields map[string]json.RawMessage
	if wraps == 0 || json.Unmarshal(object, &fields) != nil {
		return nil
	}
	var found []line
	for _, value := range fields {
		found = append(found, inside(value, wraps-1)...)
	}
	return found
}

// inside looks for lines in a value of JSON: an object, a list, or a text that
// holds one.
func inside(value json.RawMessage, wraps int) []line {
	var list []json.RawMessage
	var text string
	switch {
	case value[0] == '[' && wraps > 0 && json.Unmarshal(value, &list) == nil:
		var found []line
		for _, element := range list {
			found = append(found, inside(element, wraps-1)...)
		}
		return found
	case value[0] == '"' && json.Unmarshal(value, &text) == nil:
		value = []byte(text)
	}
	return find(value, wraps)
}
