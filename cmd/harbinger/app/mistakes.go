// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// explainMistakes has the commands say of an unknown flag, value or command which one may have been meant.
func explainMistakes(root *cobra.Command) {
	root.SetFlagErrorFunc(flagMistake)
	each(root, func(c *cobra.Command) {
		if check := c.Args; check != nil {
			c.Args = func(c *cobra.Command, args []string) error { return argumentMistake(c, args, check(c, args)) }
		}
	})
}

// each calls a function for a command and all below it.
func each(c *cobra.Command, do func(*cobra.Command)) {
	do(c)
	for _, sub := range c.Commands() {
		each(sub, do)
	}
}

// flagMistake says more of an error of pflag's.
func flagMistake(c *cobra.Command, err error) error {
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		if of, ok := invalid.GetFlag().Value.(choice); ok {
			return fmt.Errorf("--%s %q: use %s", invalid.GetFlag().Name, invalid.GetValue(), oneOf(of.values))
		}
	}
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return err
	}
	name := unknown.GetSpecifiedName()
	if unknown.GetSpecifiedShortnames() != "" {
		return fmt.Errorf("unknown flag -%s: %s --help lists the flags", name, c.CommandPath())
	}
	if meant := nearest(name, flagNames(c)); meant != "" {
		return fmt.Errorf("unknown flag --%s: did you mean --%s?", name, meant)
	}
	if others := commandsWith(c.Root(), name); len(others) > 0 {
		return fmt.Errorf("unknown flag --%s: %s has none, it is one of %s", name, c.CommandPath(), strings.Join(others, ", "))
	}
	return fmt.Errorf("unknown flag --%s: %s --help lists the flags", name, c.CommandPath())
}

// flagNames returns the names of the flags that a command shows.
func flagNames(c *cobra.Command) (names []string) {
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	return names
}

// commandsWith returns the commands that have a flag of that name.
func commandsWith(root *cobra.Command, name string) (paths []string) {
	each(root, func(c *cobra.Command) {
		if !c.Hidden && c.Flags().Lookup(name) != nil {
			paths = append(paths, c.CommandPath())
		}
	})
	return paths
}

// argumentMistake says more of an error of cobra's about the words behind a command.
func argumentMistake(c *cobra.Command, args []string, err error) error {
	switch {
	case err == nil:
		return nil
	case c.HasSubCommands() && len(args) > 0:
		var known []string
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				known = append(known, sub.Name())
			}
		}
		if meant := nearest(args[0], known); meant != "" {
			return fmt.Errorf("unknown command %q of %s: did you mean %s %s?", args[0], c.CommandPath(), c.CommandPath(), meant)
		}
		return fmt.Errorf("unknown command %q of %s: use %s", args[0], c.CommandPath(), oneOf(known))
	case strings.HasPrefix(err.Error(), "unknown command"):
		if meant := nearest(args[0], flagNames(c)); meant != "" {
			return fmt.Errorf("%s takes no argument %q: did you mean --%s?", c.CommandPath(), args[0], meant)
		}
		return fmt.Errorf("%s takes no argument, but %q was given: %s --help lists the flags", c.CommandPath(), args[0], c.CommandPath())
	}
	return fmt.Errorf("%s: %w: see %s --help", c.CommandPath(), err, c.CommandPath())
}

// oneOf is a list in words: "a, b or c".
func oneOf(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// nearest returns the known word that another one was probably meant to be; nothing where none is like it.
func nearest(word string, known []string) string {
	likely := func(k string) int {
		if len(word) > 2 && strings.HasPrefix(strings.ToLower(k), strings.ToLower(word)) {
			return 0 // it is the beginning of it
		}
		return distance(strings.ToLower(word), strings.ToLower(k))
	}
	if len(known) == 0 {
		return ""
	}
	best := slices.MinFunc(known, func(a, b string) int { return cmp.Compare(likely(a), likely(b)) })
	if likely(best) > max(1, len(word)/3) {
		return ""
	}
	return best
}

// distance is how many letters are to be put in, left out, changed or exchanged with the next one to make one word of another.
func distance(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := rows[i-1][j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
