package config

import (
	"errors"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Values come through editors, shells, container engines and secret stores, and
// each of them can leave something around a value: a line break, a byte order
// mark, quotes. What surrounds a value is removed here, for every variable,
// file and command argument. What cannot be removed safely is an error.

// The subject of these errors is the value.
var (
	errNotUTF8 = errors.New("is not UTF-8 text (UTF-16, as some editors and PowerShell write " +
		"it?); save it as UTF-8")
	errControl = errors.New("holds a line break or another control character; remove it")
	errQuote   = errors.New("begins or ends with a quote that has no partner; remove it")
	errEscape  = errors.New(`ends with a backslash and a letter, such as \n, ` +
		"that was not turned into a line break; remove both")
	errTail = errors.New(`ends with a comma, a semicolon or a backslash, which is no part of it; ` +
		"remove it")
	errComment  = errors.New("has a comment behind it; put the comment on a line of its own")
	errAssign   = errors.New("holds the name of the variable, too; leave the value alone")
	errJSON     = errors.New("is JSON; write the value alone")
	errTemplate = errors.New("is a placeholder that was not filled in; write the real value")
)

// quotes are the pairs that shells and editors put around a value.
var quotes = map[rune]rune{'"': '"', '\'': '\'', '`': '`', '“': '”', '‘': '’', '„': '“', '«': '»'}

// Clean returns text without what surrounds the value: white space, marks that
// cannot be seen, and one pair of quotes.
func Clean(text string) (string, error) {
	if strings.ContainsRune(text, 0) || !utf8.ValidString(text) {
		// UTF-16 has one or the other.
		inner := strings.Trim(text, "\x00")
		if !utf8.ValidString(text) || strings.ContainsRune(inner, 0) {
			return "", errNotUTF8
		}
		text = inner
	}
	value := trim(text)
	if inner, ok := unquoted(value); ok {
		value = trim(inner)
	}
	return value, checkClean(value)
}

// checkClean finds what makes no sense at the ends of a value or within.
func checkClean(value string) error {
	first, _ := utf8.DecodeRuneInString(value)
	last, _ := utf8.DecodeLastRuneInString(value)
	switch {
	case strings.ContainsFunc(value, unicode.IsControl):
		return errControl
	case isQuote(first), isQuote(last):
		return errQuote
	case first == '<' && last == '>', value == "…", slices.ContainsFunc(templates, func(opening string) bool {
		return strings.HasPrefix(value, opening)
	}):
		return errTemplate
	}
	switch {
	case strings.ContainsRune(`,;\`, last):
		return errTail
	case strings.Contains(value, " #"):
		return errComment
	case assignment.MatchString(value):
		return errAssign
	case first == '{' && last == '}', first == '[' && last == ']':
		return errJSON
	}
	for _, escape := range []string{`\n`, `\r`, `\t`, `\0`} {
		if strings.HasSuffix(value, escape) {
			return errEscape
		}
	}
	return nil
}

// CleanList is Clean for a value with several entries, which may stand on lines
// of their own. It returns them with commas between.
func CleanList(text string) (string, error) {
	if inner, ok := unquoted(trim(text)); ok && !strings.ContainsFunc(inner, isQuote) {
		text = inner
	}
	var entries []string
	between := func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }
	for entry := range strings.FieldsFuncSeq(text, between) {
		entry, err := Clean(entry)
		if err != nil {
			return "", err
		}
		if entry != "" {
			entries = append(entries, entry)
		}
	}
	return strings.Join(entries, ","), nil
}

// trim removes white space and what cannot be seen (byte order marks, joiners,
// marks of direction) from both ends.
func trim(text string) string {
	return strings.TrimFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r)
	})
}

// unquoted returns what stands between a pair of quotes.
func unquoted(value string) (string, bool) {
	first, size := utf8.DecodeRuneInString(value)
	closing, ok := quotes[first]
	if !ok || len(value) < size+utf8.RuneLen(closing) {
		return "", false
	}
	return strings.CutSuffix(value[size:], string(closing))
}

// assignment is how a line of an environment file begins.
var assignment = regexp.MustCompile(`^(` + Prefix + `|export |[A-Z][A-Z0-9_]*=)`)

// templates is how a value begins that a shell or an engine did not fill in.
var templates = []string{"${", "$(", "{{"}

func isQuote(r rune) bool { return strings.ContainsRune("\"'`“”‘’„«»", r) }
