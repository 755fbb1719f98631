// Command setup installs what a Debian machine lacks for the project's tests:
//
//	go run ./scripts/setup                   # what make test takes
//	go run ./scripts/setup chromium webkit   # these
//
// It does nothing where nothing is missing, and it needs the standard library
// alone, so that it runs before anything else has been downloaded.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"

	"github.com/capture-keepalive/capture-keepalive/scripts/internal/need"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	m := machine{root: os.Geteuid() == 0, missing: missing, run: runAptGet}
	if err := setup(ctx, os.Args[1:], m, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "setup:", err)
		stop()
		os.Exit(1)
	}
}

// machine is what setup asks of the machine it is on.
type machine struct {
	root    bool
	missing func(need.Need) error
	run     func(ctx context.Context, args ...string) error // apt-get
}

func setup(ctx context.Context, args []string, m machine, stdout io.Writer) error {
	wanted, err := choose(args)
	if err != nil {
		return err
	}
	var packages []string
	for _, n := range wanted {
		if err := m.missing(n); err == nil {
			fmt.Fprintf(stdout, "%s is here\n", n.Name)
			continue
		}
		fmt.Fprintf(stdout, "%s is missing, it is needed to %s: installing %s\n", n.Name, n.Reason, strings.Join(n.Packages, " "))
		packages = append(packages, n.Packages...)
	}
	if len(packages) == 0 {
		return nil
	}

	install := append([]string{"install", "-y", "--no-install-recommends"}, packages...)
	if !m.root {
		return fmt.Errorf("only root can install packages: run `sudo apt-get update && sudo apt-get %s`, then this again",
			strings.Join(install, " "))
	}
	for _, step := range [][]string{{"update"}, install} {
		if err := m.run(ctx, step...); err != nil {
			return fmt.Errorf("apt-get %s: %w", strings.Join(step, " "), err)
		}
	}
	for _, n := range wanted {
		if err := m.missing(n); err != nil {
			return fmt.Errorf("%s were installed and yet %w", strings.Join(n.Packages, " "), err)
		}
	}
	return nil
}

func choose(names []string) ([]need.Need, error) {
	if len(names) == 0 {
		return need.All(), nil
	}
	var known []string
	for _, n := range need.All() {
		known = append(known, n.Name)
	}
	var wanted []need.Need
	for _, name := range names {
		i := slices.Index(known, name)
		if i < 0 {
			return nil, fmt.Errorf("%q is nothing setup knows: choose from %s", name, strings.Join(known, ", "))
		}
		wanted = append(wanted, need.All()[i])
	}
	return wanted, nil
}

func missing(n need.Need) error {
	_, err := n.Find()
	return err
}

func runAptGet(ctx context.Context, args ...string) error {
	path, err := exec.LookPath("apt-get")
	if err != nil {
		return fmt.Errorf("this is not a Debian machine, install the programs its own way: %w", err)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
