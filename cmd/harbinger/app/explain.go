// SPDX-License-Identifier: Apache-2.0

package app

import (
	_ "embed" // the fields
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

const explainLong = `Explain a field of the configuration: its type, its default, what it means, which values it has, and the fields in it. With --status: a
field of the document that harbinger status -o json prints.

FIELD is its path, such as election.vrrp.priority; without one the fields at the top are listed.`

const explainExample = `  # what there is at the top of a configuration
  harbinger explain

  # one field, and a group
  harbinger explain election.vrrp.priority
  harbinger explain loadBalancer.backends

  # a field of the status
  harbinger explain --status virtualRouter.state`

// explained is what the source says of a field: hack/reference writes it down.
type explained struct {
	Field   string   `json:"field"`
	Type    string   `json:"type"`
	Default string   `json:"default"`
	Values  []string `json:"values"`
	Meaning string   `json:"meaning"`
}

// document is one that has fields.
type document struct {
	name   string // as it is called
	fields []explained
}

//go:embed fields.json
var fieldsOfSource []byte

// documents returns the fields of the configuration and those of the status.
func documents() (configuration, status document) {
	var all struct{ Configuration, Status []explained }
	if err := json.Unmarshal(fieldsOfSource, &all); err != nil {
		panic(err) // it is part of the program
	}
	return document{"configuration", all.Configuration}, document{"status", all.Status}
}

func newExplainCommand(s streams) *cobra.Command {
	ofStatus := false
	cmd := &cobra.Command{
		Use:     "explain [FIELD]",
		Short:   "Explain a field of the configuration or of the status",
		Long:    explainLong,
		Example: explainExample,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return explain(s, append(args, "")[0], ofStatus)
		},
	}
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		of, _ := chosen(ofStatus)
		paths := of.beginning(typed)
		if slices.ContainsFunc(paths, func(p string) bool { return strings.HasSuffix(p, ".") }) {
			return paths, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		}
		return paths, cobra.ShellCompDirectiveNoFileComp
	}
	cmd.Flags().BoolVar(&ofStatus, "status", false, "explain a field of the status instead of one of the configuration")
	return cmd
}

// chosen returns the document that is asked for, and the other one.
func chosen(ofStatus bool) (of, other document) {
	configuration, status := documents()
	if ofStatus {
		return status, configuration
	}
	return configuration, status
}

// explain prints what is known of a field, or of all fields at the top where none is named.
func explain(s streams, name string, ofStatus bool) error {
	of, other := chosen(ofStatus)
	var b strings.Builder
	if plain(name) == "" {
		fmt.Fprintf(&b, "The fields at the top of the %s:\n", of.name)
		writeFields(&b, of.within(""))
	} else {
		f, ok := of.find(name)
		if inner, found := strings.CutPrefix(plain(name), "status."); !ok && found && !ofStatus { // the configuration has a group of that name too
			if f, ok = other.find(inner); ok {
				of = other
			}
		}
		if !ok {
			return usageError(unknownField(name, of, other))
		}
		writeField(&b, of, f)
	}
	_, err := s.out.Write([]byte(b.String()))
	return err
}

// explains begins the command that explains a field of a document.
var explains = map[string]string{"configuration": "harbinger explain ", "status": "harbinger explain --status "}

// unknownField says which field may have been meant.
func unknownField(name string, of, other document) error {
	if f, ok := other.find(name); ok {
		return fmt.Errorf("the %s has no field %s, but the %s has: %s%s", of.name, name, other.name, explains[other.name], f.Field)
	}
	if meant := of.like(name); len(meant) > 0 {
		return fmt.Errorf("the %s has no field %s: did you mean %s?", of.name, name, oneOf(meant))
	}
	return fmt.Errorf("the %s has no field %s: %swithout a field lists what is at the top", of.name, name, explains[of.name])
}

// indices are what a path has of the place in a list or map.
var indices = regexp.MustCompile(`\[[^\]]*\]`)

// plain is a path as it is compared: in small letters, without the marks of lists.
func plain(path string) string {
	return strings.ToLower(strings.Trim(indices.ReplaceAllString(path, ""), "."))
}

// find returns the field of a path, whatever the case of its letters is, and whether a place in a list is named.
func (d document) find(path string) (explained, bool) {
	i := slices.IndexFunc(d.fields, func(f explained) bool { return plain(f.Field) == plain(path) })
	if i < 0 {
		return explained{}, false
	}
	return d.fields[i], true
}

// within returns the fields of a group; those at the top for "".
func (d document) within(group string) (fields []explained) {
	for _, f := range d.fields {
		inner, ok := f.Field, true
		if group != "" {
			inner, ok = strings.CutPrefix(strings.TrimPrefix(strings.TrimPrefix(f.Field, group), "[]"), ".")
			ok = ok && strings.HasPrefix(f.Field, group)
		}
		if ok && !strings.Contains(inner, ".") {
			fields = append(fields, f)
		}
	}
	return fields
}

// like returns the fields that a wrong path may mean: those of that name elsewhere, or else the one whose name is like it.
func (d document) like(path string) (meant []string) {
	words := strings.Split(plain(path), ".")
	last := words[len(words)-1]
	var known []string
	for _, f := range d.fields {
		if known = append(known, plain(f.Field)); strings.HasSuffix("."+plain(f.Field), "."+last) {
			meant = append(meant, f.Field)
		}
	}
	if len(meant) > 0 {
		return meant[:min(len(meant), mostMeant)]
	}
	if f, ok := d.find(nearest(plain(path), known)); ok {
		return []string{f.Field}
	}
	for _, f := range d.fields { // a slip of the pen in the last word alone
		name := plain(f.Field[strings.LastIndex(f.Field, ".")+1:])
		if len(meant) < mostMeant && nearest(last, []string{name}) != "" {
			meant = append(meant, f.Field)
		}
	}
	return meant
}

// mostMeant is how many fields are named at most that may have been meant.
const mostMeant = 4

// beginning returns the paths that a typed beginning can become, down to the next dot.
func (d document) beginning(typed string) (paths []string) {
	depth := strings.Count(typed, ".")
	for _, f := range d.fields {
		path := strings.ReplaceAll(f.Field, "[]", "")
		if strings.Count(path, ".") == depth && strings.HasPrefix(strings.ToLower(path), strings.ToLower(typed)) {
			if paths = append(paths, path); len(d.within(f.Field)) > 0 {
				paths = append(paths, path+".")
			}
		}
	}
	return paths
}

// writeField writes what is known of a field.
func writeField(b *strings.Builder, of document, f explained) {
	fmt.Fprintf(b, "Field:    %s (of the %s)\nType:     %s\n", f.Field, of.name, f.Type)
	if f.Default != "" {
		fmt.Fprintf(b, "Default:  %s\n", f.Default)
	}
	if len(f.Values) > 0 {
		fmt.Fprintf(b, "Values:   %s\n", indent(reflow(oneOf(f.Values), helpWidth-10), 10))
	}
	fmt.Fprintf(b, "\n%s\n", reflow(f.Meaning, helpWidth))
	if inner := of.within(f.Field); len(inner) > 0 {
		fmt.Fprintf(b, "\nIts fields:\n")
		writeFields(b, inner)
	}
}

// writeFields writes a short entry for each field.
func writeFields(b *strings.Builder, fields []explained) {
	for _, f := range fields {
		head := fmt.Sprintf("%s (%s", strings.TrimPrefix(f.Field[strings.LastIndex(f.Field, ".")+1:], "."), f.Type)
		if f.Default != "" {
			head += ", default " + f.Default
		}
		fmt.Fprintf(b, "\n  %s)\n      %s\n", head, indent(reflow(f.Meaning, helpWidth-6), 6))
	}
}

// indent moves the lines after the first to a column.
func indent(text string, column int) string {
	return strings.ReplaceAll(text, "\n", "\n"+strings.Repeat(" ", column))
}
