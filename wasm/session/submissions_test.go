package session

import (
	"slices"
	"testing"
	"time"
)

// A form is sent again for the person who sent it, once, with consent. The
// session forgets forms when the person changes; this holds all the same.
func TestResume(t *testing.T) {
	now := At(1_800_000_000_000, time.Hour)
	alices := session{who: "alice", token: NewToken("a2"), expires: now.Add(time.Hour)}
	form := submission{id: 1, screen: "editProfile", owner: "alice", token: NewToken("a1"), state: failed,
		pressed: now.Add(time.Second - givenUp)}
	with := func(change func(*submission)) submission {
		s := form
		change(&s)
		return s
	}
	for _, tc := range []struct {
		name    string
		form    submission
		consent bool
		want    []string
	}{
		{"theirs", form, true, []string{"repeat"}},
		{"another person's", with(func(s *submission) { s.owner = "bob" }), true,
			[]string{"unfinished:other_user", "forget:unfinished"}},
		{"given up by its user long ago", with(func(s *submission) { s.pressed = now.Add(-givenUp) }), true,
			[]string{"unfinished:held_too_long", "forget:unfinished"}},
		{"of a person not known", with(func(s *submission) { s.owner = "" }), true,
			[]string{"unfinished:unproven", "forget:unfinished"}},
		{"sent again already", with(func(s *submission) { s.again = true }), true,
			[]string{"unfinished:refused_again", "forget:unfinished"}},
		{"the page does not want it", form, false, []string{"unfinished:resubmit_off", "forget:unfinished"}},
		{"no form that could be seen", with(func(s *submission) { s.id = 0 }), true, []string{"unfinished:no_form"}},
		{"held, and theirs", with(func(s *submission) { s.state = held }), true,
			[]string{"released:renewed", "repeat"}},
		{"held, and another person's", with(func(s *submission) { s.state, s.owner = held, "bob" }), true,
			[]string{"released:other_user", "unfinished:other_user", "forget:unfinished"}},
		{"sent, and nothing heard", with(func(s *submission) { s.state = sent }), true, nil},
	} {
		var out effects
		forms := submissions{list: []submission{tc.form}}
		forms.resume(&alices, tc.consent, now, &out)
		var got []string
		for _, effect := range out {
			got = append(got, effect.name())
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: %q; want %q", tc.name, got, tc.want)
		}
	}
}
