package monitor

import "github.com/capture-keepalive/capture-keepalive/server/api"

// pageMetrics say what the product did for users, as pages count it.
type pageMetrics struct {
	forms, avoided counter
}

// What can become of a form that met a dead token.
const (
	formFinished = "finished"
	formHeld     = "held"
	formSent     = "sent"
	formKept     = "kept"
)

func (m *Monitor) newPageMetrics() pageMetrics {
	return pageMetrics{
		forms: m.counter("keepalive_page_forms_total",
			"Forms that met a dead token, by what became of them, as pages count them.",
			label{"outcome", []string{formFinished, formHeld, formSent, formKept}}),
		avoided: m.counter("keepalive_page_signins_avoided_total",
			"Sign-ins that users did not have to make, as pages count them."),
	}
}

// PageCounts implements httpapi.Observer.
func (m *Monitor) PageCounts(counts api.PageCounts) {
	m.forms.Add(counts.Finished, formFinished)
	m.forms.Add(counts.Held, formHeld)
	m.forms.Add(counts.Sent, formSent)
	m.forms.Add(counts.Kept, formKept)
	m.avoided.Add(counts.SignInsAvoided)
}
