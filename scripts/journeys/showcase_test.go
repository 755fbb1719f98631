package journeys

import (
	"testing"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
)

// A visitor signs in once, types once and saves once: the side without
// capture-keepalive loses the text, the side with it saves.
func TestDemoShowsBothSides(t *testing.T) {
	t.Parallel()
	browsertest.Each(t, func(t *testing.T, b *browsertest.Browser) {
		p := b.Open(t, startDemo(t, "--life", "10m").URL)
		signIn(t, p)
		const other = `document.querySelector("#without").contentDocument.querySelector("#capture_editProfile_aboutMe")`
		p.WaitFor(t, `!!`+other, soon)
		atStep(t, p, "2")

		p.Type(t, "#capture_editProfile_aboutMe", "an hour of writing")
		p.WaitFor(t, other+`.value === "an hour of writing"`, soon)
		atStep(t, p, "3")

		p.Click(t, "#btn-expire")
		p.WaitFor(t, says("#token-life", "Dead")+" && "+says("#without-life", "Dead"), soon)
		p.Click(t, "#capture_editProfile_submit")
		p.WaitFor(t, `/^Saved. The token had died and was replaced in \d+ ms.$/.test(
			document.querySelector("#with-says").textContent)`, soon)
		p.WaitFor(t, says("#without-says", "Refused. Signed out, and the text is gone."), soon)
		p.WaitFor(t, `!`+other, soon)
		p.WaitFor(t, says("#status-phase", "Protected"), soon)

		// The next round begins with both, and so does a page that is loaded anew.
		p.Type(t, "#capture_editProfile_city", "London")
		p.WaitFor(t, `document.querySelector("#without").contentDocument
			.querySelector("#capture_editProfile_city")?.value === "London"`, soon)
		p.Reload(t)
		p.WaitFor(t, `!!`+other, soon)
	})
}

// A token cannot be killed before the server has seen it: nothing could save
// the form then.
func TestDemoKillsWhatTheServerKnows(t *testing.T) {
	t.Parallel()
	p := browsertest.Chromium(t).Open(t, startDemo(t, "--life", "10m").URL)
	p.Block(t, "*://*:*/keepalive/*.wasm")
	p.WaitFor(t, `document.querySelector("#capture_signIn_email")?.value !== ""`, soon)
	p.Click(t, "#capture_signIn_submit")
	p.WaitFor(t, says("#token-stored", "yes"), soon)
	var disabled bool
	if p.Eval(t, `document.querySelector("#btn-expire").disabled`, &disabled); !disabled {
		t.Error("the button kills a token that the server has not seen")
	}
	p.Block(t)
	p.WaitFor(t, `!document.querySelector("#btn-expire").disabled`, soon)
}

// The status is a word that a visitor understands.
func TestDemoStatusIsPlain(t *testing.T) {
	t.Parallel()
	p := browsertest.Chromium(t).Open(t, startDemo(t, "--life", "10m").URL)
	p.WaitFor(t, says("#status-phase", "Signed out"), soon)
	signIn(t, p)
	p.WaitFor(t, says("#status-phase", "Protected"), soon)
	p.Click(t, "#btn-signout")
	p.WaitFor(t, says("#status-phase", "Signed out"), soon)
}

// On a phone the bar stays in view above the form, and the page is no longer
// than two screens.
func TestDemoOnAPhone(t *testing.T) {
	t.Parallel()
	p := browsertest.Chromium(t).Open(t, startDemo(t, "--life", "10m").URL)
	p.Look(t, 390, 844, "light")
	signIn(t, p)
	var height float64
	p.Eval(t, `document.documentElement.scrollHeight`, &height)
	if height > 2*844 {
		t.Errorf("the page is %.0f pixels long, more than two screens of 844", height)
	}
	var top float64
	p.Eval(t, `document.querySelector("#capture_editProfile_city").scrollIntoView({block: "center"}),
		document.querySelector("#token-bar").getBoundingClientRect().top`, &top)
	if top < 0 || top > 100 {
		t.Errorf("the bar is %.0f pixels below the top of the screen, want it in view", top)
	}
}

func says(selector, text string) string {
	return `document.querySelector("` + selector + `").textContent === "` + text + `"`
}

func atStep(t *testing.T, p *browsertest.Page, number string) {
	t.Helper()
	p.WaitFor(t, `document.querySelector("#steps").children[`+number+` - 1].getAttribute("aria-current") === "step"`,
		soon)
}
