package journeys

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
)

// What visitors do on pages other than the demo's.

// typeSignIn signs in through an empty form, and waits for the profile.
func typeSignIn(t *testing.T, p *browsertest.Page) {
	t.Helper()
	p.WaitFor(t, `!!document.querySelector("#capture_signIn_password")`, soon)
	for _, field := range []struct{ name, value string }{
		{"email", "ada@example.com"}, {"displayName", "Ada"}, {"password", "x"},
	} {
		p.Eval(t, fmt.Sprintf(`document.querySelector("#capture_signIn_%s").value = "", 1`, field.name), nil)
		p.Type(t, "#capture_signIn_"+field.name, field.value)
	}
	p.Click(t, "#capture_signIn_submit")
	waitSignedIn(t, p)
}

// expireToken lets the service expire the page's token, also from a page that
// is elsewhere.
func (d *demo) expireToken(t *testing.T, p *browsertest.Page) {
	t.Helper()
	body := strings.NewReader(fmt.Sprintf(`{"accessToken":%q}`, token(t, p)))
	response, err := http.Post(d.URL+"/capture/control/expire", "application/json", body)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close() // its status is enough
	if response.StatusCode > 299 {
		t.Fatalf("expire: %s", response.Status)
	}
}

// finishSave types a text and saves it with a dead token: the service refuses
// it once and takes it once, with one new token.
func finishSave(t *testing.T, d *demo, p *browsertest.Page, text string) {
	t.Helper()
	p.Eval(t, `document.querySelector("#capture_editProfile_aboutMe").value = "", 1`, nil)
	p.Type(t, "#capture_editProfile_aboutMe", text)
	first, issued := token(t, p), d.issued(t)
	saved, refused := d.saved(t), d.calls(t, "profile/save", "error")
	d.expireToken(t, p)
	p.Click(t, "#capture_editProfile_submit")
	p.WaitFor(t, `document.querySelector("#editProfile .capture_message")?.textContent === "Saved."`, soon)
	var shown string
	p.Eval(t, `document.querySelector("#capture_editProfile_aboutMe").value`, &shown)
	if shown != text || token(t, p) == first {
		t.Errorf("the form shows %q, want %q; the token is another: %t", shown, text, token(t, p) != first)
	}
	got := fmt.Sprint(d.saved(t)-saved, d.calls(t, "profile/save", "error")-refused, d.issued(t)-issued)
	if got != "1 1 1" {
		t.Errorf("saves, refusals and new tokens: %s, want one of each", got)
	}
}
