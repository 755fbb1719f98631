package config

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"regexp"
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
		all = append(all, Setting{name, tag.Get("envDefault"), tag.Get("required"), meanings[name]})
		if slices.Contains(secrets, name) {
			meaning := fmt.Sprintf("path of a file with the value of %s", name)
			all = append(all, Setting{Name: name + FileSuffix, Meaning: meaning})
		}
	}
	return all
}

// Default is the default of a setting, by its name without prefix.
func Default(name string) string {
	all := Settings()
	return all[slices.IndexFunc(all, func(s Setting) bool { return s.Name == name })].Default
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

// serviceLink is a variable that Kubernetes, or Docker's links, give every
// container for each service: a Service called keepalive makes
// KEEPALIVE_PORT=tcp://… and more.
var serviceLink = regexp.MustCompile(`^([A-Z0-9_]+_)?(` + strings.Join([]string{
	`SERVICE_HOST=([0-9a-fA-F.:]+|None)`,
	`SERVICE_PORT(_[A-Z0-9_]+)?=[0-9]{1,5}`,
	`PORT(_[0-9]+_(TCP|UDP|SCTP))?=(tcp|udp|sctp)://.+`,
	`PORT_[0-9]+_(TCP|UDP|SCTP)_PROTO=(tcp|udp|sctp)`,
	`PORT_[0-9]+_(TCP|UDP|SCTP)_PORT=[0-9]{1,5}`,
	`PORT_[0-9]+_(TCP|UDP|SCTP)_ADDR=[0-9a-fA-F.:]+`,
}, "|") + `)$`)

// unknown finds the variables that mean nothing. One that is close to a
// setting's name is a problem: a limit that is misspelt and not there is worse
// than a server that does not start. The rest is returned as warnings.
func (p *Problems) unknown(values map[string]string) (warnings []string) {
	known := Names()
	for _, full := range slices.Sorted(maps.Keys(values)) {
		name := full[len(Prefix):]
		exact := strings.HasPrefix(full, Prefix)
		if exact && slices.Contains(known, name) || serviceLink.MatchString(name+"="+trim(values[full])) {
			continue
		}
		base, isFile := strings.CutSuffix(name, FileSuffix)
		near, isNear := nearest(strings.ToUpper(name), known)
		switch {
		case isFile && slices.Contains(known, base):
			p.add(name, "is no setting: only secrets come from files. Set "+Prefix+base+" itself.")
		case isNear:
			*p = append(*p, Problem{Variable: full, Text: "is no setting. Did " +
				"you mean " + Prefix + near + "?"})
		default:
			warnings = append(warnings, full+" is no setting of this program and is ignored. "+
				"Remove it, or see the list in serve --help.")
		}
	}
	return warnings
}

// nearest finds the setting that a misspelt name was meant to be.
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
