// Package server is the program capture-keepalive: one file for each command.
// Its main function is in cmd/capture-keepalive.
package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/capture-keepalive/capture-keepalive/server/app"
	"github.com/capture-keepalive/capture-keepalive/server/config"
	"github.com/capture-keepalive/capture-keepalive/web"
)

// version is what the program says of itself.
var version = "dev"

// The exit codes.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// Main runs the program and ends the process. built is the version that the
// build says, or nothing.
func Main(built string) {
	version = ownVersion(built)
	// Libraries tell the standard logger what they got over the network, tokens
	// included: net/http does so with an answer that it did not ask for.
	log.SetOutput(io.Discard)
	outliveReaders()
	stderr := app.NewLogWriter(os.Stderr)
	ctx := untilAsked(onTerminal())
	code := run(ctx, os.Args[1:], os.Environ(), os.Stdout, stderr)
	stderr.Close()
	os.Exit(code)
}

// program is what a command has of the world, so that tests can run it with
// ports and files of their own.
type program struct {
	environment    []string
	stdin          io.Reader
	stdout, stderr io.Writer
	files          fs.FS // the page's
}

// errReported ends a command that has already told what is wrong.
var errReported = errors.New("reported")

// run is the whole program. It returns when the work is done or ctx is, with
// the exit code.
func run(ctx context.Context, args, environment []string, stdout, stderr io.Writer) int {
	p := &program{
		environment: environment, stdin: os.Stdin, stdout: stdout, stderr: stderr, files: web.Dist(),
	}
	return p.run(ctx, args)
}

func (p *program) run(ctx context.Context, args []string) int {
	out := &checkedOutput{to: p.stdout}
	p.stdout = out
	root := p.root()
	root.SetArgs(append([]string{}, args...)) // for nil cobra takes the process's own
	started := false
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	err := root.ExecuteContext(ctx)
	if lost := out.lost.Load(); lost != nil &&
		(err == nil || errors.Is(err, *lost) || errors.Is(err, errReported)) {
		if errors.Is(*lost, syscall.EPIPE) {
			return exitError // the reader has seen enough, as head does
		}
		started = true // the command line is not at fault
		err = fmt.Errorf("what the command says could not be written (%w); see where its output "+
			"goes", *lost)
	}
	switch {
	case err == nil:
		return exitOK
	case !errors.Is(err, errReported):
		fmt.Fprintf(p.stderr, "capture-keepalive: %s\n", visible(err.Error()))
	}
	if _, ok := errors.AsType[usageError](err); ok || !started {
		fmt.Fprintf(p.stderr, "Run it with --help for what it can do.\n")
		return exitUsage
	}
	return exitError
}

// checkedOutput remembers that something could not be written to it: on a full
// disk a command that says something has not done its work.
type checkedOutput struct {
	to   io.Writer
	lost atomic.Pointer[error] // nil: nothing
}

// Write implements io.Writer.
func (o *checkedOutput) Write(text []byte) (int, error) {
	n, err := o.to.Write(text)
	if err != nil {
		o.lost.Store(&err)
	}
	return n, err
}

// visible is text without what makes a terminal do things: another program's
// answer can be in it.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, text)
}

// onceFlag is a flag that is given once, and with a value. Of two the last
// would count, and revoke would end the sessions of one user of two; nothing is
// what a shell's unset variable leaves: --url "$URL".
type onceFlag struct {
	pflag.Value
	given bool
}

// Set implements pflag.Value.
func (f *onceFlag) Set(text string) error {
	switch {
	case f.given:
		return errors.New("the flag is there already; give it once")
	case strings.TrimSpace(text) == "":
		return errors.New("the flag is empty; give it a value, or leave it out")
	}
	f.given = true
	err := f.Value.Set(text)
	switch {
	case err != nil && f.Type() == "duration":
		return errors.New("write a time with its unit, such as 90s, 30m or 48h")
	case err != nil && f.Type() == "bool":
		return errors.New("write the flag alone, or with =false")
	}
	return err
}

// noArgs refuses arguments of a command; the library calls them commands.
func noArgs(command *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError(fmt.Sprintf("%s takes flags alone, and %q is none", command.Name(), args[0]))
}

// usageError is an error in the command line.
type usageError string

func (e usageError) Error() string { return string(e) }

// root is the table of commands. It sets no template of cobra: that would link
// text/template with all methods of all types, 9 MB more.
func (p *program) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "capture-keepalive",
		Short: "Keep people signed in on sites that use the Registration UI",
		Long: "capture-keepalive keeps people signed in on sites that use the Registration UI.\n" +
			"Its settings are in the environment; serve --help lists them.",
		Version: fmt.Sprintf("%s %s %s/%s", version, runtime.Version(), runtime.GOOS,
			runtime.GOARCH),
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(*cobra.Command, []string) error {
			return usageError("no command is given")
		},
	}
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		unknown, ok := errors.AsType[*pflag.NotExistError](err)
		if ok && unknown.GetSpecifiedShortnames() != "" {
			return usageError(err.Error() + ". Flags begin with two dashes, such as --help")
		}
		return usageError(err.Error())
	})
	root.SetHelpCommand(helpCommand(root))
	root.AddCommand(
		p.serveCommand(),
		p.checkCommand(),
		p.revokeCommand(),
		p.sessionsCommand(),
		p.explainCommand(),
		p.demoCommand(),
		p.devCommand(),
		p.initCommand(),
		p.snippetCommand(),
		p.versionCommand(root.Version),
	)
	for _, command := range root.Commands() {
		command.Flags().VisitAll(func(flag *pflag.Flag) { flag.Value = &onceFlag{Value: flag.Value} })
	}
	root.InitDefaultCompletionCmd()
	completion, _, _ := root.Find([]string{"completion"})
	completion.RunE = func(*cobra.Command, []string) error {
		return usageError("completion needs a shell: bash, zsh, fish or powershell")
	}
	return root
}

// helpCommand fails for what is no command; the library's own does not.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:   "help [command]",
		Short: "Help about any command",
		RunE: func(_ *cobra.Command, args []string) error {
			about, _, err := root.Find(args)
			if err != nil {
				return usageError(err.Error())
			}
			return about.Help()
		},
	}
}

func (p *program) versionCommand(text string) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(p.stdout, "capture-keepalive %s\n", text)
			return err
		},
	}
}

// readConfig reads the settings of the environment, with defaults in front.
func (p *program) readConfig(defaults ...string) (*config.Config, error) {
	settings, err := config.Read(append(defaults, p.environment...))
	isOurs := func(variable string) bool { return strings.HasPrefix(variable, config.Prefix) }
	if err != nil && !slices.ContainsFunc(p.environment, isOurs) {
		return nil, fmt.Errorf("%w\nThe environment has no setting at all. If there is an "+
			"environment file, load it with: set -a; . ./environment; set +a. Otherwise make one "+
			"with: capture-keepalive init", err)
	}
	return settings, err
}

// settingsHelp is the help of commands that read the whole configuration.
func settingsHelp(intro string) string {
	return intro + "\n\nThe settings, each with " + config.Prefix + " in front of its name " +
		"(names ending in " +
		config.FileSuffix + " hold the path\nof a file with the value):\n\n" + config.Help()
}
