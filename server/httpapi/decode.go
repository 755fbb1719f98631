package httpapi

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"

	"github.com/capture-keepalive/capture-keepalive/server/api"
)

// decode reads a body that must be one JSON object, with the members of the
// struct T, each at most once. encoding/json alone would take two spellings of
// a name, and the last of two members, so that a proxy in front and the server
// could read two different requests.
func decode[T any](r *http.Request) (T, error) {
	var into T
	body, err := readBody(r)
	if err != nil {
		return into, err
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if opening, err := decoder.Token(); err != nil || opening != json.Delim('{') {
		return into, badRequest("the body must be a JSON object")
	}
	if err := decodeObject(decoder, "", reflect.ValueOf(&into).Elem()); err != nil {
		return into, err
	}
	if rest := body[decoder.InputOffset():]; len(bytes.TrimLeft(rest, " \t\r\n")) > 0 {
		return into, badRequest("something follows the JSON object in the body; remove it")
	}
	return into, nil
}

// decodeNothing reads the body of a call that takes none.
func decodeNothing(r *http.Request) error {
	_, err := decodeOptional[struct{}](r)
	return err
}

// decodeOptional reads a body that may be left out.
func decodeOptional[T any](r *http.Request) (T, error) {
	if r.ContentLength == 0 {
		var nothing T
		return nothing, nil
	}
	return decode[T](r)
}

var errMalformed = badRequest("the body is not well-formed JSON")

// decodeObject reads the members of an object of which the opening brace was
// read. path stands before their names in errors.
func decodeObject(decoder *json.Decoder, path string, into reflect.Value) error {
	fields := fieldsOf(into.Type())
	seen := make([]bool, len(fields))
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return errMalformed
		}
		name, _ := token.(string) // in an object the decoder yields nothing else here
		at := slices.Index(fields, name)
		switch {
		case at < 0:
			// The name itself is not repeated: it is the page's, and may be a
			// token in the wrong place.
			return badRequest("the body has a member that this call does not know; it knows " +
				"" + listed(path, fields))
		case seen[at]:
			return badRequest(path + name + " is there more than once; send it once")
		}
		seen[at] = true
		if err := decodeMember(decoder, path+name, into.Field(at)); err != nil {
			return err
		}
	}
	if _, err := decoder.Token(); err != nil {
		return errMalformed
	}
	return nil
}

// decodeMember reads one value: an object for a pointer to a struct, else a
// string or a whole number.
func decodeMember(decoder *json.Decoder, name string, into reflect.Value) error {
	token, err := decoder.Token()
	if err != nil {
		return errMalformed
	}
	switch value := token.(type) {
	case json.Delim:
		if value == '{' && into.Kind() == reflect.Pointer {
			into.Set(reflect.New(into.Type().Elem()))
			return decodeObject(decoder, name+".", into.Elem())
		}
	case string:
		if into.Kind() == reflect.String {
			into.SetString(value)
			return nil
		}
	case json.Number:
		if number, err := value.Int64(); err == nil && into.CanInt() {
			into.SetInt(number)
			return nil
		}
	}
	return badRequest(name + " must be " + kindOf(into))
}

// kindOf is what a member holds, in words.
func kindOf(member reflect.Value) string {
	switch member.Kind() {
	case reflect.Pointer:
		return "an object"
	case reflect.String:
		return "a string"
	default:
		return "a whole number"
	}
}

// fieldsOf returns the name of each field of a struct, as JSON has it.
func fieldsOf(shape reflect.Type) []string {
	names := make([]string, shape.NumField())
	for i := range names {
		names[i], _, _ = strings.Cut(shape.Field(i).Tag.Get("json"), ",")
	}
	return names
}

func listed(path string, names []string) string {
	if len(names) == 0 {
		return "none"
	}
	sorted := slices.Sorted(slices.Values(names))
	return path + strings.Join(sorted, ", "+path)
}

var errTooLarge = refuse(api.TooLarge, "the body must not be over 4096 bytes")

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
