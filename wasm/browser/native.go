//go:build js && wasm

package browser

import "github.com/hack-pad/safejs"

// What the DOM says is read through the getters and methods of its own
// classes. A page can hide an object's property with one of its own: a field
// named "parentElement" hides that of its form, a form named "cookie" that of
// the document, and React puts a "value" of its own on every input.

// native reads a property of an object as the browser's class defines it;
// undefined when the object is not of that class.
func native(object safejs.Value, class, name string) safejs.Value {
	value, err := reflect("apply", accessor(class, name, "get"), object, []any{})
	if err != nil {
		return safejs.Undefined()
	}
	return value
}

// setNative sets a property as the browser's class defines it.
func setNative(object safejs.Value, class, name string, value any) {
	_, _ = reflect("apply", accessor(class, name, "set"), object, []any{value})
}

// nativeCall calls a method as the browser's class defines it.
func nativeCall(object safejs.Value, class, method string, args ...any) (safejs.Value, error) {
	return reflect("apply", get(path(class, "prototype"), method), object, args)
}

// accessor is the getter or the setter of a property of a class.
func accessor(class, name, which string) safejs.Value {
	descriptor, err := reflect("getOwnPropertyDescriptor", path(class, "prototype"), name)
	if err != nil {
		return safejs.Undefined()
	}
	return get(descriptor, which)
}

func document() safejs.Value { return path("document") }

func elementID(element safejs.Value) string { return text(native(element, "Element", "id")) }

func elementTag(element safejs.Value) string {
	return text(native(element, "Element", "localName"))
}

func parentOf(element safejs.Value) safejs.Value { return native(element, "Node", "parentElement") }

func connected(node safejs.Value) bool { return isTrue(native(node, "Node", "isConnected")) }

// visible reports whether an element has a place on the page.
func visible(element safejs.Value) bool {
	boxes, err := nativeCall(element, "Element", "getClientRects")
	return err == nil && len(items(boxes)) > 0
}

// outermost is an element itself, or the frame of this page that it is in.
func outermost(element safejs.Value) safejs.Value {
	for {
		owner := native(element, "Node", "ownerDocument")
		if !present(owner) || owner.Equal(document()) {
			return element
		}
		frame := get(native(owner, "Document", "defaultView"), "frameElement")
		if !present(frame) {
			return element
		}
		element = frame
	}
}

func attribute(element safejs.Value, name string) string {
	value, err := nativeCall(element, "Element", "getAttribute", name)
	if err != nil {
		return ""
	}
	return text(value)
}

// within lists the elements inside another that a selector finds.
func within(element safejs.Value, selector string) []safejs.Value {
	class := "Element"
	if element.Equal(document()) {
		class = "Document"
	}
	found, err := nativeCall(element, class, "querySelectorAll", selector)
	if err != nil {
		return nil
	}
	return items(found)
}
