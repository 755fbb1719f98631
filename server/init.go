package server

import (
	"fmt"
	"path/filepath"

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
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			dir, err := setup.Folder(dir)
			if err != nil {
				return usageError(err.Error())
			}
			if err := setup.Ready(dir); err != nil {
				return err
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
	fmt.Fprintln(p.stdout, "\nNext:")
	for _, step := range answers.Next(dir) {
		fmt.Fprintf(p.stdout, "  %s\n", step)
	}
}
