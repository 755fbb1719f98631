package main

import (
	"bytes"
	"debug/gosym"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/gotool"
)

func sections(t *testing.T, wasm []byte) []section {
	t.Helper()
	parts, err := split(wasm)
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

// symbols reads the functions of a module as debuggers do.
func symbols(t *testing.T, wasm []byte) *gosym.Table {
	t.Helper()
	var memory []byte
	for _, s := range sections(t, wasm) {
		if s.id == sectionData {
			var err error
			if memory, err = readData(s.content); err != nil {
				t.Fatal(err)
			}
		}
	}
	table, err := gosym.NewTable(nil, gosym.NewLineTable(memory[bytes.Index(memory, tableMagic):], 0))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// Function names stay, lines go, and nothing else is touched: what the module
// does is for the journeys to say, which drive the one without lines.
func TestDropLines(t *testing.T) {
	t.Setenv("GOFLAGS", "")
	goVersion, err := gotool.Version(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if !knowsLines(goVersion) {
		t.Fatalf("%s is not known: see whether lines.go fits it", goVersion)
	}
	out := filepath.Join(t.TempDir(), "small.wasm")
	if _, err := gotool.Output(t.Context(), "testdata/small", gotool.WasmEnv(), "go", gotool.Wasm("build", "-o", out, ".")...); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	after, err := dropLines(before)
	if err != nil {
		t.Fatal(err)
	}
	if saved := len(before) - len(after); saved < len(before)/100 {
		t.Errorf("%d of %d bytes saved", saved, len(before))
	}
	if again, err := dropLines(after); err != nil || !bytes.Equal(again, after) {
		t.Errorf("dropped once more it is another: %v", err)
	}

	with, without := symbols(t, before), symbols(t, after)
	if len(with.Funcs) < 500 || len(with.Funcs) != len(without.Funcs) {
		t.Fatalf("%d functions, then %d", len(with.Funcs), len(without.Funcs))
	}
	lines := 0
	for i, f := range with.Funcs {
		g := without.Funcs[i]
		if f.Name != g.Name || f.Entry != g.Entry {
			t.Fatalf("%s at %d became %s at %d", f.Name, f.Entry, g.Name, g.Entry)
		}
		if _, line, _ := with.PCToLine(f.Entry); line > 0 {
			lines++
		}
		if file, line, _ := without.PCToLine(f.Entry); line > 0 || file != "" {
			t.Errorf("%s is still said to be at %s:%d", f.Name, file, line)
		}
	}
	if lines == 0 {
		t.Error("there were no lines before: the test tests nothing")
	}

	was, is := sections(t, before), sections(t, after)
	for i := range was {
		if was[i].id != is[i].id || was[i].id != sectionData && !bytes.Equal(was[i].content, is[i].content) {
			t.Errorf("section %d was touched", was[i].id)
		}
	}
}

func TestDropLinesOfOthers(t *testing.T) {
	data := func(content ...byte) []byte {
		return append([]byte("\x00asm\x01\x00\x00\x00\x0b"), append([]byte{byte(len(content))}, content...)...)
	}
	for name, wasm := range map[string][]byte{
		"empty":                nil,
		"not a module":         []byte("GIF89a, 1x1"),
		"a section cut off":    []byte("\x00asm\x01\x00\x00\x00\x0b\x7f"),
		"another kind of data": data(1, 1, 0),
		"data cut off":         data(1, 0, 0x41, 0, 0x0b, 9, 1),
		"far away":             data(1, 0, 0x41, 0xff, 0xff, 0xff, 0xff, 0x07, 0x0b, 1, 1),
	} {
		if out, err := dropLines(wasm); err == nil {
			t.Errorf("%s: made %d bytes of it", name, len(out))
		}
	}
	if _, err := dropLines(data(1, 0, 0x41, 0, 0x0b, 1, 1)); !errors.Is(err, errNoTable) {
		t.Errorf("without Go's table: %v", err)
	}
	short := append([]byte{1, 0, 0x41, 0, 0x0b, byte(len(tableMagic))}, tableMagic...)
	if _, err := dropLines(data(short...)); !errors.Is(err, errNoTable) {
		t.Errorf("with the beginning of a table: %v", err)
	}
}
