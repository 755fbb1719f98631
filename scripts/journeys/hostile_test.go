package journeys

import (
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/capture-keepalive/capture-keepalive/scripts/browsertest"
)

// hostility is something that pages do to the scripts on them. Each of its
// fields is a place where it does it.
type hostility struct {
	name   string
	head   string // HTML, before keepalive.js
	before string // script, before keepalive.js
	after  string // script, after keepalive.js and before start()
	page   string // script, after start() and before the Registration UI
	ui     string // script, after the Registration UI
	policy string // Content-Security-Policy; the page's scripts have the nonce "n"
	tag    string // in the place of keepalive.js's tag
}

const (
	oneTag = `<script async nonce="n" src="/keepalive/keepalive.js" data-start data-dialog data-hold="true">
		</script>`
	noNonce   = `<script src="/keepalive/keepalive.js"></script>`
	withStub  = `<script nonce="n" src="/keepalive/stub.js"></script>` + oneTag
	trustType = "; require-trusted-types-for 'script'; trusted-types capture-keepalive"
)

// hostilities are the table: one row each.
var hostilities = []hostility{
	{name: "nothing at all"},
	// Names that hide what the document and the window have.
	{name: "an image called currentScript", head: `<img name="currentScript" src="/elsewhere/keepalive.js">`},
	{name: "a form called head", head: `<form name="head"></form>`},
	{name: "an image called documentElement", head: `<img name="documentElement">`},
	{name: "images called readyState, cookie, hidden and visibilityState", head: `<img name="readyState">
		<img name="cookie"><img name="hidden"><img name="visibilityState">`},
	{name: "an element called captureKeepalive", head: `<p id="captureKeepalive">`},
	{name: "an element called janrain", head: `<p id="janrain">`},
	{name: "an element called Go", head: `<p id="Go">`},
	{name: "elements called fs, process and path", head: `<p id="fs"><p id="process"><p id="path">`},
	{name: "an image that comes late", head: `<img src="/late">`},
	{name: "elements called as what some browsers lack", head: `<form id="trustedTypes"><input name="createPolicy">
		</form><p id="requestIdleCallback"><p id="LockManager">`},
	{name: "an object, a frame and a form called as globals", head: `<object id="fetch"></object>
		<iframe name="localStorage"></iframe><form name="Promise"></form><img name="adoptedStyleSheets">
		<img name="currentScript">`},
	{name: "a base that is elsewhere", head: `<base href="/elsewhere/deep/">`},
	{name: "document.domain set", before: `document.domain = document.domain`},
	{name: "a frame of another origin called captureKeepalive", head: `<iframe name="captureKeepalive" src="data:,">
		</iframe><iframe name="captureKeepaliveDialog" src="data:,"></iframe>
		<iframe name="trustedTypes" src="data:,"></iframe>`},
	// Globals.
	{name: "a Go of the page's own", before: `window.Go = class { run() { throw new Error("not this one") } }`},
	{name: "a Go and a path that cannot be replaced",
		before: `for (const name of ["Go", "path"]) Object.defineProperty(window, name, {value: 1})`},
	{name: "fs, process and path of the page's own",
		before: `window.fs = 1, window.process = {env: {}}, window.path = "/"`},
	{name: "the toolchain's own wasm_exec.js", head: `<script nonce="n" src="/keepalive/wasm_exec.js"></script>`},
	{name: "a Map and a Set of the page's own, before",
		before: `window.kept = [Map, Set], window.Map = function (shops) { this.shops = shops }, window.Set = "set"`,
		after:  `[window.Map, window.Set] = kept`}, // the Registration UI here, and a driver, use them
	{name: "variables called origin, status and name, before", before: `var origin = "null", status = 3, name = "x"`},
	{name: "a function called URL, before", before: `function URL(path) { return "/shop/" + path }`},
	{name: "a variable called URL", after: `window.URL = "/shop/"`},
	{name: "a variable called Promise", after: `window.NativePromise = Promise,
		window.Promise = function (fn) { return new NativePromise(fn) },
		Promise.all = NativePromise.all.bind(NativePromise),
		Promise.resolve = NativePromise.resolve.bind(NativePromise),
		Promise.race = NativePromise.race.bind(NativePromise)`},
	{name: "variables called as what the language has, before", before: `window.kept = {};
		for (const name of ["Symbol", "Date", "JSON", "Math", "Reflect", "Array", "TypeError", "DataView", "TextEncoder"])
			kept[name] = window[name], window[name] = {own: 7}`, after: `Object.assign(window, kept)`},
	{name: "a variable called Object, before", before: `window.Object = {}`, after: `window.Object = ({}).constructor`},
	{name: "functions of promises that are others", after: `for (const [owner, name] of [[Promise, "resolve"],
		[Promise, "reject"], [Promise, "allSettled"], [Promise.prototype, "catch"], [Promise.prototype, "finally"]]) {
		const real = owner[name]; owner[name] = function (...args) {
			if (/\/keepalive\//.test(new Error().stack)) throw new Error(name); return real.apply(this, args) } }`},
	{name: "variables called isNaN, AbortController and Reflect",
		after: `window.isNaN = window.AbortController = window.Reflect = undefined`},
	{name: "a Date of a library", after: `Date.parse = (text) => new Date(text), Date.now = () => 0`},
	{name: "a fetch that rejects", after: `window.realFetch = fetch,
		window.fetch = (to, init) =>
		String(to).includes("/keepalive/") ? Promise.reject(new Error("no")) : realFetch(to, init)`},
	{name: "no console, before", before: `window.console = undefined`},
	{name: "no WeakMap, before", tag: withStub, before: `delete window.WeakMap`},
	{name: "an accessor that throws, before", before: `Object.defineProperty(window, "requestIdleCallback",
		{get() { throw new Error("odd") }})`},
	{name: "a console that throws", after: `console.warn = console.debug = () => { throw new Error("no console") }`},
	{name: "TextEncoder, WeakSet and others of a library", after: `for (const name of ["TextEncoder", "TextDecoder",
		"WeakSet", "WeakMap", "CSSStyleSheet", "URL", "Request", "File", "Blob", "HTMLOptionElement",
		"HTMLButtonElement", "Navigator"]) window[name] = undefined`},
	{name: "a loader of modules", before: `window.define = Object.assign(() => { throw new Error("defined") },
		{amd: {}}), window.module = {exports: {}}, window.exports = module.exports, window.require = window.define`},
	{name: "a Promise of a library, before", before: `{ const N = Promise;
		window.Promise = class extends N { static get allSettled() {} static get any() {} } }`},
	{name: "timers and listeners that a library patches, before",
		before: `{ const set = setTimeout, add = EventTarget.prototype.addEventListener;
		window.setTimeout = function (fn, ms) {
			return set.call(window, function () { return fn.apply(this, arguments) }, ms) };
		EventTarget.prototype.addEventListener = function (type, fn, options) {
			return add.call(this, type, fn, options === true || !!(options && options.capture)) } }`},
	{name: "timers that throw",
		after: `window.clearTimeout = window.requestIdleCallback = () => { throw new Error("no timers") }`},
	{name: "scripts that a blocker watches", after: `Object.defineProperty(HTMLScriptElement.prototype, "src",
		{get: () => "", set() { throw new Error("blocked") }});
		document.createElement = () => { throw new Error("blocked") }`, ui: `delete document.createElement`},
	{name: "scripts that an extension removes",
		after: `new MutationObserver(list => list.forEach(({addedNodes}) => addedNodes.forEach(
		n => n.nodeName === "SCRIPT" && /runtime|dialog/.test(n.src) && n.remove()))).observe(
		document, {childList: true, subtree: true})`},
	{name: "a script that is removed when it has run",
		after: `document.querySelector("script[src*=keepalive]").remove()`},
	{name: "a script that is moved",
		after: `document.documentElement.append(document.querySelector("script[src*=keepalive]"))`},
	{name: "classes of MooTools, before", tag: oneTag, before: `{ const { prototype } = Element;
		window.Document = function () {}, window.Event = function () {}, window.Request = function () {};
		window.Element = function () {}, Element.prototype = prototype, prototype.constructor = Element }`},
	{name: "an Event and a Storage of the page's own, before", tag: oneTag, before: `var Event = {}, Node = function () {},
		Storage = {get() {}}, EventTarget = 7, Request = "GET"; var Element = class {}`},
	{name: "a fetch that looks into its options, throws at once and returns no promise, before", before: `{
		const real = window.realFetch = fetch; let n = 0; window.fetch = (to, init) => {
		if (init && String(to).includes("/keepalive/") && !n++) throw new Error("odd");
		init && init.hasOwnProperty("body") && init.headers && init.headers.hasOwnProperty("Accept");
		const got = real(to, init); return {then: (a, b) => got.then(a, b)} } }`},
	{name: "a Response of a library, before", before: `{ const real = fetch; window.fetch = (to, init) =>
		real(to, init).then(r => ({ok: r.ok, status: r.status, headers: r.headers, json: () => r.json(),
			text: () => r.text(), arrayBuffer: () => r.arrayBuffer()})) }`},
	{name: "localStorage in a Proxy", before: `{ const kept = new Proxy(localStorage, {
		get: (area, key) => typeof area[key] === "function" ? area[key].bind(area) : area[key],
		set: (area, key, value) => { area[key] = value; return true },
		deleteProperty: (area, key) => delete area[key]});
		Object.defineProperty(window, "localStorage", {get: () => kept}) }`},
	{name: "a localStorage of a library", before: `{ const items = {}, kept = new Proxy({
		getItem: key => items[key] ?? null, setItem: (key, value) => { items[key] = String(value) },
		removeItem: key => { delete items[key] }}, {get: (area, key) => area[key] ?? items[key],
		set: (area, key, value) => { items[key] = value; return true },
		deleteProperty: (area, key) => delete items[key]});
		Object.defineProperty(window, "localStorage", {get: () => kept}) }`},
	{name: "a manager of consent", after: `{ const no = (type, name, refused) => {
		const real = type.prototype[name]; type.prototype[name] = function (...args) {
			if (refused(...args)) throw new Error("no consent"); return real.apply(this, args) } };
		for (const name of ["getItem", "setItem", "removeItem"]) no(Storage, name, key => /keepalive/i.test(key));
		no(Document, "createElement", tag => tag === "script"), no(Element, "setAttribute", name => name === "src");
		no(Node, "appendChild", node => node.tagName === "SCRIPT");
		Object.defineProperty(Document.prototype, "cookie", {get() { throw new Error("no consent") }, set() {}}) }`},
	{name: "clocks that stand still", after: `{ performance.now = () => 7; const D = Date; window.Date = class extends D {
		constructor(...args) { args.length ? super(...args) : super(1e12) } static now() { return 1e12 } } }`},
	{name: "a WebAssembly and a JSON of a library", after: `WebAssembly.compile = WebAssembly.compileStreaming =
		WebAssembly.instantiate = () => { throw new Error("not this one") };
		{ const { parse } = JSON; JSON.parse = (text, ...rest) => /uuid/.test(text) ? 7 : parse(text, ...rest) }`},
	{name: "what some browsers lack, before", before: `delete WebAssembly.compileStreaming,
		window.BroadcastChannel = undefined, Object.defineProperty(Navigator.prototype, "locks", {get() {}}),
		Object.defineProperty(Crypto.prototype, "subtle", {get() {}})`},
	{name: "locks that throw", before: `if (window.LockManager)
		LockManager.prototype.request = () => { throw new Error("no locks") }`},
	{name: "a Promise that is no class, with a catch that returns nothing, before",
		before: `{ const N = Promise, wrap = p => new Promise((a, b) =>
		p.then(a, b)); window.Promise = function (fn) { const p = new N(fn);
			this.then = (a, b) => wrap(p.then(a, b)), this.catch = () => {},
			this.finally = a => wrap(p.finally(a)) };
		for (const name of ["resolve", "reject", "all", "race"]) Promise[name] = v => wrap(N[name](v)) }`},
	{name: "timers that are objects, before", before: `{ const set = setTimeout, clear = clearTimeout;
		window.setTimeout = (fn, ms, ...rest) => ({id: set(fn, ms, ...rest)}),
		window.clearTimeout = timer => clear(timer && timer.id), window.requestIdleCallback = () => 1 }`},
	{name: "errors that throw, before",
		before: `Error.prepareStackTrace = () => { throw new Error("no") }, Error.stackTraceLimit = 0`},
	// Prototypes.
	{name: "prototypes that are frozen",
		before: `[Object, Array, Function, Promise].forEach(each => Object.freeze(each.prototype))`},
	{name: "an older browser", before: `delete String.prototype.padStart, delete String.prototype.replaceAll,
		delete Object.hasOwn, delete Promise.allSettled;
		for (const name of ["findLast", "at", "flat", "flatMap"]) delete Array.prototype[name]`},
	{name: "a hasOwnProperty of a library", after: `Object.prototype.hasOwnProperty = () => false`},
	{name: "find, includes and startsWith of an old library, before", before: `
		Array.prototype.find = function (value) { return this.indexOf(value) >= 0 && [value] };
		Array.prototype.includes = String.prototype.startsWith = () => false`},
	{name: "iteration of a library", after: `Array.prototype.entries = function () { return this.slice() },
		Object.values = Reflect.ownKeys = () => []`},
	{name: "something on the prototypes", before: `Object.prototype.extend = Array.prototype.remove = function () {},
		Function.prototype.held = 1`},
	{name: "options and what we call ours on Object.prototype", before: `Object.prototype.debug = "yes",
		Object.prototype.margin = -1, Object.prototype.held = 7, Object.prototype.told = true`},
	{name: "a bind of a library's", before: `Function.prototype.bind = function (to, ...first) { const fn = this;
		return function (...rest) { return fn.apply(to, first.concat(rest)) } }`},
	{name: "all of the language is frozen", before: `for (const each of [Object, Array, Function, Promise, Error, RegExp,
		Date, Map, Set, WeakMap, WeakSet, String, Number, Symbol, Uint8Array, Reflect, JSON, Math, WebAssembly])
		Object.freeze(each), each.prototype && Object.freeze(each.prototype)`},
	{name: "get and set on Object.prototype", before: `for (const name of ["get", "set"])
		Object.defineProperty(Object.prototype, name, {__proto__: null, configurable: true, value() {}})`},
	{name: "value, writable and more on Object.prototype",
		before: `for (const name of ["value", "writable", "enumerable", "configurable"]) Object.prototype[name] = true`},
	{name: "an Object.keys of Prototype.js", before: `Object.prototype.extend = function () {},
		Object.keys = (object) => { const names = []; for (const name in object) names.push(name); return names }`},
	// The Registration UI.
	{name: "an event that is frozen",
		page: `janrainPrepare.push(() => Object.freeze(janrain.events.onCaptureExpiredToken))`},
	{name: "all events frozen",
		page: `janrainPrepare.push(() => Object.values(janrain.events).forEach(Object.freeze))`},
	{name: "a read-only UI", page: `janrainPrepare.push(() => Object.freeze(janrain.capture.ui))`},
	{name: "a read-only capture", page: `janrainPrepare.push(() => Object.freeze(janrain.capture))`},
	{name: "an addHandler that throws",
		page: `janrainPrepare.push(() => { janrain.events.onCaptureError.addHandler = () => { throw new Error("no") } })`},
	{name: "events with a getter that throws", page: `janrainPrepare.push(() => Object.defineProperty(janrain.events,
		"onCaptureOdd", {enumerable: true, get() { throw new Error("odd") }}))`},
	{name: "settings replaced, as the vendor's sample does",
		page: `{ const { capture } = janrain.settings; janrain.settings = {}, janrain.settings.capture = {...capture};
		delete janrain.settings.capture.beforeJanrainCaptureWidgetOnLoad }`},
	{name: "settings that are frozen", page: `Object.freeze(janrain.settings.capture)`},
	{name: "janrain made anew", page: `window.janrain = {settings: janrain.settings}`},
	{name: "events made anew", ui: `janrain.events = {...janrain.events}`},
	{name: "janrain behind an accessor", page: `{ let kept = janrain;
		Object.defineProperty(window, "janrain", {configurable: true, get: () => kept, set: (v) => { kept = v }}) }`},
	{name: "janrain behind an accessor that stays", before: `{ let kept;
		Object.defineProperty(window, "janrain", {get: () => kept, set: (v) => { kept = v }}) }`},
	{name: "janrain in a Proxy", page: `window.janrain = new Proxy(janrain, {})`},
	{name: "janrain made anew three times", page: `for (let i = 0; i < 3; i++) window.janrain = {...janrain}`},
	{name: "janrain that is sealed", page: `janrainPrepare.push(() => { Object.seal(janrain),
		Object.seal(janrain.capture), Object.seal(janrain.events) })`},
	{name: "events in a Proxy", page: `janrainPrepare.push(() => { janrain.events = new Proxy(janrain.events,
		{ownKeys() { throw new Error("odd") }}) })`},
	{name: "a UI in a Proxy that refuses",
		page: `janrainPrepare.push(() => { janrain.capture.ui = new Proxy(janrain.capture.ui,
		{set() { throw new Error("odd") }, defineProperty() { throw new Error("odd") }}) })`},
	{name: "handlers that throw",
		page: `janrainPrepare.push(() => Object.values(janrain.events).forEach(event =>
			event.addHandler(() => { throw new Error("faulty") })))`},
	{name: "handlers that return odd things", page: `{ const { warn } = console;
		console.warn = (...all) => { /threw/.test(all[0]) && thrown.push(all[0]); warn(...all) };
		janrainPrepare.push(() => [new Proxy({}, {get() { throw new Error("odd") }}),
			{then() { throw new Error("odd") }}, null].forEach(odd =>
			janrain.events.onCaptureProfileSaveFailed.addHandler(() => odd))) }`},
	// Policies.
	{name: "the policy without nonces for us",
		policy: "default-src 'self'; script-src 'self' 'nonce-n' 'wasm-unsafe-eval'; " +
			"connect-src 'self'; img-src * data:", tag: noNonce},
	{name: "a policy without frames, and a variable called JSON, before", before: `window.kept = JSON, window.JSON = {}`,
		after: `window.JSON = kept`, policy: "default-src 'none'; script-src 'self' 'nonce-n' 'wasm-unsafe-eval'; " +
			"connect-src 'self'; img-src * data:; frame-src 'none'", tag: noNonce},
	{name: "a policy of nonces",
		policy: "default-src 'self'; script-src 'nonce-n' 'wasm-unsafe-eval'; connect-src 'self'; img-src * data:"},
	{name: "a strict-dynamic policy",
		policy: "script-src 'nonce-n' 'strict-dynamic' 'wasm-unsafe-eval'; object-src 'none'; base-uri 'none'"},
	{name: "Trusted Types", policy: "script-src 'self' 'nonce-n' 'wasm-unsafe-eval'" + trustType, tag: noNonce},
	{name: "Trusted Types and nonces", policy: "script-src 'nonce-n' 'wasm-unsafe-eval'" + trustType, tag: oneTag},
	{name: "Trusted Types, and a default policy that throws",
		policy: "script-src 'self' 'nonce-n' 'wasm-unsafe-eval'" + trustType + " default",
		before: `window.trustedTypes?.createPolicy("default", {createScriptURL() { throw new Error("no") }})`},
	{name: "Trusted Types, and a default policy alone",
		policy: "script-src 'self' 'nonce-n' 'wasm-unsafe-eval'; require-trusted-types-for 'script'; trusted-types default",
		before: `window.trustedTypes?.createPolicy("default", {createScriptURL: (text) => text})`},
	{name: "a policy of a sandbox", policy: "sandbox allow-scripts allow-same-origin allow-forms"},
	{name: "a policy in the page",
		head: `<meta http-equiv="Content-Security-Policy" content="script-src 'nonce-n' 'wasm-unsafe-eval'">`},
	// Orders of scripts.
	{name: "the npm package, behind the stub", tag: `<script nonce="n" src="/keepalive/stub.js"></script>
		<script type="module" nonce="n" src="/npm/index.js"></script>`},
	{name: "the npm package, after the Registration UI", tag: `<script type="module" nonce="n">import keepalive,
		{ start, user } from "/npm/index.js"; start({dialog: true});
		if (user() !== keepalive.user() || keepalive !== captureKeepalive) thrown.push("two of us")</script>`},
	{name: "written by a script",
		tag: `<script nonce="n">document.write('<script nonce="n" src="/keepalive/keepalive.js"><\/script>')</script>`},
	{name: "brought by a tag manager", tag: `<script nonce="n">{ const tag = document.createElement("script");
		tag.async = true, tag.src = "/keepalive/keepalive.js", tag.dataset.start = tag.dataset.dialog = "";
		document.scripts[0].before(tag) }</script>`},
	{name: "fetched and evaluated, as jQuery does", tag: `<script nonce="n">{ const request = new XMLHttpRequest();
		request.open("GET", "/keepalive/keepalive.js", false), request.send();
		(0, eval)(request.responseText) }</script>`},
	{name: "after the Registration UI", tag: `<!-- later -->`,
		ui: `{ const script = document.createElement("script"); script.src = "/keepalive/keepalive.js";
		script.onload = () => captureKeepalive.start({dialog: true}); document.head.append(script) }`},
	{name: "imported", tag: `<script type="module" nonce="n">await import("/keepalive/keepalive.js");
		captureKeepalive.start({dialog: true})</script>`},
	{name: "one tag", tag: oneTag},
	{name: "the stub, and one tag", tag: withStub},
	{name: "the stub of another version", before: `window.captureKeepalive = {waiting: [], start() {}, on() {},
		status: () => ({phase: "off", warnings: []}), diagnostics: () => []}`},
	{name: "the stub, frozen", tag: withStub, after: `Object.freeze(captureKeepalive)`},
	{name: "included twice", tag: strings.Repeat(`<script nonce="n" src="/keepalive/keepalive.js"></script>`, 2)},
	{name: "deferred, behind the stub", tag: `<script nonce="n" src="/keepalive/stub.js"></script>
		<script defer nonce="n" src="/keepalive/keepalive.js"></script>`},
	{name: "the stub twice", tag: `<script nonce="n" src="/keepalive/stub.js"></script>
		<script nonce="n" src="/keepalive/stub.js"></script><script nonce="n" src="/keepalive/keepalive.js"></script>`},
	{name: "with a query", tag: `<script nonce="n" src="/keepalive/keepalive.js?v=3#x"></script>`},
}

// hostilePage is a small site of its own.
var hostilePage = template.Must(template.New("").Parse(`<!doctype html><html lang="en"><head><meta charset="utf-8">
	<title>A page</title>
<link rel="icon" href="data:,"><script nonce="n">window.row = {{.Row}}; window.thrown = [];
	addEventListener("error", e => e.message && !/odd|faulty/.test(e.message) && thrown.push(e.message));
addEventListener("unhandledrejection", e => thrown.push(String(e.reason)))</script>
{{.Head}}<script nonce="n">{{.Before}}</script>{{.Tag}}<script nonce="n">{{.After}}</script>
<script nonce="n">window.janrain = window.janrain || {}; janrain.settings = janrain.settings || {};
janrain.settings.capture = Object.assign(janrain.settings.capture || {},
  {captureServer: "/capture", clientId: "demo-page", redirectUri: location.origin + "/"});
window.heard = []; window.janrainPrepare = []; window.guarded = 0;
window.janrainCaptureWidgetOnLoad = () => {
  janrainPrepare.forEach(fn => fn());
  const { events, capture: { ui } } = janrain;
  let shown;
  const show = (screen) => shown === screen || ui.renderScreen(screen);
  events.onCaptureScreenShow.addHandler(e => { shown = e.screen });
  for (const name of ["SessionFound", "SessionCreated", "LoginSuccess"])
    events["onCapture" + name].addHandler(() => show("editProfile"));
  for (const name of ["SessionNotFound", "SessionEnded"]) events["onCapture" + name].addHandler(() => show("signIn"));
  events.onCaptureExpiredToken.addHandler(() => { guarded++ });
  ui.start();
};
if (window.captureKeepalive && captureKeepalive.start) {
  captureKeepalive.on("ended", () => heard.push("ended"));
  captureKeepalive.start({dialog: true});
}
{{.Page}}</script></head>
<body><div id="signIn" hidden></div><div id="editProfile" hidden></div>
	<a id="out" class="capture_end_session" href="#">Sign out</a>
<script nonce="n" src="/registration-ui.js"></script><script nonce="n">{{.UI}}</script></body></html>`))

// hostileSite serves the page of one row at a time, before a demo.
type hostileSite struct {
	URL string

	mu  sync.Mutex
	row hostility
}

func (s *hostileSite) set(row hostility) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.row = row
}

func (s *hostileSite) page(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	row := s.row
	s.mu.Unlock()
	w.Header().Set("Content-Type", "text/html")
	w.Header().Set("Cache-Control", "no-store")
	if row.policy != "" {
		w.Header().Set("Content-Security-Policy", row.policy+"; style-src 'self'")
	}
	tag := row.tag
	if tag == "" {
		tag = `<script nonce="n" src="/keepalive/keepalive.js"></script>`
	}
	_ = hostilePage.Execute(w, map[string]any{
		"Row": row.name, "Head": template.HTML(row.head), "Tag": template.HTML(tag), "Before": template.JS(row.before),
		"After": template.JS(row.after), "Page": template.JS(row.page), "UI": template.JS(row.ui),
	})
}

// hostileTo starts the site before a demo.
func hostileTo(t *testing.T, d *demo) *hostileSite {
	t.Helper()
	to, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	s := &hostileSite{}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		if r.Out.Header.Get("Origin") != "" {
			r.Out.Header.Set("Origin", d.URL)
		}
	}}
	mux := http.NewServeMux()
	mux.HandleFunc("/hostile", s.page)
	// Not never: the driver of WebKit runs nothing before a page has loaded.
	mux.HandleFunc("/late", func(_ http.ResponseWriter, r *http.Request) { slow(5*time.Second)(nil, r) })
	// All that a place needs whose scripts somebody wants to have run.
	const elsewhere = `thrown.push("a script from elsewhere was run")`
	sum := sha512.Sum384([]byte(elsewhere))
	integrity := "sha384-" + base64.StdEncoding.EncodeToString(sum[:])
	mux.HandleFunc("/elsewhere/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		if strings.HasSuffix(r.URL.Path, "/manifest.json") {
			_, _ = fmt.Fprintf(w,
				`{"module":{"file":"keepalive.1.wasm","integrity":%[1]q},"files":{"runtime.js":{"integrity":%[1]q}}}`,
				integrity)
			return
		}
		_, _ = w.Write([]byte(elsewhere))
	})
	mux.Handle("/npm/", http.StripPrefix("/npm/",
		http.FileServer(http.Dir(filepath.Join("..", "..", "web", "npm", "dist")))))
	mux.Handle("/", proxy)
	server := httptest.NewServer(mux)
	t.Cleanup(server.CloseClientConnections)
	t.Cleanup(server.Close)
	s.URL = strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	return s
}

// dialogIs finds the dialog on a page that hides what a document has.
const dialogIs = `Object.getPrototypeOf(HTMLDocument.prototype).querySelector.call(document,
	"capture-keepalive-dialog")?.shadowRoot.querySelector("dialog")`

// signInThere signs in on the hostile page.
func signInThere(t *testing.T, p *browsertest.Page) {
	t.Helper()
	p.Eval(t, `document.getElementById("capture_signIn_email").value = "ada@example.com",
		document.getElementById("capture_signIn_displayName").value = "Ada",
		document.getElementById("capture_signIn_password").value = "x", 1`, nil)
	p.Click(t, "#capture_signIn_submit")
}

// liveThrough loads a page, signs in, renews and saves with a dead token, is
// stopped, started and warned, and signs out.
func liveThrough(t *testing.T, d *demo, s *hostileSite, p *browsertest.Page, engine, name string) {
	t.Helper()
	defer func() {
		if t.Failed() {
			var report string
			p.Eval(t, `JSON.stringify(window.captureKeepalive?.status?.()) + JSON.stringify(captureKeepalive?.diagnostics?.().slice(-8)) + JSON.stringify(thrown) + document.body.innerText`, &report)
			t.Logf("the page says: %s", report)
		}
	}()
	// Where the row before has failed, its session may be left.
	p.Navigate(t, s.URL+"/favicon.svg")
	p.Eval(t, `localStorage.clear(), fetch("/keepalive/session",
		{method: "DELETE", headers: {"X-Keepalive": "1"}}).then(r => r.status)`, nil)
	p.Eval(t, fmt.Sprintf(`location.assign(%q), 1`, s.URL+"/hostile"), nil)
	p.WaitFor(t, fmt.Sprintf(`window.row === %q && !!document.getElementById("capture_signIn_email")`, name), soon)
	signInThere(t, p)
	p.WaitFor(t, `!!document.getElementById("capture_editProfile_aboutMe") &&
		captureKeepalive.status().phase === "active"`, soon)
	p.Eval(t, `captureKeepalive.on("ended", () => heard.push("ended")), 1`, nil) // one tag: the page could not
	first := token(t, p)
	saved := d.saved(t)
	expire(t, p)
	p.Click(t, "#capture_editProfile_submit")
	p.WaitFor(t, `document.getElementsByClassName("capture_message")[0]?.textContent === "Saved."`, soon)
	if got := d.saved(t) - saved; got != 1 || token(t, p) == first {
		t.Errorf("saved %d times; the token was renewed: %t", got, token(t, p) != first)
	}
	if engine == "chromium" { // of every row a second, in one engine
		p.Eval(t, `captureKeepalive.stop(), captureKeepalive.start({load: "now", dialog: true, idleWarning: 43200}),
			1`, nil)
		p.WaitFor(t, dialogIs+`?.open === true`, soon)
		p.Eval(t, `captureKeepalive.stop(), captureKeepalive.start({load: "now"}), 1`, nil)
		p.WaitFor(t, `!`+dialogIs+` && captureKeepalive.status().phase === "active"`, soon)
	}
	p.Click(t, "#out")
	p.WaitFor(t, `heard.indexOf("ended") >= 0 && !localStorage.janrainCaptureToken`, soon)
	p.WaitFor(t, `(window.realFetch || fetch)("/keepalive/session",
		{headers: {"X-Keepalive": "1"}}).then(r => r.status === 401)`, soon)
	var thrown []string
	if p.Eval(t, `thrown`, &thrown); len(thrown) > 0 {
		t.Errorf("thrown: %q", thrown)
	}
	var left []string
	p.Eval(t, `Object.getOwnPropertyNames(window).filter(n => /keepalive/i.test(n))`, &left)
	if len(left) != 1 || left[0] != "captureKeepalive" {
		t.Errorf("left in the page's globals: %q", left)
	}
}

// The whole table, in every kind of browser.
func TestHostilePages(t *testing.T) {
	t.Parallel()
	if len(hostilities) < 40 {
		t.Errorf("%d rows, want at least 40", len(hostilities))
	}
	browsertest.Each(t, func(t *testing.T, b *browsertest.Browser) {
		d := startDemo(t, "--life", "10m")
		s := hostileTo(t, d)
		p := b.Open(t, s.URL+"/favicon.svg")
		for _, row := range hostilities {
			t.Run(row.name, func(t *testing.T) {
				s.set(row)
				liveThrough(t, d, s, p, b.Name, row.name)
			})
		}
	})
}

// A page that has taken our name, and does not give it away, gets no API. It is
// left as it is, and its users have their session all the same.
func TestNameThatIsTaken(t *testing.T) {
	t.Parallel()
	d := startDemo(t, "--life", "10m")
	s := hostileTo(t, d)
	s.set(hostility{tag: oneTag, before: `Object.defineProperty(window, "captureKeepalive", {value: 1})`})
	p := browsertest.Chromium(t).Open(t, s.URL+"/hostile")
	p.WaitFor(t, `!!document.getElementById("capture_signIn_email")`, soon)
	signInThere(t, p)
	p.WaitFor(t, `fetch("/keepalive/session", {headers: {"X-Keepalive": "1"}}).then(r => r.status === 200)`, soon)
	var untouched bool
	if p.Eval(t, `captureKeepalive === 1 && thrown.length === 0`, &untouched); !untouched {
		t.Error("the page's own variable was replaced, or something was thrown")
	}
}
