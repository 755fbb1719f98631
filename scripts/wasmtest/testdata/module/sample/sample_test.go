// Package sample does all that a test binary can do in a browser.
package sample

import (
	"os"
	"syscall/js"
	"testing"
	"time"
)

func TestPass(t *testing.T) {
	t.Run("inner", func(t *testing.T) {})
	if !js.Global().Get("isSecureContext").Bool() {
		t.Error("the page is not in a secure context")
	}
	if _, err := os.Stat("testdata"); !os.IsNotExist(err) {
		t.Errorf("error %v for a file, want one that says it is absent", err)
	}
}

func TestPolicy(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("the page may call eval")
		}
	}()
	js.Global().Call("eval", "1")
}

func TestFail(t *testing.T) { t.Error("said on purpose") }

func TestCrash(t *testing.T) { panic("crashed on purpose") }

func TestExit(t *testing.T) { os.Exit(7) }

// TestWait never ends, in a page that still answers.
func TestWait(t *testing.T) {
	time.AfterFunc(time.Hour, func() {})
	select {}
}

// TestSpin never ends and blocks the page.
func TestSpin(t *testing.T) {
	println("spinning")
	for {
	}
}

func TestNote(t *testing.T) {
	thrown := make(chan struct{})
	listener := js.FuncOf(func(js.Value, []js.Value) any { close(thrown); return nil })
	js.Global().Call("addEventListener", "error", listener)
	js.Global().Call("reportError", js.Global().Get("Error").New("thrown on purpose"))
	<-thrown
}
