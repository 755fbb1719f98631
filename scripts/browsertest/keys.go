package browsertest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/chromedp/chromedp/kb"
)

// namedKey is a key that is no character, as the protocols have it.
type namedKey struct {
	webDriver string // in Unicode's private use area
	chromium  string
}

var namedKeys = map[string]namedKey{
	"Enter":  {"\uE007", kb.Enter},
	"Escape": {"\uE00C", kb.Escape},
	"Tab":    {"\uE004", kb.Tab},
}

var modifierKeys = map[string]struct {
	webDriver string
	chromium  kb.Modifier
}{
	"Alt":     {"\uE00A", kb.ModifierAlt},
	"Control": {"\uE009", kb.ModifierCtrl},
	"Shift":   {"\uE008", kb.ModifierShift},
}

// chord is a key and the modifiers that are held meanwhile, by their names.
type chord struct {
	modifiers []string
	key       string
}

// parseChord reads what [Page.Press] takes.
func parseChord(text string) (chord, error) {
	names := strings.Split(text, "+")
	c := chord{modifiers: names[:len(names)-1], key: names[len(names)-1]}
	for _, name := range c.modifiers {
		if _, ok := modifierKeys[name]; !ok {
			return chord{}, fmt.Errorf("%q is no modifier: Alt, Control and Shift are", name)
		}
	}
	if _, ok := namedKeys[c.key]; !ok && utf8.RuneCountInString(c.key) != 1 {
		return chord{}, fmt.Errorf("%q is no key: Enter, Escape, Tab and any one character are", c.key)
	}
	return c, nil
}

// Press presses a key, wherever the focus is: a character, Enter, Escape or Tab,
// after the modifiers to hold, as in "Shift+Tab".
func (p *Page) Press(t testing.TB, key string) {
	t.Helper()
	p.do(t, "pressing "+key, func(ctx context.Context) error {
		c, err := parseChord(key)
		if err != nil {
			return err
		}
		return p.tab.press(ctx, c)
	})
}

// webDriverKey returns what the WebDriver protocols call a key: a character is
// itself.
func webDriverKey(name string) string {
	if named, ok := namedKeys[name]; ok {
		return named.webDriver
	}
	return name
}

// webDriverText returns the keys that type a text.
func webDriverText(text string) []string {
	var keys []string
	for _, char := range text {
		switch char {
		case '\n':
			keys = append(keys, webDriverKey("Enter"))
		default:
			keys = append(keys, string(char))
		}
	}
	return keys
}

// webDriverActions are the input actions, the same in both WebDriver protocols,
// that press keys one after the other while others are held.
func webDriverActions(held, keys []string) object {
	var actions []object
	for _, key := range held {
		actions = append(actions, object{"type": "keyDown", "value": key})
	}
	for _, key := range keys {
		actions = append(actions, object{"type": "keyDown", "value": key}, object{"type": "keyUp", "value": key})
	}
	for _, key := range held {
		actions = append(actions, object{"type": "keyUp", "value": key})
	}
	return object{"actions": []object{{"type": "key", "id": "keyboard", "actions": actions}}}
}

// webDriverActions are those of a chord.
func (c chord) webDriverActions() object {
	var held []string
	for _, name := range c.modifiers {
		held = append(held, modifierKeys[name].webDriver)
	}
	return webDriverActions(held, []string{webDriverKey(c.key)})
}
