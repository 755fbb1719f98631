package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	esbuild "github.com/evanw/esbuild/pkg/api"
)

// classicScripts are what a page includes, by the source that each begins with.
var classicScripts = []struct{ name, source string }{
	{"keepalive.js", "src/main.js"},
	{"stub.js", "src/stub.js"},
	{"dialog.js", "dialog/dialog.js"},
}

// bundleScripts adds the scripts of root/web to contents, which has
// wasm_exec.js already.
func bundleScripts(root, version string, contents map[string][]byte) error {
	web := filepath.Join(root, "web")
	for _, script := range classicScripts {
		code, err := bundle(filepath.Join(web, filepath.FromSlash(script.source)), classic(version))
		if err != nil {
			return err
		}
		contents[script.name] = code
	}
	code, err := bundle(filepath.Join(web, "src", "runtime.js"), runtimeScript(version, contents["wasm_exec.js"]))
	contents["runtime.js"] = code
	return err
}

// classic are the options for a classic script, in a function of its own.
func classic(version string) esbuild.BuildOptions {
	return esbuild.BuildOptions{
		Bundle:            true,
		Format:            esbuild.FormatIIFE,
		Target:            esbuild.ES2021,
		Charset:           esbuild.CharsetUTF8,
		LegalComments:     esbuild.LegalCommentsInline,
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		MinifySyntax:      true,
		Define:            map[string]string{"VERSION": strconv.Quote(version)},
		Plugins:           []esbuild.Plugin{styleSheets},
		// A type annotation that is left, a name that is not there: each is a
		// mistake that still parses.
		LogOverride: map[string]esbuild.LogLevel{"import-is-undefined": esbuild.LogLevelError},
	}
}

// styleSheets gives a script the CSS file that it imports, minified, as a string.
var styleSheets = esbuild.Plugin{Name: "style sheets", Setup: func(build esbuild.PluginBuild) {
	build.OnLoad(esbuild.OnLoadOptions{Filter: `\.css$`},
		func(args esbuild.OnLoadArgs) (esbuild.OnLoadResult, error) {
			text, err := os.ReadFile(args.Path)
			if err != nil {
				return esbuild.OnLoadResult{}, err
			}
			css := esbuild.Transform(string(text), esbuild.TransformOptions{
				Loader: esbuild.LoaderCSS, MinifyWhitespace: true, MinifySyntax: true,
			})
			minified := strings.TrimSpace(string(css.Code))
			return esbuild.OnLoadResult{
				Contents: &minified,
				Loader:   esbuild.LoaderText,
				Errors:   append(css.Errors, css.Warnings...),
			}, nil
		})
}}

// What stands around runtime.js. Its "window" is what keepalive.js left on the
// element that loads it; a page that includes it by hand gets nothing. Neither
// an image nor a library's Document hides the element.
const (
	runtimeHead = "/*! With wasm_exec.js of Go: Copyright 2018 The Go Authors, https://go.dev/LICENSE */\n" +
		`(()=>{const o=Object,p=o.getPrototypeOf,` +
		`s=o.getOwnPropertyDescriptor(p(p(document)),"currentScript").get.call(document);` +
		`s&&s.captureKeepalive&&(window=>{`
	runtimeFoot = `})(s.captureKeepalive)})();`
)

// runtimeScript are the options for runtime.js: wasm_exec.js goes into a
// function. Its parameter has the globals that the file must not take from the
// page, nor leave there.
func runtimeScript(version string, wasmExec []byte) esbuild.BuildOptions {
	const head = "export const wasmExec = (globals) => {\n" +
		"const { globalThis, fs, Reflect, setTimeout, clearTimeout, console, Array, DataView, Date, Error,\n" +
		"Map, Math, Object, Promise, TextDecoder, TextEncoder, Uint8Array, WebAssembly,\n" +
		"crypto, isNaN, performance } = globals;\n"
	text := head + string(wasmExec) + "\n};\n"
	options := classic(version)
	options.Banner = map[string]string{"js": runtimeHead}
	options.Footer = map[string]string{"js": runtimeFoot}
	options.Plugins = append(options.Plugins, esbuild.Plugin{
		Name: "wasm_exec",
		Setup: func(build esbuild.PluginBuild) {
			build.OnResolve(esbuild.OnResolveOptions{Filter: `^wasm_exec\.js$`},
				func(args esbuild.OnResolveArgs) (esbuild.OnResolveResult, error) {
					return esbuild.OnResolveResult{Path: args.Path, Namespace: "toolchain"}, nil
				})
			build.OnLoad(esbuild.OnLoadOptions{Filter: ".*", Namespace: "toolchain"},
				func(esbuild.OnLoadArgs) (esbuild.OnLoadResult, error) {
					return esbuild.OnLoadResult{Contents: &text, Loader: esbuild.LoaderJS}, nil
				})
		},
	})
	return options
}

// bundle makes one script of a source and what it imports. A comment that
// begins with /*! stays, since a licence asks for it.
func bundle(source string, options esbuild.BuildOptions) ([]byte, error) {
	options.EntryPoints = []string{source}
	options.Outfile = "script.js" // names what is returned; nothing is written
	result := esbuild.Build(options)
	// A warning is a mistake in the script that still parses: stop there too.
	if found := append(result.Errors, result.Warnings...); len(found) > 0 {
		said := esbuild.FormatMessages(found, esbuild.FormatMessagesOptions{})
		return nil, fmt.Errorf("bundling %s:\n%s", source, strings.Join(said, ""))
	}
	if len(result.OutputFiles) != 1 {
		return nil, errors.New("bundling " + source + " made not one file")
	}
	return result.OutputFiles[0].Contents, nil
}

// writePackage fills root/web/npm/dist, the npm package, from contents, which
// has the classic scripts and the types.
func writePackage(root, version string, contents map[string][]byte) error {
	source := filepath.Join(root, "web", "npm")
	options := classic(version)
	options.Format = esbuild.FormatESModule
	code, err := bundle(filepath.Join(root, "web", "src", "package.js"), options)
	if err != nil {
		return err
	}
	files := map[string][]byte{"index.js": code}
	for _, name := range []string{"keepalive.js", "keepalive.d.ts", "stub.js"} {
		files[name] = contents[name]
	}
	for name, path := range map[string]string{
		"package.json": filepath.Join(source, "package.json"),
		"index.d.ts":   filepath.Join(source, "index.d.ts"),
		"README.md":    filepath.Join(source, "README.md"),
		"LICENSE":      filepath.Join(root, "LICENSE"),
	} {
		if files[name], err = os.ReadFile(path); err != nil {
			return err
		}
	}
	const placeholder = `"version": "0.0.0"`
	if !bytes.Contains(files["package.json"], []byte(placeholder)) {
		return fmt.Errorf("web/npm/package.json has no %s for the build to replace", placeholder)
	}
	files["package.json"] = bytes.Replace(files["package.json"], []byte(placeholder),
		fmt.Appendf(nil, `"version": %q`, version), 1)
	dist := output{dir: filepath.Join(source, "dist")}
	for name, content := range files {
		if err := dist.add(name, content); err != nil {
			return err
		}
	}
	return dist.removeOthers()
}
