package journeys

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
)

// axe is axe-core, which finds what keeps people from using a page.
type axe struct{ source string }

func newAxe(t *testing.T) axe {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/axe")); err != nil {
		t.Fatal(err)
	}
	install := exec.Command("npm", "ci", "--no-audit", "--no-fund", "--prefer-offline")
	install.Dir = dir
	if said, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, said)
	}
	source, err := os.ReadFile(filepath.Join(dir, "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	return axe{string(source)}
}

// check looks at what a page shows now, in both colour schemes, on a desktop
// and on a phone, by all rules but those named.
func (a axe) check(t *testing.T, p *browsertest.Page, state string, but ...string) {
	t.Helper()
	p.Eval(t, `window.axe || (() => { `+a.source+`; return 1 })(), 1`, nil)
	var off strings.Builder
	off.WriteString("{")
	for _, rule := range but {
		fmt.Fprintf(&off, "%q: {enabled: false},", rule)
	}
	off.WriteString("}")
	for _, look := range []struct {
		name          string
		width, height int64
		scheme        string
	}{
		{"desktop", 1280, 900, "light"}, {"phone, dark", 390, 844, "dark"},
	} {
		p.Look(t, look.width, look.height, look.scheme)
		var result struct {
			Passes     int
			Violations []string
		}
		// What moves is looked at when it has come to rest.
		p.Eval(t, `(async () => {
			const moving = document.getAnimations().filter(a => a.effect.getTiming().iterations !== Infinity);
			await Promise.all(moving.map(a => a.finished.catch(() => {})));
			const { passes, violations } = await axe.run(document, {iframes: false, rules: `+off.String()+`});
			const say = (id) => (node) => id + " " + node.target.join(" ") + ": " + node.failureSummary;
			return {passes: passes.length, violations: violations.flatMap(v => v.nodes.map(say(v.id)))};
		})()`, &result)
		if result.Passes < 10 {
			t.Errorf("%s, %s: only %d rules apply", state, look.name, result.Passes)
		}
		if len(result.Violations) > 0 {
			t.Errorf("%s, %s:\n%s", state, look.name, strings.Join(result.Violations, "\n"))
		}
	}
}

// The demo and the dialog can be used by everyone, in each of their states.
func TestAccessibility(t *testing.T) {
	t.Parallel()
	a := newAxe(t)
	d := startDemo(t, "--life", "10m")
	p := browsertest.Chromium(t).Open(t, d.URL+`/?options={"dialog":true,"idleWarning":60}`)
	p.WaitFor(t, says("#status-phase", "Signed out"), soon)
	a.check(t, p, "signed out")
	signIn(t, p)
	atStep(t, p, "2")
	a.check(t, p, "signed in")
	p.Type(t, "#capture_editProfile_aboutMe", "an hour of writing")
	atStep(t, p, "3")
	p.Click(t, "#btn-expire")
	p.WaitFor(t, says("#token-life", "Dead")+" && "+says("#without-life", "Dead"), soon)
	a.check(t, p, "both tokens dead")
	p.Click(t, "#capture_editProfile_submit")
	p.WaitFor(t, `/^Saved. The token had died/.test(document.querySelector("#with-says").textContent)`, soon)
	p.WaitFor(t, says("#without-says", "Refused. Signed out, and the text is gone."), soon)
	a.check(t, p, "saved, and refused")
	p.Click(t, "#more summary")
	p.Click(t, "#btn-view")
	a.check(t, p, "the public profile, and the advanced controls")
	p.Click(t, "#btn-outage")
	p.WaitFor(t, says("#btn-outage", "Switch the service on"), soon)
	a.check(t, p, "the service is off")
	p.Click(t, "#btn-outage")
	p.WaitFor(t, says("#btn-outage", "Switch the service off"), soon)

	p.Navigate(t, d.URL+`/?options={"dialog":true,"idleWarning":1795}`)
	const dialog = `document.querySelector("capture-keepalive-dialog")?.shadowRoot.querySelector("dialog")`
	p.WaitFor(t, dialog+`.open`, 30*time.Second)
	a.check(t, p, "the dialog")

	p.Navigate(t, d.URL+"/without.html")
	p.WaitFor(t, `!!document.querySelector("form")`, soon)
	a.check(t, p, "the other side", "page-has-heading-one") // it is a frame of a page that has one
}
