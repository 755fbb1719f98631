package browsertest

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// writer is a tab that takes text by other ways than the keys.
type writer interface {
	compose(ctx context.Context, text string) error
	drop(ctx context.Context, selector, text string) error
}

// Compose writes text where the focus is, as an input method does: it shows a
// part of it first, and then the whole. Only Chromium's driver can do it.
func (p *Page) Compose(t testing.TB, text string) {
	t.Helper()
	tab := able[writer](t, p, "composing")
	p.do(t, "composing "+text, func(ctx context.Context) error { return tab.compose(ctx, text) })
}

// Drop drags text from another program and lets it go over the element that a
// CSS selector finds, once it is visible. Only Chromium's driver can do it.
func (p *Page) Drop(t testing.TB, selector, text string) {
	t.Helper()
	tab := able[writer](t, p, "dropping")
	p.do(t, "dropping on "+selector, func(ctx context.Context) error {
		return tab.drop(ctx, selector, text)
	})
}

func (c *chromiumTab) compose(ctx context.Context, text string) error {
	part := []rune(text)[:1]
	_, err := chromedp.Call(ctx, input.ImeSetComposition, input.ImeSetCompositionParams{
		Text: string(part), SelectionStart: 1, SelectionEnd: 1,
	})
	if err != nil {
		return err
	}
	_, err = chromedp.Call(ctx, input.InsertText, input.InsertTextParams{Text: text})
	return err
}

func (c *chromiumTab) drop(ctx context.Context, selector, text string) error {
	x, y, err := middle(ctx, c, selector)
	if err != nil {
		return err
	}
	const copies = 1
	for _, kind := range []input.DispatchDragEventType{
		input.DispatchDragEventTypeDragEnter, input.DispatchDragEventTypeDragOver,
		input.DispatchDragEventTypeDrop,
	} {
		_, err := chromedp.Call(ctx, input.DispatchDragEvent, input.DispatchDragEventParams{
			Type: kind, X: float64(x), Y: float64(y), Data: &input.DragData{
				Items:              []*input.DragDataItem{{MimeType: "text/plain", Data: text}},
				DragOperationsMask: copies,
			},
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// middle waits until an element is visible and finds its middle, in view.
func middle(ctx context.Context, in tab, selector string) (x, y int, err error) {
	if err := waitVisible(in, selector); err != nil {
		return 0, 0, err
	}
	found, err := in.evaluate(ctx, fmt.Sprintf(`(() => {
  const element = document.querySelector(%s);
  element.scrollIntoView({block: "center", inline: "center", behavior: "instant"});
  const box = element.getBoundingClientRect();
  return {x: Math.floor(box.x + box.width / 2), y: Math.floor(box.y + box.height / 2)};
})()`, quote(selector)))
	if err != nil {
		return 0, 0, err
	}
	var at struct{ X, Y int }
	err = json.Unmarshal(found, &at)
	return at.X, at.Y, err
}

// focus waits until an element is visible and gives it the focus.
func focus(ctx context.Context, in tab, selector string) error {
	if err := waitVisible(in, selector); err != nil {
		return err
	}
	_, err := in.evaluate(ctx, fmt.Sprintf(`document.querySelector(%s).focus()`, quote(selector)))
	return err
}

// clickAt are the input actions, the same in both WebDriver protocols, of a
// click on a point of the page.
func clickAt(x, y int) object {
	return object{"actions": []object{{"type": "pointer", "id": "mouse", "actions": []object{
		{"type": "pointerMove", "x": x, "y": y},
		{"type": "pointerDown", "button": 0},
		{"type": "pointerUp", "button": 0},
	}}}}
}
