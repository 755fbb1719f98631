package browsertest

import (
	"testing"
)

// Text comes by other ways than the keys, too, and the page sees trusted input.
func TestTextWithoutKeys(t *testing.T) {
	page := Chromium(t).Open(t, site(t))
	page.Eval(t, `window.inputs = [], document.querySelector("#field").addEventListener("input",
		(event) => inputs.push(event.inputType + (event.isTrusted ? "" : " untrusted"))), 1`, nil)
	page.Click(t, "#field")
	page.Compose(t, "東京")
	page.Drop(t, "#field", " Kyoto")
	page.WaitFor(t, `/^東京/.test(document.querySelector("#field").value) &&
		/Kyoto/.test(document.querySelector("#field").value)`, patience)
	page.WaitFor(t, `inputs.includes("insertCompositionText") && inputs.at(-1) === "insertFromDrop"`, patience)
}
