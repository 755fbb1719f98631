package journeys

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
)

// What a site or another version of the Registration UI adds to its form, each
// time that it is drawn: a field of every kind that has ever been lost. Every
// submit is written down in window.sent, field by field.
const richForm = `janrain.settings.capture.standIn = {
	redraw: true,
	decorate(form, screen) {
		if (screen !== "editProfile") return;
		const add = (tag, properties, ...children) => {
			const node = Object.assign(document.createElement(tag), properties);
			node.append(...children);
			form.querySelector("button[type=submit], #capture_editProfile_submit").before(node);
			return node;
		};
		const options = (list, ...values) => list.replaceChildren(...values.map((v) => new Option(v)));
		add("input", { type: "password", name: "password", id: "capture_editProfile_password" });
		const iso = add("input", { type: "hidden", name: "iso", value: "1970-01-01" });
		add("button", { type: "button", id: "pick", textContent: "Pick a day",
			onclick: () => (iso.value = "2000-02-29") });
		const country = add("select", { name: "country", id: "country" });
		const canton = add("select", { name: "canton", id: "canton" });
		options(country, "at", "ch");
		country.addEventListener("change", () => setTimeout(() => options(canton, "Bern", "Uri"), 120));
		add("input", { type: "checkbox", name: "locked", id: "locked", disabled: true });
		add("input", { type: "checkbox", name: "news", id: "news" });
		add("input", { type: "file", name: "photo", id: "photo" });
		const editor = add("div", { id: "editor", contentEditable: "true", textContent: "drawn" });
		form.addEventListener("formdata", (e) => e.formData.append("story", editor.innerHTML));
	},
}, 1`

// writeDown writes down what is submitted, before a handler stops it.
const writeDown = `window.sent = [], window.savedCount = 0,
	janrain.events.onCaptureProfileSaveSuccess.addHandler(() => savedCount++),
	document.addEventListener("submit", (e) => sent.push(JSON.stringify(Array.from(new FormData(e.target, e.submitter),
		([name, value]) => [name, value.name ?? value]))), false), 1`

// editing shows the form anew, with what the settings add to it.
func editing(t *testing.T, p *browsertest.Page, settings string) {
	t.Helper()
	p.Eval(t, settings, nil)
	p.Eval(t, writeDown, nil)
	p.Click(t, "#btn-view")
	p.WaitFor(t, `!!document.querySelector("#publicProfile dl")`, soon)
	p.Click(t, "#btn-edit")
	p.WaitFor(t, `!!document.querySelector("#capture_editProfile_aboutMe")`, soon)
}

// submits is what was sent to the service, submit by submit.
func submits(t *testing.T, p *browsertest.Page) []string {
	t.Helper()
	var sent []string
	p.Eval(t, `window.sent`, &sent)
	return sent
}

// saveWithDeadToken presses Save when the token is dead, and waits until the
// form is saved. The test fails unless the form was sent twice, the same.
func saveWithDeadToken(t *testing.T, d *demo, p *browsertest.Page) {
	t.Helper()
	saved := d.saved(t)
	expire(t, p)
	p.Click(t, "#capture_editProfile_submit")
	p.WaitFor(t, `savedCount === 1 && captureKeepalive.status().phase === "active" ||
		heard.some((e) => e.startsWith("unfinished:"))`, soon)
	sent := submits(t, p)
	if len(sent) != 2 || sent[0] != sent[1] {
		t.Errorf("sent\n%s", strings.Join(sent, "\n"))
	}
	if got := d.saved(t) - saved; got != 1 {
		t.Errorf("saved %d times", got)
	}
	if got := without(heard(t, p), "renewed:"); len(got) > 0 {
		t.Errorf("heard %v", got)
	}
}

// Law 2: what is sent again equals what was submitted, field by field, in a
// form that the UI has drawn anew.
func TestFieldByField(t *testing.T) {
	t.Parallel()
	browsertest.Each(t, func(t *testing.T, b *browsertest.Browser) {
		d := startDemo(t, "--life", "10m")
		p := visit(t, b, d.URL)
		signIn(t, p)
		editing(t, p, richForm)
		p.Type(t, "#capture_editProfile_password", "Correct-Horse-1")
		p.Click(t, "#pick")
		p.Click(t, "#news")
		p.Eval(t, `(async () => {
			const $ = (id) => document.getElementById(id);
			$("country").value = "ch";
			$("country").dispatchEvent(new Event("change", { bubbles: true }));
			while (!$("canton").options.length) await new Promise((done) => setTimeout(done, 20));
			$("canton").value = "Uri";
			$("locked").checked = true;
			$("editor").innerHTML = "<b>Bold</b> words";
			const files = new DataTransfer();
			files.items.add(new File(["content"], "photo.png"));
			$("photo").files = files.files;
		})()`, nil)
		saveWithDeadToken(t, d, p)
		var fields [][2]string
		if err := json.Unmarshal([]byte(submits(t, p)[0]), &fields); err != nil {
			t.Fatal(err)
		}
		for _, want := range [][2]string{
			{"password", "Correct-Horse-1"}, {"iso", "2000-02-29"}, {"country", "ch"},
			{"canton", "Uri"}, {"news", "on"},
			{"photo", "photo.png"}, {"story", "<b>Bold</b> words"},
		} {
			if !slices.Contains(fields, want) {
				t.Errorf("%v was not sent: %v", want, fields)
			}
		}
		var ticked bool
		if p.Eval(t, `document.querySelector("#locked").checked`, &ticked); !ticked {
			t.Error("the disabled box that was ticked is not any more")
		}
	})
}

// Law 2: a password that is half typed when the session is good again is never
// sent: it stays on the screen, and the page is told.
func TestHalfTypedPassword(t *testing.T) {
	t.Parallel()
	browsertest.Each(t, func(t *testing.T, b *browsertest.Browser) {
		d := startDemo(t, "--life", "10m")
		w := outside(t, d)
		p := visit(t, b, w.URL)
		signIn(t, p)
		editing(t, p, strings.Replace(richForm, "redraw: true", "redraw: false", 1))
		p.Type(t, "#capture_editProfile_password", "Correct-Horse-1")
		saved := d.saved(t)
		expire(t, p)
		keep, arrived, open := gate(t)
		w.turns(keep)
		p.Click(t, "#capture_editProfile_submit")
		waitFor(t, arrived) // it was refused, and a new token is on its way
		p.Type(t, "#capture_editProfile_password", "B")
		p.WaitFor(t, `heard.includes("unfinished:edited")`, soon)
		p.Type(t, "#capture_editProfile_password", "at")
		open()
		p.WaitFor(t, `captureKeepalive.status().phase === "active"`, soon)
		if got := submits(t, p); len(got) != 1 {
			t.Errorf("sent\n%s", strings.Join(got, "\n"))
		}
		if got := d.saved(t) - saved; got != 0 {
			t.Errorf("saved %d times", got)
		}
		var value string
		if p.Eval(t, `document.querySelector("#capture_editProfile_password").value`,
			&value); value != "Correct-Horse-1Bat" {
			t.Errorf("the field says %q", value)
		}
	})
}

// What the UI itself does to a form that stays is not the user's edit.
func TestTheUIResetsTheForm(t *testing.T) {
	t.Parallel()
	for name, does := range map[string]string{
		"resets it":          `form.reset()`,
		"empties passwords":  `form.password.value = ""`,
		"sets hidden fields": `form.iso.value = "later"`,
		"unticks a box":      `form.news.checked = false`,
	} {
		t.Run(name, func(t *testing.T) {
			d := startDemo(t, "--life", "10m")
			p := visit(t, browsertest.Chromium(t), d.URL)
			signIn(t, p)
			editing(t, p, strings.Replace(richForm, "redraw: true",
				"redraw: false, afterFailure: (form) => { "+does+" }", 1))
			p.Type(t, "#capture_editProfile_password", "Correct-Horse-1")
			p.Type(t, "#capture_editProfile_city", "Rome")
			p.Click(t, "#news")
			saveWithDeadToken(t, d, p)
		})
	}
}

// Two forms on one screen, drawn anew: the one that was sent is finished, and
// the other keeps what it says.
func TestTwoFormsOnAScreen(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	p := visit(t, browsertest.Chromium(t), d.URL)
	signIn(t, p)
	editing(t, p, `janrain.settings.capture.standIn = {
		redraw: true,
		decorate(form, screen) {
			if (screen !== "editProfile") return;
			document.querySelector("#other")?.remove();
			const other = Object.assign(document.createElement("form"), { id: "other" });
			for (const [name, type] of [["capture_editProfile_terms", "checkbox"],
				["capture_editProfile_nick", "text"]]) {
				other.append(Object.assign(document.createElement("input"), { id: name, name, type, checked: true }));
			}
			queueMicrotask(() => form.before(other));
		},
	}, 1`)
	p.Type(t, "#capture_editProfile_nick", "Countess")
	p.Type(t, "#capture_editProfile_city", "London")
	saveWithDeadToken(t, d, p)
	if sent := submits(t, p)[0]; !strings.Contains(sent, "London") || strings.Contains(sent, "nick") {
		t.Errorf("sent %s", sent)
	}
	var ticked bool
	if p.Eval(t, `document.querySelector("#capture_editProfile_terms").checked`, &ticked); !ticked {
		t.Error("the other form's box was unticked")
	}
}

// A field may have the name of what a form has of its own.
func TestFieldsNamedAsWhatAFormHas(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	p := visit(t, browsertest.Chromium(t), d.URL)
	signIn(t, p)
	editing(t, p, `janrain.settings.capture.standIn = {
		decorate(form, screen) {
			if (screen !== "editProfile") return;
			for (const name of ["parentElement", "querySelector", "elements", "id", "submit", "requestSubmit",
				"action", "isConnected", "name"]) {
				Element.prototype.append.call(form, Object.assign(document.createElement("input"),
					{ name, value: "kept", size: 3 }));
			}
		},
	}, 1`)
	p.Type(t, "#capture_editProfile_city", "London")
	saveWithDeadToken(t, d, p)
}

// A browser without requestSubmit (Safari before 16).
func TestNoRequestSubmit(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	p := visit(t, browsertest.Chromium(t), d.URL)
	p.Eval(t, `delete HTMLFormElement.prototype.requestSubmit`, nil)
	signIn(t, p)
	editing(t, p, richForm)
	saveWithDeadToken(t, d, p)
}

// Law 4: what cannot be sent again is told, with the reason and the screen, and
// stays on the screen.
func TestUnfinishedIsTold(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, settings, reason string }{
		{"its own validation refuses it", `janrain.settings.capture.standIn = {
			afterFailure: (form) => { form.city.pattern = "x+" } }, 1`, "invalid_form"},
		{"the UI has no form submit", `janrain.settings.capture.standIn = { formSubmit: false }, 1`, "no_form"},
		{"a field is gone", `janrain.settings.capture.standIn = { redraw: true, decorate(form, screen) {
			if (screen === "editProfile" && (window.drawings =
				(window.drawings || 0) + 1) > 1) form.displayName.remove() } }, 1`, "changed"},
		{"the form is gone", `janrain.settings.capture.standIn = {
			afterFailure: (form) => { form.remove(); janrain.capture.ui.renderScreen = () => {} } }, 1`, "gone"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := startDemo(t, "--life", "10m")
			p := visit(t, browsertest.Chromium(t), d.URL)
			signIn(t, p)
			editing(t, p, tc.settings)
			p.Eval(t, `captureKeepalive.on("unfinished", (e) => (window.told = e.screen)), 1`, nil)
			p.Type(t, "#capture_editProfile_city", "London")
			saved := d.saved(t)
			expire(t, p)
			p.Click(t, "#capture_editProfile_submit")
			p.WaitFor(t, `heard.includes("unfinished:`+tc.reason+`") && told === "editProfile"`, soon)
			if got := d.saved(t) - saved; got != 0 {
				t.Errorf("saved %d times", got)
			}
			if tc.reason != "gone" {
				p.WaitFor(t, `document.querySelector("#capture_editProfile_city").value === "London"`, soon)
			}
		})
	}
}

// Law 3: a form is sent again only on evidence that this one failed. What looks
// like success closes it, by any name of the event, with or without a screen.
func TestNotSentAgainAfterSuccess(t *testing.T) {
	t.Parallel()
	browsertest.Each(t, func(t *testing.T, b *browsertest.Browser) {
		d := startDemo(t, "--life", "10m")
		p := visit(t, b, d.URL)
		signIn(t, p)
		for _, success := range []string{
			`["onCaptureProfileSaveSuccess", { status: "success" }]`,
			`["onCaptureChangePasswordSuccess", {}]`,
		} {
			editing(t, p, `janrain.settings.capture.standIn = { tell: (name, payload) =>
				name === "onCaptureProfileSaveSuccess" ? (window.told = true, `+success+`) : [name, payload] },
					window.told = false, 1`)
			saved := d.saved(t)
			p.Click(t, "#capture_editProfile_submit")
			p.WaitFor(t, `told && document.querySelector("#editProfile .capture_message")?.textContent === "Saved."`,
				soon)
			// Something else meets a dead token, and does not say what.
			expire(t, p)
			p.Eval(t, `janrain.settings.capture.standIn = {
					tell: (name, payload) => (name === "onCaptureScreenShow" ? ["onCaptureExpiredToken", {}] :
						[name, payload]) },
				window.before = localStorage.janrainCaptureToken, janrain.capture.ui.renderScreen("publicProfile"),
					1`, nil)
			p.WaitFor(t, `localStorage.janrainCaptureToken !== before &&
				captureKeepalive.status().phase === "active"`, soon)
			if got := d.saved(t) - saved; got != 1 {
				t.Errorf("%s: saved %d times", success, got)
			}
			p.Eval(t, `janrain.settings.capture.standIn = {}, 1`, nil)
		}
	})
}

// A Save while the token is dead is held, and the page is told; it is sent when
// the session is good again.
func TestHeldSave(t *testing.T) {
	t.Parallel()
	for _, edit := range []bool{false, true} {
		d := startDemo(t)
		w := outside(t, d)
		p := visit(t, browsertest.Chromium(t), w.URL)
		signIn(t, p)
		editing(t, p, richForm)
		p.Type(t, "#capture_editProfile_city", "London")
		w.turns(gateway)
		saved := d.saved(t)
		p.WaitFor(t, `captureKeepalive.status().phase === "waiting" && captureKeepalive.status().expiresIn === 0`,
			2*life)
		wait(time.Second) // expiresIn is rounded down
		p.Click(t, "#capture_editProfile_submit")
		p.WaitFor(t, `heard.some((e) => e.startsWith("holding:"))`, soon)
		if edit {
			p.Type(t, "#capture_editProfile_city", "!")
			p.WaitFor(t, `heard.includes("released:edited") && heard.includes("unfinished:edited")`, soon)
			w.turns(nil)
			p.WaitFor(t, `captureKeepalive.status().phase === "active"`, 2*life)
			if got := len(submits(t, p)); got != 0 {
				t.Errorf("sent %d times", got)
			}
			continue
		}
		w.turns(nil)
		p.WaitFor(t, `savedCount === 1 && heard.includes("released:renewed")`, 2*life)
		if got := d.saved(t) - saved; got != 1 || len(submits(t, p)) != 1 {
			t.Errorf("saved %d times, sent %d times", got, len(submits(t, p)))
		}
	}
}

// Law 1: the first user's form is never saved in the session of the second.
// The second user signs in between Save and its refusal.
func TestAnotherUserSignsInMeanwhile(t *testing.T) {
	t.Parallel()
	browsertest.Each(t, func(t *testing.T, b *browsertest.Browser) {
		d := startDemo(t, "--life", "10m")
		w := outside(t, d)
		tabs := openTabs(t, b, w.URL, 2)
		ada, other := tabs[0], tabs[1]
		editing(t, ada, richForm)
		ada.Type(t, "#capture_editProfile_city", "London")
		expire(t, ada)
		keep, arrived, open := gate(t)
		w.saves(keep)
		saved := d.saved(t)
		ada.Click(t, "#capture_editProfile_submit")
		waitFor(t, arrived)
		signInAs(t, other, "grace@example.com")
		w.saves(nil)
		open()
		ada.WaitFor(t, `heard.some((e) => e.startsWith("identitychanged:"))`, soon)
		// A dead token that names no screen, long after the form was given up.
		ada.Eval(t, `janrain.settings.capture.standIn = {
				tell: (name, payload) => (name === "onCaptureScreenShow" ? ["onCaptureExpiredToken", {}] :
					[name, payload]) },
			janrain.capture.ui.renderScreen("publicProfile"), 1`, nil)
		ada.WaitFor(t, `captureKeepalive.token().then(() => true, () => true)`, soon)
		if got := d.saved(t) - saved; got != 0 {
			t.Errorf("saved %d times", got)
		}
	})
}

// What a hasty person does with a dead token: each on the same page, with what
// is told of it and how often the service saved.
func TestHastyHands(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	w := outside(t, d)
	p := visit(t, browsertest.Chromium(t), w.URL)
	signIn(t, p)
	editing(t, p, `janrain.settings.capture.standIn = {
		redraw: true,
		decorate(form, screen) {
			if (screen !== "editProfile") return;
			const add = (tag, properties) => form.prepend(Object.assign(document.createElement(tag), properties));
			add("input", { type: "date", name: "born", id: "born" });
			for (const value of ["card", "cash"]) add("input", { type: "radio", name: "pay", value, id: value });
			for (const value of ["daily", "weekly"]) add("input", { type: "checkbox", name: "news", value, id: value });
			add("input", { type: "range", name: "size", id: "size" });
			add("button", { type: "reset", id: "empty", textContent: "Empty" });
			add("iframe", { id: "editor", srcdoc: "<textarea></textarea>", height: 60 });
			add("input", { type: "image", name: "spot", id: "spot", alt: "Save", src: "/favicon.svg", width: 40,
				height: 40 });
			customElements.get("x-bio") || customElements.define("x-bio", class extends HTMLElement {
				constructor() {
					super();
					this.attachShadow({ mode: "closed", delegatesFocus: true }).innerHTML = "<input size=4>";
				}
			});
			window.bio && add("x-bio", { id: "bio" });
		},
	}, 1`)
	const (
		save    = "#capture_editProfile_submit"
		city    = "#capture_editProfile_city"
		aboutMe = "#capture_editProfile_aboutMe"
	)
	for _, tc := range []struct {
		name string
		// fill is before Save, then while the new token is on its way. save is
		// pressed instead of Save.
		fill, then func()
		save       string
		told       []string
		saved      int
		// inPlace: the UI leaves the form as it is when its save has failed.
		inPlace bool
	}{
		{name: "controls of many kinds", saved: 1, fill: func() {
			p.Type(t, "#born", "02292000")
			for _, id := range []string{"#cash", "#weekly", "#size"} {
				p.Click(t, id)
			}
		}},
		{name: "Save is pressed twice more", saved: 1,
			told: []string{"holding:expired", "released:renewed"}, then: func() {
				p.Click(t, save)
				p.Click(t, save)
			}},
		{name: "a date is half typed", told: []string{"unfinished:invalid_form"}, then: func() {
			p.Click(t, "#born")
			p.Press(t, "2")
		}},
		{name: "text that is composed, pasted and dropped", saved: 1, fill: func() {
			p.Click(t, city)
			p.Compose(t, "東京")
			p.Press(t, "Control+a")
			p.Press(t, "Control+c")
			p.Click(t, aboutMe)
			p.Press(t, "Control+v")
			p.WaitFor(t, `document.querySelector("#capture_editProfile_aboutMe").value.includes("東京")`, soon)
			p.Drop(t, aboutMe, "Kyoto")
		}},
		{name: "more is composed", told: []string{"unfinished:edited"}, then: func() {
			p.Click(t, city)
			p.Compose(t, "大阪")
		}},
		{name: "text is pasted", told: []string{"unfinished:edited"}, fill: func() {
			p.Type(t, city, "Bern")
			p.Press(t, "Control+a")
			p.Press(t, "Control+c")
		}, then: func() {
			p.Click(t, aboutMe)
			p.Press(t, "Control+v")
		}},
		{name: "text is dropped", told: []string{"unfinished:edited"}, then: func() { p.Drop(t, aboutMe, "Nara") }},
		// The place of the click is part of what is sent, and a picture that is
		// drawn anew has not been clicked.
		{name: "a picture is clicked", save: "#spot", told: []string{"unfinished:changed"}},
		{name: "a picture that stays is clicked", save: "#spot", inPlace: true, saved: 1, then: func() {
			p.Move(t, 1, 1) // away from where it was clicked
			if sent := submits(t, p)[0]; !strings.Contains(sent, `["spot.x","20"],["spot.y","20"]`) {
				t.Errorf("it was not clicked in its middle: %s", sent)
			}
		}},
		{name: "the form is emptied", inPlace: true, told: []string{"unfinished:edited"}, fill: func() {
			p.Type(t, city, "Bern")
		}, then: func() { p.Click(t, "#empty") }},
		{name: "text is typed in a frame", inPlace: true, told: []string{"unfinished:edited"}, then: func() {
			p.Eval(t, `document.querySelector("#editor").contentDocument.querySelector("textarea").focus(), 1`, nil)
			p.Press(t, "a")
		}},
		{name: "another box is ticked", told: []string{"unfinished:edited"}, then: func() { p.Click(t, "#daily") }},
		{name: "the user goes to another screen", told: []string{"unfinished:left"}, then: func() {
			p.Eval(t, `janrain.capture.ui.renderScreen("publicProfile"), 1`, nil)
			p.WaitFor(t, `!document.querySelector("#publicProfile").hidden`, soon)
		}},
		{name: "a component keeps its field to itself", told: []string{"unfinished:changed"}, fill: func() {
			p.Eval(t, `window.bio = 1, janrain.capture.ui.renderScreen("publicProfile"),
				janrain.capture.ui.renderScreen("editProfile"), 1`, nil)
			p.WaitFor(t, `!!document.querySelector("#bio")`, soon)
			p.Eval(t, `document.querySelector("#bio").focus(), 1`, nil)
			p.Press(t, "a")
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p.Eval(t, fmt.Sprintf(`window.bio = 0, janrain.settings.capture.standIn.redraw = %t,
				janrain.capture.ui.renderScreen("publicProfile"), janrain.capture.ui.renderScreen("editProfile"), 1`,
				!tc.inPlace), nil)
			p.WaitFor(t, `!document.querySelector("#editProfile").hidden && !!document.querySelector("#born") &&
				!document.querySelector("#bio")`, soon)
			if tc.fill != nil {
				tc.fill()
			}
			p.Eval(t, `heard.length = 0, sent.length = 0, 1`, nil)
			saved := d.saved(t)
			expire(t, p)
			keep, arrived, open := gate(t)
			w.turns(keep)
			p.Click(t, cmp.Or(tc.save, save))
			waitFor(t, arrived)
			if tc.then != nil {
				tc.then()
			}
			open()
			w.turns(nil)
			p.WaitFor(t, fmt.Sprintf(`heard.filter((e) => !e.startsWith("renewed:")).join() === %q`,
				strings.Join(tc.told, ",")), soon)
			p.WaitFor(t, `captureKeepalive.status().phase === "active" &&
				heard.some((e) => e.startsWith("renewed:"))`, soon)
			for deadline := time.Now().Add(soon); d.saved(t)-saved < tc.saved && time.Now().Before(deadline); {
				wait(50 * time.Millisecond)
			}
			if got := d.saved(t) - saved; got != tc.saved {
				t.Errorf("saved %d times, want %d; sent\n%s", got, tc.saved, strings.Join(submits(t, p), "\n"))
			}
			if sent := submits(t, p); tc.saved == 1 && sent[0] != sent[len(sent)-1] {
				t.Errorf("sent\n%s", strings.Join(sent, "\n"))
			}
		})
	}
}

// A field that belongs to the form by its form attribute alone is one of the
// form's: it is sent, and editing it is an edit.
func TestFieldOutsideItsForm(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	w := outside(t, d)
	p := visit(t, browsertest.Chromium(t), w.URL)
	signIn(t, p)
	editing(t, p, `janrain.settings.capture.standIn = { redraw: false, decorate(form, screen) {
		form.id = "profile";
		const field = document.body.appendChild(document.createElement("input"));
		field.id = field.name = "outside";
		field.setAttribute("form", "profile");
	} }, 1`)
	p.Type(t, "#outside", "first")
	saveWithDeadToken(t, d, p)
	if got := submits(t, p); !strings.Contains(got[len(got)-1], `["outside","first"]`) {
		t.Errorf("sent %s", got)
	}
	expire(t, p)
	keep, arrived, open := gate(t)
	w.turns(keep)
	saved := d.saved(t)
	p.Click(t, "#capture_editProfile_submit")
	waitFor(t, arrived)
	p.Type(t, "#outside", " and more")
	p.WaitFor(t, `heard.includes("unfinished:edited")`, soon)
	open()
	p.WaitFor(t, `captureKeepalive.status().phase === "active"`, soon)
	if got := fmt.Sprint(d.saved(t) - saved); got != "0" {
		t.Errorf("saved %s times", got)
	}
}
