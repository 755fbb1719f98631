package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// The module carries, for every instruction, the file and line that it came
// from, for stack traces that hardly anybody reads in a browser. No flag of the
// linker leaves them out (-s -w drop other tables), so dropLines does: function
// names stay, and a trace says "?" where it said file and line.
//
// What is read here is runtime.pcHeader, runtime.functab and runtime._func of
// Go 1.26 (runtime/symtab.go and runtime2.go), in the data section of a
// WebAssembly binary (WebAssembly Core Specification, section 5.5.14). It saves
// 5 % of the module (627,976 to 598,894 bytes of brotli).

// knowsLines reports whether a toolchain writes tables as dropLines reads
// them. What another compiles stays as it is.
func knowsLines(goVersion string) bool { return strings.HasPrefix(goVersion, "go1.26") }

const (
	sectionData = 11
	// segmentOverhead is what a segment costs; fewer zeros than that are
	// written, as by the linker.
	segmentOverhead = 8
	// mostMemory is far more than the data of any module of ours.
	mostMemory = 1 << 26
)

// tableMagic begins the table: its number, two zeros, PCs counted in ones, and
// pointers of 8 bytes.
var tableMagic = []byte{0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8}

var errNoTable = errors.New("there is no table of functions as Go 1.26 writes it")

// dropLines returns a module of Go's without its tables of lines and files.
func dropLines(wasm []byte) ([]byte, error) {
	parts, err := split(wasm)
	if err != nil {
		return nil, err
	}
	out := append([]byte(nil), wasm[:len(wasmHeader)+4]...)
	for _, part := range parts {
		if part.id == sectionData {
			memory, err := readData(part.content)
			if err != nil {
				return nil, err
			}
			if err := forgetLines(memory); err != nil {
				return nil, err
			}
			part.content = writeData(memory)
		}
		out = append(out, part.id)
		out = binary.AppendUvarint(out, uint64(len(part.content)))
		out = append(out, part.content...)
	}
	return out, nil
}

const wasmHeader = "\x00asm" // before a version of 4 bytes

// section is a part of a module.
type section struct {
	id      byte
	content []byte
}

func split(wasm []byte) ([]section, error) {
	if len(wasm) < len(wasmHeader)+4 || !bytes.HasPrefix(wasm, []byte(wasmHeader)) {
		return nil, errors.New("not a WebAssembly module")
	}
	var parts []section
	for rest := wasm[len(wasmHeader)+4:]; len(rest) > 0; {
		size, n := binary.Uvarint(rest[1:])
		if n <= 0 || size > uint64(len(rest)-1-n) {
			return nil, errors.New("a section is cut off")
		}
		parts = append(parts, section{rest[0], rest[1+n:][:size]})
		rest = rest[1+n+int(size):]
	}
	return parts, nil
}

// readData is the memory as the data section fills it.
func readData(section []byte) ([]byte, error) {
	bad := errors.New("the data section is not as Go's linker writes it")
	next := func() (uint64, bool) {
		value, n := binary.Uvarint(section)
		if n <= 0 {
			return 0, false
		}
		section = section[n:]
		return value, true
	}
	count, ok := next()
	if !ok {
		return nil, bad
	}
	var memory []byte
	for range count {
		// Memory 0, i32.const offset, end.
		if len(section) < 2 || section[0] != 0 || section[1] != 0x41 {
			return nil, bad
		}
		section = section[2:]
		offset, n := signed(section)
		if n <= 0 || offset < 0 || offset > mostMemory || len(section) <= n || section[n] != 0x0b {
			return nil, bad
		}
		section = section[n+1:]
		size, ok := next()
		if !ok || size > uint64(len(section)) {
			return nil, bad
		}
		if end := int(offset) + int(size); end > len(memory) {
			memory = append(memory, make([]byte, end-len(memory))...)
		}
		copy(memory[offset:], section[:size])
		section = section[size:]
	}
	return memory, nil
}

// writeData leaves out what memory holds anyway: zeros.
func writeData(memory []byte) []byte {
	var segments []byte
	count := uint64(0)
	for at := 0; at < len(memory); {
		if memory[at] == 0 {
			at++
			continue
		}
		end, zeros := at, 0
		for i := at; i < len(memory) && zeros < segmentOverhead; i++ {
			if memory[i] == 0 {
				zeros++
			} else {
				end, zeros = i+1, 0
			}
		}
		segments = append(segments, 0, 0x41)
		segments = appendSigned(segments, int64(at))
		segments = append(segments, 0x0b)
		segments = binary.AppendUvarint(segments, uint64(end-at))
		segments = append(segments, memory[at:end]...)
		count++
		at = end
	}
	return append(binary.AppendUvarint(nil, count), segments...)
}

// forgetLines zeroes what only tells lines and files.
func forgetLines(memory []byte) error {
	at := bytes.Index(memory, tableMagic)
	if at < 0 {
		return errNoTable
	}
	table := memory[at:]
	word := func(i int) int { return int(binary.LittleEndian.Uint64(table[8+8*i:])) }
	if len(table) < 8+8*8 {
		return errNoTable
	}
	functions, filetab, pctab, pcln := word(0), word(5), word(6), word(7)
	if !(0 < filetab && filetab < pctab && pctab < pcln && pcln < len(table)) || functions <= 0 || functions > (len(table)-pcln)/8 {
		return errNoTable
	}

	// Where two tables say the same the linker writes them once, so that what
	// the others need is marked first.
	const pcspAt, pcfileAt, pclnAt, npcdataAt, pcdataAt = 16, 20, 24, 28, 44
	needed := make([]bool, pcln-pctab)
	need := func(offset uint32) error {
		if offset == 0 {
			return nil // there is none
		}
		for i := int(offset); ; {
			if i >= len(needed) {
				return errNoTable
			}
			// Pairs of numbers, the first of which is zero at the end, but not
			// at the beginning.
			value, n := binary.Uvarint(table[pctab+i : pcln])
			if n <= 0 {
				return errNoTable
			}
			mark(needed[i:], n)
			if value == 0 && i != int(offset) {
				return nil
			}
			i += n
			_, n = binary.Uvarint(table[pctab+i : pcln])
			if n <= 0 {
				return errNoTable
			}
			mark(needed[i:], n)
			i += n
		}
	}
	for i := range functions {
		offset := pcln + int(binary.LittleEndian.Uint32(table[pcln+8*i+4:]))
		if offset+pcdataAt > len(table) {
			return errNoTable
		}
		function := table[offset:]
		field := func(at int) uint32 { return binary.LittleEndian.Uint32(function[at:]) }
		npcdata := int(field(npcdataAt))
		if npcdata > 64 || pcdataAt+4*npcdata > len(function) {
			return errNoTable
		}
		if err := need(field(pcspAt)); err != nil {
			return fmt.Errorf("function %d: %w", i, err)
		}
		for j := range npcdata {
			if err := need(field(pcdataAt + 4*j)); err != nil {
				return fmt.Errorf("function %d: %w", i, err)
			}
		}
		clear(function[pcfileAt : pclnAt+4]) // 0: there is none
	}
	for i, is := range needed {
		if !is {
			table[pctab+i] = 0
		}
	}
	clear(table[filetab:pctab])
	return nil
}

func mark(needed []bool, n int) {
	for i := range needed[:min(n, len(needed))] {
		needed[i] = true
	}
}

// signed reads a number in signed LEB128, and how many bytes it takes.
func signed(b []byte) (int64, int) {
	var value int64
	for i, shift := 0, 0; i < len(b) && i < 10; i, shift = i+1, shift+7 {
		value |= int64(b[i]&0x7f) << shift
		if b[i] < 0x80 {
			if b[i]&0x40 != 0 {
				value |= -1 << (shift + 7)
			}
			return value, i + 1
		}
	}
	return 0, 0
}

func appendSigned(b []byte, value int64) []byte {
	for {
		low := byte(value & 0x7f)
		value >>= 7
		if value == 0 && low&0x40 == 0 || value == -1 && low&0x40 != 0 {
			return append(b, low)
		}
		b = append(b, low|0x80)
	}
}
