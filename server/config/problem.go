package config

import (
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing wrong with the configuration.
type Problem struct {
	// Variable is the whole name, prefix included.
	Variable string
	// Text says what is wrong and the remedy, never the value. Its subject is
	// the variable: "is not set. Set it to …".
	Text string
}

// Error implements error.
func (p Problem) Error() string { return p.Variable + " " + p.Text }

// Problems is everything wrong with the configuration.
type Problems []Problem

// Error implements error, a line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.Error()
	}
	return strings.Join(lines, "\n")
}

// add takes the name without prefix.
func (p *Problems) add(name, text string) {
	*p = append(*p, Problem{Variable: Prefix + name, Text: text})
}

// check adds text, unless it is empty or the variable has a problem already: a
// value that cannot be read breaks every rule, and one message is enough.
func (p *Problems) check(name, text string) {
	if text != "" && !p.has(name) {
		p.add(name, text)
	}
}

// checkEntry is check for one entry of a list, counted from 0.
func (p *Problems) checkEntry(name string, index int, text string) {
	if text != "" {
		p.add(name, fmt.Sprintf("(entry %d) %s", index+1, text))
	}
}

// wrong is the text for the error of another package, which explains itself.
func wrong(err error) string {
	if err == nil {
		return ""
	}
	return "is wrong: " + err.Error()
}

// has reports whether a variable, or the file that its value comes from, has a
// problem already.
func (p Problems) has(name string) bool {
	return slices.ContainsFunc(p, func(problem Problem) bool {
		return problem.Variable == Prefix+name || problem.Variable == Prefix+name+FileSuffix
	})
}
