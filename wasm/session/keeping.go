package session

import "slices"

// keeping is where the token is kept: in the UI's storage always, or there
// only on demand, while a screen that needs it is shown.
type keeping struct {
	always bool
	// inUse: a screen that needs the token is wanted, and shown once it is
	// there.
	inUse, shown bool
	// needs are the screens known to need it.
	needs []string
}

// inStorage reports whether the UI is to have the token now.
func (k *keeping) inStorage() bool { return k.always || k.inUse }

// want hears that a screen is asked for. It reports whether the UI will look
// for the token.
func (k *keeping) want(screen string) bool {
	if k.always || !slices.Contains(k.needs, screen) {
		return false
	}
	k.inUse, k.shown = true, false
	return true
}

// show hears that a screen is shown. It reports whether the token has done its
// service.
func (k *keeping) show(screen string) bool {
	switch {
	case slices.Contains(k.needs, screen):
		k.shown = true
	case k.shown:
		k.inUse, k.shown = false, false
		return true
	}
	return false
}

// need learns that a screen needs the token, from its failure without.
func (k *keeping) need(screen string, shown bool) {
	if k.always || screen == "" {
		return
	}
	k.inUse, k.shown = true, shown
	if !slices.Contains(k.needs, screen) {
		k.needs = append(k.needs, screen)
	}
}
