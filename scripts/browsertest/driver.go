package browsertest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// driver is a running browser, as its own protocol drives it.
type driver interface {
	// open opens an empty tab in a window of its own.
	open(ctx context.Context) (tab, error)
}

// tab is one tab, as its browser's protocol drives it. What only some browsers
// can do is in interfaces of its own, beside the methods of [Page] that need it.
type tab interface {
	// context ends when the tab is closed. The contexts of all other calls
	// come from it.
	context() context.Context
	// evaluate returns the JSON of a JavaScript expression, awaited if it is a
	// promise, and nothing for undefined. The error is a [*goneError] if
	// another document may have taken the place of this one meanwhile.
	evaluate(ctx context.Context, js string) ([]byte, error)
	// navigate and reload return once the page has loaded.
	navigate(ctx context.Context, url string) error
	reload(ctx context.Context) error
	// back only starts to go back.
	back(ctx context.Context) error
	// click and write wait until the element is visible. The page sees user
	// activation.
	click(ctx context.Context, selector string) error
	write(ctx context.Context, selector, text string) error
	// press presses a key where the focus is.
	press(ctx context.Context, keys chord) error
	// screenshot returns a PNG.
	screenshot(ctx context.Context) ([]byte, error)
	close()
}

// goneError says that a document went away, as far as a protocol can tell.
type goneError struct{ err error }

func (e *goneError) Error() string { return e.err.Error() }
func (e *goneError) Unwrap() error { return e.err }

// slice is how long a page is asked at a time. Where a browser takes one order
// at a time, the other tabs get their turn in between.
const slice = time.Second

// young is for how long a page may answer nonsense. A script of the page may
// have replaced for a moment what a driver uses.
const young = 3 * time.Second

// waitFor waits until a JavaScript expression is true in what the tab shows.
func waitFor(in tab, js string, timeout time.Duration) error {
	begun := time.Now()
	deadline := begun.Add(timeout)
	// The page itself keeps to the time. This one is for a page that is frozen.
	ctx, cancel := context.WithDeadline(in.context(), deadline.Add(2*time.Second))
	defer cancel()
	retry := time.NewTicker(50 * time.Millisecond)
	defer retry.Stop()
	for {
		value, err := in.evaluate(ctx, poll(js, min(slice, time.Until(deadline))))
		var gone *goneError
		switch {
		case err == nil:
			var last string
			if err := json.Unmarshal(value, &last); err != nil {
				return fmt.Errorf("%s: %w", js, err)
			}
			if last == "" {
				return nil
			}
			if !time.Now().Before(deadline) {
				return &timeoutError{js, timeout, last}
			}
		case (errors.As(err, &gone) || time.Since(begun) < young) && time.Now().Before(deadline):
			// Another document is coming, or this one is not yet whole: ask again.
			select {
			case <-retry.C:
			case <-ctx.Done():
			}
		case errors.Is(err, context.DeadlineExceeded) && in.context().Err() == nil:
			return &timeoutError{js, timeout, "did not answer"}
		default:
			return fmt.Errorf("%s: %w", js, err)
		}
	}
}

// poll is an expression. Its value is "" once js is true, or, when the time is
// over, what js was instead. A timer looks, since a page in the background gets
// no animation frames.
func poll(js string, timeout time.Duration) string {
	return fmt.Sprintf(`(async () => {
  const until = performance.now() + %d;
  for (;;) {
    let last;
    try {
      const value = await (%s);
      if (value) return "";
      last = "was " + String(value);
    } catch (error) {
      last = "threw " + String(error);
    }
    if (performance.now() >= until) return last;
    await new Promise((done) => setTimeout(done, 50));
  }
})()`, timeout.Milliseconds(), js)
}

// waitVisible is for the protocols that do not wait for an element.
func waitVisible(in tab, selector string) error {
	return waitFor(in, fmt.Sprintf(`document.querySelector(%s)?.checkVisibility({visibilityProperty: true})`,
		quote(selector)), actionTimeout)
}

// quote makes a JavaScript string.
func quote(text string) string {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(quoted)
}
