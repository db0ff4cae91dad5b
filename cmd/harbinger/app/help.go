// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

const (
	// helpWidth is how wide a help text is at most, in characters: a terminal of 80 columns shows it as it is.
	helpWidth = 80
	// helpColumn is where what is said of a flag or a command begins, where its name leaves room.
	helpColumn = 30
)

// The groups of the commands.
const (
	groupSetup   = "setup"
	groupOperate = "operate"
	groupPod     = "pod"
	groupOther   = "other"
)

var commandGroups = []*cobra.Group{
	{ID: groupSetup, Title: "Set up a control plane:"},
	{ID: groupOperate, Title: "Operate it:"},
	{ID: groupPod, Title: "In the pod:"},
	{ID: groupOther, Title: "Other commands:"},
}

// inGroup puts commands into a group.
func inGroup(id string, commands ...*cobra.Command) []*cobra.Command {
	for _, c := range commands {
		c.GroupID = id
	}
	return commands
}

// headingAnnotation is where a flag has the heading that it stands below.
const headingAnnotation = "heading"

// under puts the flags that have no heading yet below one: those that were added since the last call.
func under(flags *pflag.FlagSet, heading string) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Annotations[headingAnnotation] == nil {
			_ = flags.SetAnnotation(f.Name, headingAnnotation, []string{heading}) // the flag is there
		}
	})
}

// printHelp prints what a command is for, and its usage.
func printHelp(c *cobra.Command, _ []string) {
	fmt.Fprintf(c.OutOrStdout(), "%s\n\n", reflow(cmp.Or(c.Long, c.Short+"."), helpWidth))
	_ = printUsage(c, c.OutOrStdout())
}

// printUsage prints how a command is called: examples, commands and flags.
func printUsage(c *cobra.Command, w io.Writer) error {
	var b strings.Builder
	b.WriteString("Usage:\n")
	if c.Runnable() {
		fmt.Fprintf(&b, "  %s\n", c.UseLine())
	}
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "  %s COMMAND\n", c.CommandPath())
	}
	if c.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", strings.TrimRight(c.Example, "\n"))
	}
	writeCommands(&b, c)
	writeFlags(&b, c.Flags())
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n%s COMMAND --help says more of a command.\n", c.CommandPath())
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeCommands writes the commands of a command by their groups, those without one last.
func writeCommands(b *strings.Builder, c *cobra.Command) {
	for _, group := range append(slices.Clone(c.Groups()), &cobra.Group{Title: "Commands:"}) {
		heading := "\n" + group.Title + "\n"
		for _, sub := range c.Commands() {
			if sub.GroupID == group.ID && sub.IsAvailableCommand() {
				b.WriteString(heading)
				writeEntry(b, "  "+sub.Name(), sub.Short)
				heading = ""
			}
		}
	}
}

// writeFlags writes flags below their headings, in the order in which these were added.
func writeFlags(b *strings.Builder, flags *pflag.FlagSet) {
	var headings []string
	of := map[string][]*pflag.Flag{}
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		heading := ""
		if known := f.Annotations[headingAnnotation]; known != nil {
			heading = known[0]
		}
		if of[heading] == nil && heading != "" {
			headings = append(headings, heading)
		}
		of[heading] = append(of[heading], f)
	})
	for _, heading := range append(headings, "") {
		if len(of[heading]) == 0 {
			continue
		}
		title := heading
		if title == "" && len(headings) > 0 {
			title = "Other flags"
		}
		fmt.Fprintf(b, "\n%s:\n", cmp.Or(title, "Flags"))
		for _, f := range of[heading] {
			writeEntry(b, flagName(f), flagUsage(f))
		}
	}
}

// flagName is how a flag is given.
func flagName(f *pflag.Flag) string {
	kind, _ := pflag.UnquoteUsage(f)
	name := "      --" + f.Name
	if f.Shorthand != "" {
		name = fmt.Sprintf("  -%s, --%s", f.Shorthand, f.Name)
	}
	switch kind {
	case "":
		return name
	case "int32":
		kind = "int"
	case "stringArray", "strings":
		kind = "string..."
	}
	return name + " " + kind
}

// flagUsage is what a flag says of itself, with its default where it does not say that.
func flagUsage(f *pflag.Flag) string {
	_, usage := pflag.UnquoteUsage(f)
	if strings.Contains(usage, "(default") || slices.Contains([]string{"", "false", "0", "0s", "[]"}, f.DefValue) {
		return usage
	}
	return fmt.Sprintf("%s (default %s)", usage, f.DefValue)
}

// writeEntry writes a name and beside it what is said of it, or below it where the name is long.
func writeEntry(b *strings.Builder, name, text string) {
	lines := strings.Split(reflow(text, helpWidth-helpColumn), "\n")
	if utf8.RuneCountInString(name)+2 > helpColumn {
		fmt.Fprintf(b, "%s\n", name)
		name = ""
	}
	for _, line := range lines {
		fmt.Fprintf(b, "%-*s%s\n", helpColumn, name, line)
		name = ""
	}
}

// reflow breaks the paragraphs of a text at words, so that no line is wider than that. A line that begins with a blank stays as it is.
func reflow(text string, width int) string {
	var lines []string
	open := false // the last line can take more words
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		if line == "" || line[0] == ' ' {
			lines, open = append(lines, line), false
			continue
		}
		for _, word := range strings.Fields(line) {
			last := len(lines) - 1
			if open && utf8.RuneCountInString(lines[last])+1+utf8.RuneCountInString(word) <= width {
				lines[last] += " " + word
				continue
			}
			lines, open = append(lines, word), true
		}
	}
	return strings.Join(lines, "\n")
}

// addHelpCommand adds the command that prints the help of another one.
func addHelpCommand(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		if c.Name() == "help" {
			c.Use, c.Short, c.Long = "help [COMMAND]", "Print the help of a command", "Print the help of a command, as COMMAND --help does."
			c.Example, c.GroupID = "  harbinger help manifest\n  harbinger help config view", groupOther
		}
	}
}
