// SPDX-License-Identifier: Apache-2.0

package app

import (
	"errors"
	"net"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/harbinger-ha/harbinger/pkg/preflight"
	"github.com/harbinger-ha/harbinger/pkg/preflight/wire"
)

// choice is the value of a flag that is one of some words, whose case does not matter.
type choice struct {
	value  *string
	values []string
}

func (c choice) Type() string   { return "string" }
func (c choice) String() string { return *c.value }

func (c choice) Set(text string) error {
	i := slices.IndexFunc(c.values, func(known string) bool { return strings.EqualFold(known, text) })
	if i < 0 {
		return errors.New("use " + oneOf(c.values))
	}
	*c.value = c.values[i]
	return nil
}

// addChoice adds a flag that is one of some words, which the shell completes.
func addChoice(c *cobra.Command, value *string, name, shorthand, initial, usage string, values ...string) {
	*value = initial
	c.Flags().VarP(choice{value, values}, name, shorthand, usage)
	complete(c, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp), name)
}

// words are values without a type of their own.
func words[T ~string](values ...T) (all []string) {
	for _, v := range values {
		all = append(all, string(v))
	}
	return all
}

// complete has the shell complete the values of flags.
func complete(c *cobra.Command, values cobra.CompletionFunc, flags ...string) {
	for _, name := range flags {
		_ = c.RegisterFlagCompletionFunc(name, values) // a flag that was not added has none: TestEveryFlagIsCompleted finds it
	}
}

// The files that a flag names, by how their names end.
var (
	anyFile     = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveDefault)
	yamlFile    = cobra.FixedCompletions([]string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt)
	confFile    = cobra.FixedCompletions([]string{"conf"}, cobra.ShellCompDirectiveFilterFileExt)
	haproxyFile = cobra.FixedCompletions([]string{"cfg"}, cobra.ShellCompDirectiveFilterFileExt)
	directory   = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveFilterDirs)
	// freely is what only the user knows: no file.
	freely = cobra.FixedCompletions(nil, cobra.ShellCompDirectiveNoFileComp)
)

// examples are values of which the user changes one.
func examples(values ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)
}

// interfaces completes the network interfaces of this host.
func interfaces(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	for _, i := range all {
		if i.Flags&net.FlagLoopback == 0 {
			names = append(names, i.Name)
		}
	}
	slices.Sort(names)
	return names, cobra.ShellCompDirectiveNoFileComp
}

// checks completes the names of the checks of this host, each in a list.
func checks(_ *cobra.Command, _ []string, typed string) (names []string, _ cobra.ShellCompDirective) {
	before := typed[:strings.LastIndex(typed, ",")+1]
	given := strings.Split(before, ",")
	names = append(names, before+preflight.All+"\tevery check")
	for _, c := range slices.Concat(preflight.Checks(), wire.Checks()) {
		if !slices.Contains(given, c.Name) {
			names = append(names, before+c.Name+"\t"+c.Finds)
		}
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
