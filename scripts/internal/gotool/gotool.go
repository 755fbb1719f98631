// Package gotool is the one place that says how this project calls the Go
// tool: the flags of what is shipped, and where the toolchain keeps the
// JavaScript that goes with it.
package gotool

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// ModulePath is the path of this module.
const ModulePath = "github.com/capture-keepalive/capture-keepalive"

// common keeps the machine out of the output: no paths, and no commit, which
// would give the module a new hash, and every page a new download, whenever
// something else in the repository changes.
var common = []string{"-trimpath", "-buildvcs=false"}

// Wasm returns the arguments that build, or test with, the module as it is
// shipped. Inlining is off everywhere (-l): that makes the module 9 % larger
// raw and 6 % smaller under brotli (630,195 to 589,699 bytes, Go 1.26.8), and
// the wire is what a page pays for. -s -w drop the name section.
func Wasm(verb string, args ...string) []string {
	return command(verb, args, "-ldflags=-s -w", "-gcflags=all=-l")
}

// WasmEnv is the environment for [Wasm]. GOWASM is cleared because it changes
// the output.
func WasmEnv() []string {
	return append(os.Environ(), "GOOS=js", "GOARCH=wasm", "GOWASM=", "GOEXPERIMENT="+wasmExperiment(runtime.Version()))
}

// wasmExperiment turns off what Go 1.26 added to its runtime for many cores
// and large heaps; the module has one thread and 3 MB. It saves 2 % of the
// module (623,917 to 610,576 bytes of brotli). Both are documented as ways out
// for this release only, so that another gets its defaults.
func wasmExperiment(goVersion string) string {
	if strings.HasPrefix(goVersion, "go1.26") {
		return "nogreenteagc,nosizespecializedmalloc"
	}
	return ""
}

// Server returns the arguments that build the server as it is shipped, with
// its version in main.version.
func Server(version string, args ...string) []string {
	args = append(slices.Clip(args), "./server/cmd/capture-keepalive")
	return command("build", args, "-ldflags=-s -w -X main.version="+version)
}

// ServerEnv is the environment for [Server]: a static binary.
func ServerEnv() []string { return append(os.Environ(), "CGO_ENABLED=0") }

func command(verb string, args []string, flags ...string) []string {
	all := append([]string{verb}, common...)
	all = append(all, flags...)
	return append(all, args...)
}

// Root is the directory of the module that the working directory dir is in
// ("" is the process's own).
func Root(ctx context.Context, dir string) (string, error) {
	mod, err := env(ctx, dir, "GOMOD")
	if err != nil {
		return "", err
	}
	if mod == "" || mod == os.DevNull {
		return "", fmt.Errorf("no go.mod here or above: run this inside a clone of %s", ModulePath)
	}
	return filepath.Dir(mod), nil
}

// Runtime is wasm_exec.js of the toolchain that compiles the module in root:
// the two must be of one version.
func Runtime(ctx context.Context, root string) ([]byte, error) {
	goroot, err := env(ctx, root, "GOROOT")
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(goroot, "lib", "wasm", "wasm_exec.js"))
	if err != nil {
		return nil, fmt.Errorf("reading the toolchain's wasm_exec.js: %w", err)
	}
	return text, nil
}

// Version is the version of the toolchain that compiles the module in root,
// such as "go1.26.8".
func Version(ctx context.Context, root string) (string, error) {
	return env(ctx, root, "GOVERSION")
}

func env(ctx context.Context, dir, name string) (string, error) {
	out, err := Output(ctx, dir, nil, "go", "env", name)
	return strings.TrimSpace(string(out)), err
}

// Output runs a command in dir and returns its standard output. Its error
// carries what the command said on standard error. A nil env is the process's
// own.
func Output(ctx context.Context, dir string, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, env
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.Bytes(), nil
}
