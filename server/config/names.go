package config

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Setting is what the help says of one variable.
type Setting struct {
	Name     string // without prefix
	Default  string // empty: none
	Required string // empty: never; "yes": always; else for which sessions
	Meaning  string
}

// Settings are all that there are, in the order of [Config].
func Settings() []Setting {
	var all []Setting
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		tag := field.Tag
		name := tag.Get("env")
		if name == "" {
			continue
		}
		all = append(all, Setting{name, tag.Get("envDefault"), tag.Get("required"), tag.Get("help")})
		if slices.Contains(secrets, name) {
			meaning := fmt.Sprintf("path of a file with the value of %s", name)
			all = append(all, Setting{Name: name + FileSuffix, Meaning: meaning})
		}
	}
	return all
}

// Default is the default of a setting, by its name without prefix.
func Default(name string) string {
	return fields()[name].Tag.Get("envDefault")
}

// Names returns every variable there is, without prefix.
func Names() []string {
	var all []string
	for _, setting := range Settings() {
		all = append(all, setting.Name)
	}
	slices.Sort(all)
	return all
}

// fields maps each variable, without prefix, to the field of Config it sets.
func fields() map[string]reflect.StructField {
	byName := make(map[string]reflect.StructField)
	for _, field := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		if name := field.Tag.Get("env"); name != "" {
			byName[name] = field
		}
	}
	return byName
}

// Help is a line for each setting: name, default, meaning, and when it is
// required.
func Help() string {
	var text strings.Builder
	for _, setting := range Settings() {
		note := ""
		switch {
		case setting.Required == "yes":
			note = " (required)"
		case setting.Required != "":
			note = fmt.Sprintf(" (required for %s)", setting.Required)
		}
		fmt.Fprintf(&text, "  %-27s %-18s %s%s\n",
			setting.Name, cmp.Or(setting.Default, "-"), setting.Meaning, note)
	}
	return text.String()
}

// unknown finds the variables that mean nothing: most are misspelt, and a
// limit that is not there is worse than a server that does not start.
func (p *Problems) unknown(values map[string]string) {
	known := Names()
	for _, full := range slices.Sorted(maps.Keys(values)) {
		name := strings.TrimPrefix(full, Prefix)
		if slices.Contains(known, name) {
			continue
		}
		if nearest, ok := nearest(name, known); ok {
			p.add(name, "is no such setting. Did you mean "+Prefix+nearest+"?")
			continue
		}
		p.add(name, "is no such setting. Remove it, or see the list in the help.")
	}
}

// nearest finds the name that a misspelt one was meant to be.
func nearest(name string, known []string) (string, bool) {
	best, distance := "", len(name)/3+1
	for _, candidate := range known {
		if d := edits(name, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	return best, best != ""
}

// edits is the Levenshtein distance of two short words.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
