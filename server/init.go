package server

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/capture-keepalive/capture-keepalive/server/setup"
)

func (p *program) initCommand() *cobra.Command {
	var dir string
	command := &cobra.Command{
		Use:   "init",
		Short: "Make a first configuration: ask, make keys, write the environment file",
		Long: "Ask for what only you know, make the keys, write the environment file with a " +
			"line of\n" +
			"explanation for each setting, and print what your proxy needs. Nothing is " +
			"overwritten.",
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			dir, err := setup.Folder(dir)
			if err != nil {
				return usageError(err.Error())
			}
			answers, err := setup.Ask(command.Context(), p.stdin, p.stdout)
			if err != nil {
				return err
			}
			if err := setup.Write(dir, answers); err != nil {
				return err
			}
			p.tellSetUp(dir, answers)
			return nil
		},
	}
	command.Flags().StringVar(&dir, "dir", ".", "the folder to write to")
	return command
}

// tellSetUp says what was written and what is left to do.
func (p *program) tellSetUp(dir string, answers *setup.Answers) {
	environment := filepath.Join(dir, setup.EnvironmentFile)
	fmt.Fprintf(p.stdout, "\nWritten: %s and %s. Keep the keys secret, and apart from the store.\n",
		environment, filepath.Join(dir, setup.KeysFile))
	if block := setup.Block(answers.Proxy); block != "" {
		fmt.Fprintf(p.stdout, "\nFor your proxy:\n\n%s", block)
	}
	files := answers.SecretFiles(dir)
	fmt.Fprintln(p.stdout, "\nNext:")
	for _, path := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(p.stdout, "  Put %s into %s, readable for the server's user alone (mode "+
			"0400).\n", files[path], path)
	}
	fmt.Fprintf(p.stdout, "  set -a; . %s; set +a\n  capture-keepalive check --live\n  "+
		"capture-keepalive serve\n", setup.Quoted(environment))
}
