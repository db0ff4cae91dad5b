// SPDX-License-Identifier: Apache-2.0

package app

import (
	"errors"
	"slices"

	"github.com/spf13/cobra"
)

const completionLong = `Print the script with which a shell completes the commands of harbinger, their flags, and the values of these: modes, policies, checks,
interfaces of this host, names of nodes, fields of the configuration.

Of bash it needs the package bash-completion, of zsh that compinit was run.`

const completionExample = `  # bash, for all users
  harbinger completion bash > /etc/bash_completion.d/harbinger

  # zsh, for this user
  mkdir -p ~/.zfunc && harbinger completion zsh > ~/.zfunc/_harbinger

  # fish, for this user
  mkdir -p ~/.config/fish/completions
  harbinger completion fish > ~/.config/fish/completions/harbinger.fish`

// shells are those that there is a script for.
var shells = []string{"bash", "zsh", "fish"}

func newCompletionCommand(s streams) *cobra.Command {
	return &cobra.Command{
		Use:       "completion bash|zsh|fish",
		Short:     "Print the script that completes commands, flags and values in a shell",
		Long:      completionLong,
		Example:   completionExample,
		ValidArgs: shells,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || !slices.Contains(shells, args[0]) {
				return errors.New("name one shell: " + oneOf(shells))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch root := cmd.Root(); args[0] {
			case "bash":
				return root.GenBashCompletionV2(s.out, true)
			case "zsh":
				return root.GenZshCompletion(s.out)
			default:
				return root.GenFishCompletion(s.out, true)
			}
		},
	}
}
