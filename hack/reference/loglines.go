// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"regexp"
	"strings"
)

// documented is the comment of a message of the log.
var documented = regexp.MustCompile(`^Msg\w+ \((INFO|ERROR|DEBUG\+3)\): (.+\.) Remedy: (.+\.)$`)

// logLines returns the table of all messages of the log: level, meaning, and what to do; and that of their keys.
func logLines() (string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "pkg/logging/lines.go", nil, parser.ParseComments)
	if err != nil {
		return "", err
	}
	var messages, keys strings.Builder
	var errs []error
	messages.WriteString("| Line | Level | Meaning | What to do |\n|---|---|---|---|\n")
	keys.WriteString("\n| Key | Meaning |\n|---|---|\n")
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		name, value := spec.Names[0].Name, strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`)
		comment := strings.Join(strings.Fields(spec.Doc.Text()+spec.Comment.Text()), " ")
		switch parts := documented.FindStringSubmatch(comment); {
		case strings.HasPrefix(name, "Key"):
			fmt.Fprintf(&keys, "| `%s` | %s |\n", value, comment)
		case parts == nil:
			errs = append(errs, fmt.Errorf("pkg/logging: the comment of %s is not NAME (LEVEL): MEANING. Remedy: WHAT TO DO", name))
		default:
			fmt.Fprintf(&messages, "| `%s` | %s | %s | %s |\n", value, parts[1], parts[2], parts[3])
		}
		return true
	})
	return messages.String() + keys.String(), errors.Join(errs...)
}
