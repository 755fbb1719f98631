package main

import (
	"bytes"
	"slices"
	"testing"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/gotool"
)

// segment is an active segment of memory 0, at an offset below 64.
func segment(at byte, data ...byte) []byte {
	return append([]byte{0, opI32Const, at, opEnd}, sized(data)...)
}

// wasmOf is a module with a custom section, a data section, and another.
func wasmOf(data ...[]byte) []byte {
	section := append([]byte{byte(len(data))}, slices.Concat(data...)...)
	return slices.Concat([]byte(wasmHeader), []byte{0}, sized([]byte("\x01abc")),
		[]byte{dataSection}, sized(section), []byte{0}, sized([]byte("\x01xyz")))
}

// What a module starts with is the same in one segment, in any order in which the
// linker wrote them, and everything else is unchanged.
func TestJoinSegments(t *testing.T) {
	for name, tc := range map[string]struct{ module, want []byte }{
		"with a gap": {
			wasmOf(segment(2, 'a', 'b'), segment(7, 'c')),
			wasmOf(segment(0, 0, 0, 'a', 'b', 0, 0, 0, 'c')),
		},
		"out of order": {
			wasmOf(segment(5, 'c'), segment(1, 'a')),
			wasmOf(segment(0, 0, 'a', 0, 0, 0, 'c')),
		},
		"one over another": {
			wasmOf(segment(0, 'a', 'b', 'c'), segment(1, 'x')),
			wasmOf(segment(0, 'a', 'x', 'c')),
		},
		"nothing":        {wasmOf(), wasmOf(segment(0))},
		"joined already": {wasmOf(segment(0, 'a')), wasmOf(segment(0, 'a'))},
	} {
		if got, err := joinSegments(tc.module); err != nil || !bytes.Equal(got, tc.want) {
			t.Errorf("%s: %q, %v; want %q", name, got, err, tc.want)
		}
	}
}

// A module that is cut off or that says what the linker never says is refused,
// not shipped.
func TestJoinSegmentsOfOthers(t *testing.T) {
	good := wasmOf(segment(2, 'a', 'b'), segment(7, 'c'))
	whole := []int{8, 14, 30} // between two sections
	for n := range good {
		if _, err := joinSegments(good[:n]); (err == nil) != slices.Contains(whole, n) {
			t.Errorf("cut off after %d bytes: %v", n, err)
		}
	}
	for name, data := range map[string][]byte{
		"passive":                  {1, 1, 'a'},
		"of another memory":        {2, 0, opI32Const, 0, opEnd, 1, 'a'},
		"at a global's value":      {0, 0x23, 0, opEnd, 1, 'a'},
		"at an expression":         {0, opI32Const, 0, opI32Const, 0, 0x6a, opEnd, 1, 'a'},
		"far away":                 {0, opI32Const, 0xff, 0xff, 0xff, 0xff, 0x07, opEnd, 1, 'a'},
		"longer than it is":        {0, opI32Const, 0, opEnd, 9, 'a'},
		"with something behind it": append(segment(0, 'a'), 0),
	} {
		if got, err := joinSegments(wasmOf(data)); err == nil {
			t.Errorf("%s: %q", name, got)
		}
	}
}

type wasmSection struct {
	kind    byte
	content []byte
}

func sections(t *testing.T, module []byte) (all []wasmSection) {
	t.Helper()
	in := wasmReader{rest: module[len(wasmHeader):]}
	for len(in.rest) > 0 {
		all = append(all, wasmSection{in.byte(), in.bytes()})
	}
	if in.failed {
		t.Fatal("the module is cut off")
	}
	return all
}

// The module itself starts with the same memory, and its code is the linker's.
func TestJoinSegmentsOfTheModule(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: this test builds the module")
	}
	root, err := gotool.Root(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	linked, err := link(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	joined, err := joinSegments(linked)
	if err != nil {
		t.Fatal(err)
	}
	before, after := sections(t, linked), sections(t, joined)
	if len(before) != len(after) {
		t.Fatalf("%d sections, want %d", len(after), len(before))
	}
	for i := range before {
		if before[i].kind != dataSection {
			if !bytes.Equal(before[i].content, after[i].content) {
				t.Errorf("section %d is not the same", i)
			}
			continue
		}
		was, ok := memoryOf(before[i].content)
		is, too := memoryOf(after[i].content)
		if !ok || !too || len(was) == 0 || !bytes.Equal(was, is) {
			t.Error("the memory is not the same")
		}
		if count := after[i].content[0]; count != 1 {
			t.Errorf("%d segments", count)
		}
	}
}
