package session

import (
	"encoding/binary"
	"fmt"
	"reflect"
	"slices"
	"unsafe"
)

// View is what tests look at in a state.
type View struct {
	Call, Next, Retry Call
	RetryAt           Instant
	Token, Dead       Token
	Who               string
	Expires           Instant
	Idle, Absolute    Instant
	Over, Dropping    bool
	EndedBy           NoticeName
	Handlers          []uint64
	Promises, Endings []uint64
	Forms             []FormView
	Failures          int
}

// FormView is what tests look at in a submission.
type FormView struct {
	ID    uint64
	Owner string
	State string
	Again bool
}

// View looks into a state.
func (s State) View() View {
	a, w := s.account, s.work.waiting
	v := View{
		Call: a.exchange.call, Next: a.exchange.next, Retry: a.exchange.retry, RetryAt: a.exchange.retryAt,
		Token: a.session.token, Dead: a.session.dead, Who: a.session.who, Expires: a.session.expires,
		Idle: a.session.limits.idle, Absolute: a.session.limits.absolute,
		Over: a.session.over, Dropping: a.ends.dropping, EndedBy: a.ends.by, Failures: a.exchange.pace.failures,
	}
	ids := func(waiters []waiter) (all []uint64) {
		for _, w := range waiters {
			all = append(all, w.id)
		}
		return all
	}
	v.Handlers, v.Promises, v.Endings = ids(w.handlers), ids(w.tokens), ids(w.endings)
	for _, f := range s.work.forms.list {
		if f.id != 0 {
			name := [...]string{"sent", "held", "failed", "resuming"}[f.state]
			v.Forms = append(v.Forms, FormView{f.id, f.owner, name, f.again})
		}
	}
	return v
}

// Alive reports whether the token is good for all the page knows.
func (s State) Alive(now Instant) bool { return s.account.session.alive(now) }

// Spare copies a state and puts a value behind the end of each of its slices,
// where an append in place would show.
func Spare(s State) State {
	w := &s.work
	w.forms.list = spare(w.forms.list, submission{id: 99})
	w.waiting.handlers = spare(w.waiting.handlers, waiter{id: 99})
	w.waiting.tokens = spare(w.waiting.tokens, waiter{id: 99})
	w.waiting.endings = spare(w.waiting.endings, waiter{id: 99})
	w.screens.open = spare(w.screens.open, "spare")
	s.account.keeping.needs = spare(s.account.keeping.needs, "spare")
	return s
}

// Untouched reports whether a state made by Spare is as it was.
func Untouched(before, input State) bool {
	a, b := before.work, input.work
	return untouched(b.forms.list, a.forms.list, submission{id: 99}) &&
		untouched(b.waiting.handlers, a.waiting.handlers, waiter{id: 99}) &&
		untouched(b.waiting.tokens, a.waiting.tokens, waiter{id: 99}) &&
		untouched(b.waiting.endings, a.waiting.endings, waiter{id: 99}) &&
		untouched(b.screens.open, a.screens.open, "spare") &&
		untouched(input.account.keeping.needs, before.account.keeping.needs, "spare")
}

func spare[T any](of []T, behind T) []T { return append(slices.Clone(of), behind)[:len(of)] }

func untouched[T comparable](got, want []T, behind T) bool {
	return slices.Equal(got, want) && got[:len(got)+1][len(got)] == behind
}

// CountSlices counts the slices in a state: Spare must know them all.
func CountSlices() int {
	n := 0
	var walk func(reflect.Type)
	walk = func(t reflect.Type) {
		switch t.Kind() {
		case reflect.Slice:
			n++
		case reflect.Struct:
			for i := range t.NumField() {
				walk(t.Field(i).Type)
			}
		case reflect.Map, reflect.Pointer, reflect.Chan, reflect.Func, reflect.Interface:
			panic(fmt.Sprint("a state is a value, and has no ", t))
		}
	}
	walk(reflect.TypeFor[State]())
	return n
}

// Holds asks what Loop.Holds asks.
func (s State) Holds(screen string, now Instant, p Policy) bool { return s.holds(screen, now, &p) }

// Key spells a state, to tell it from others: every field of it, so that none
// can be forgotten. Moments count from now; of numbers of calls it matters only
// which is the last; chance moves waits by a little and would make every state
// new.
func (s State) Key(b []byte, now Instant) []byte {
	return spellState(b, unsafe.Pointer(&s), now, s.account.exchange.seq)
}

// speller spells the value at an address.
type speller func(b []byte, at unsafe.Pointer, now Instant, seq uint64) []byte

// spellState is made once from the type: a model looks at a million states.
var spellState = spellerOf(reflect.TypeFor[State](), "")

func spellerOf(t reflect.Type, field string) speller {
	switch t {
	case reflect.TypeFor[Instant]():
		return func(b []byte, at unsafe.Pointer, now Instant, _ uint64) []byte {
			i := (*Instant)(at)
			if i.IsZero() {
				return append(b, '-')
			}
			return binary.AppendVarint(b, i.wall-now.wall)
		}
	case reflect.TypeFor[Token]():
		return func(b []byte, at unsafe.Pointer, _ Instant, _ uint64) []byte {
			return append(append(b, (*Token)(at).value...), 0)
		}
	}
	switch t.Kind() {
	case reflect.Struct:
		return structSpeller(t)
	case reflect.Slice, reflect.Array:
		return listSpeller(t, field)
	case reflect.String:
		return func(b []byte, at unsafe.Pointer, _ Instant, _ uint64) []byte {
			return append(append(b, *(*string)(at)...), 0)
		}
	}
	size := t.Size()
	return func(b []byte, at unsafe.Pointer, _ Instant, seq uint64) []byte {
		switch {
		case field == "chance" || field == "seq":
			return b
		case field == "Seq":
			return binary.AppendUvarint(b, seq-*(*uint64)(at))
		}
		return append(b, unsafe.Slice((*byte)(at), size)...)
	}
}

func structSpeller(t reflect.Type) speller {
	var fields []speller
	var offsets []uintptr
	for i := range t.NumField() {
		f := t.Field(i)
		fields, offsets = append(fields, spellerOf(f.Type, f.Name)), append(offsets, f.Offset)
	}
	return func(b []byte, at unsafe.Pointer, now Instant, seq uint64) []byte {
		for i, spell := range fields {
			b = spell(b, unsafe.Add(at, offsets[i]), now, seq)
		}
		return b
	}
}

func listSpeller(t reflect.Type, field string) speller {
	one, size := spellerOf(t.Elem(), field), t.Elem().Size()
	return func(b []byte, at unsafe.Pointer, now Instant, seq uint64) []byte {
		n := t.Kind() // an array's length is its type's
		first, length := at, 0
		if n == reflect.Slice {
			list := (*[]byte)(at) // any slice's header
			first, length = unsafe.Pointer(unsafe.SliceData(*list)), len(*list)
		} else {
			length = t.Len()
		}
		b = binary.AppendUvarint(b, uint64(length))
		for i := range length {
			b = one(b, unsafe.Add(first, uintptr(i)*size), now, seq)
		}
		return b
	}
}
