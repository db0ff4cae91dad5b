// SPDX-License-Identifier: Apache-2.0

package kubevip

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/harbinger-ha/harbinger/pkg/convert"
)

// The bounds of a file of YAML. Aliases may make more of it than it has bytes.
const (
	mostNodes = 200_000
	deepest   = 64
)

// variable is a variable or a flag of a container.
type variable struct {
	file, name, value string
	line              int
	elsewhere         string // what the value comes from; empty: it is there
	flag              bool   // of the command line
}

// statement names a variable without its secrets.
func (v variable) statement() convert.Statement {
	value := v.value
	switch {
	case v.elsewhere != "":
		value = "from " + v.elsewhere
	case v.name == "bgp_peerpass" || v.name == "bgp_peers" || v.name == "PACKET_AUTH_TOKEN":
		value = "…"
	}
	return convert.Statement{File: v.file, Line: v.line, Words: []string{v.name, value}}
}

// container is one that runs kube-vip.
type container struct {
	file, name string
	line       int
	variables  []variable
	references []variable // envFrom
}

func (c container) statement() convert.Statement {
	return convert.Statement{File: c.file, Line: c.line, Words: []string{c.name}}
}

// reader looks for containers in the documents of a file.
type reader struct {
	file       string
	containers []container
	maps       map[string][]variable // ConfigMaps, by name
	nodes      int
	unread     error // of a text in a document that is none itself
}

var (
	// assignment is a line of a file with variables.
	assignment = regexp.MustCompile(`^(?:export\s+|-e\s+|--env[ =])?([A-Za-z_][A-Za-z0-9_]*)=(.*)$`)
	// nested is what a text in a document has that is a document itself.
	nested = regexp.MustCompile(`(?m)^\s*(kind|env|apiVersion):`)
)

// read returns the containers of a file.
func (k *kubevip) read(file convert.File) []container {
	if variables, ok := readAssignments(file); ok {
		return []container{{file: file.Name, name: "kube-vip", line: 1, variables: variables}}
	}
	r := &reader{file: file.Name, maps: map[string][]variable{}}
	err := r.documents(file.Content, 0, 0)
	if err == nil && len(r.containers) == 0 {
		err = r.unread
	}
	if err != nil {
		where := convert.Statement{File: file.Name, Line: 1, Words: []string{"pod"}}
		if line, found := convert.Template(file.Content); line > 0 {
			where.Line, where.Words = line, []string{found}
			k.Refuse(where, "part of a template that was not filled in: give the file that the kubelet gets")
			return nil
		}
		k.Refuse(where, "it cannot be read: %v", err)
		return nil
	}
	if len(r.containers) == 0 {
		k.Refuse(convert.Statement{File: file.Name, Line: 1, Words: []string{"kube-vip"}}, "no container of it is here: want its pod, or its variables, each NAME=VALUE on a line")
	}
	for i := range r.containers {
		r.resolve(&r.containers[i])
	}
	return r.containers
}

// readAssignments reads a file of NAME=VALUE, as for a shell, systemd or Docker.
func readAssignments(file convert.File) (variables []variable, ok bool) {
	line := 0
	for text := range strings.Lines(string(file.Content)) {
		line++
		text = strings.TrimSpace(text)
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		parts := assignment.FindStringSubmatch(text)
		if parts == nil {
			return nil, false
		}
		value := strings.TrimSpace(parts[2])
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		} else {
			value, _, _ = strings.Cut(value, " #")
		}
		variables = append(variables, variable{file: file.Name, name: parts[1], value: strings.TrimSpace(value), line: line})
	}
	return variables, len(variables) > 0
}

// documents looks through the documents of a text, which begins some lines into the file.
func (r *reader) documents(content []byte, offset, depth int) error {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var document yaml.Node
		err := decoder.Decode(&document)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = r.walk(&document, offset, depth)
		}
		if err != nil {
			return err
		}
	}
}

var errTooMuch = errors.New("it is nested too deeply, or refers to itself")

// walk looks through a node and what is in it.
func (r *reader) walk(n *yaml.Node, offset, depth int) error {
	if r.nodes++; r.nodes > mostNodes || depth > deepest {
		return errTooMuch
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch n.Kind {
	case yaml.ScalarNode:
		return r.text(n, offset, depth)
	case yaml.MappingNode:
		r.configMap(n, offset)
		if r.container(n, offset) {
			return nil
		}
	default: // it is what is in it
	}
	for _, inner := range n.Content {
		if err := r.walk(inner, offset, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// text looks through a text that is a document itself, as Cluster API and Helm have them. One that is none is not looked at.
func (r *reader) text(n *yaml.Node, offset, depth int) error {
	if !strings.Contains(n.Value, "\n") || !nested.MatchString(n.Value) || !strings.Contains(n.Value, "vip") {
		return nil
	}
	begin := offset + n.Line - 1
	if n.Style == yaml.LiteralStyle || n.Style == yaml.FoldedStyle {
		begin++
	}
	err := r.documents([]byte(n.Value), begin, depth+1)
	if errors.Is(err, errTooMuch) {
		return err
	}
	if err != nil && strings.Contains(n.Value, "kube-vip") {
		r.unread = err // which matters where nothing else is found
	}
	return nil
}

// get returns the value of a key of a mapping, or nil.
func get(n *yaml.Node, keys ...string) *yaml.Node {
	for _, key := range keys {
		var found *yaml.Node
		for i := 0; n != nil && n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				found = n.Content[i+1]
			}
		}
		if n = found; n != nil && n.Kind == yaml.AliasNode {
			n = n.Alias
		}
	}
	return n
}

// scalar returns the text of a key of a mapping, or nothing.
func scalar(n *yaml.Node, keys ...string) string {
	if found := get(n, keys...); found != nil && found.Kind == yaml.ScalarNode && found.Tag != "!!null" {
		return found.Value
	}
	return ""
}

func (r *reader) configMap(n *yaml.Node, offset int) {
	data := get(n, "data")
	if scalar(n, "kind") != "ConfigMap" || data == nil {
		return
	}
	r.maps[scalar(n, "metadata", "name")] = r.pairs(data, offset)
}

// pairs returns the variables of a mapping from names to values.
func (r *reader) pairs(n *yaml.Node, offset int) (variables []variable) {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if key, value := n.Content[i], n.Content[i+1]; value.Kind == yaml.ScalarNode {
			variables = append(variables, variable{file: r.file, name: key.Value, value: value.Value, line: offset + key.Line})
		}
	}
	return variables
}

// container takes a mapping that is a container of kube-vip, or the values of its Helm chart.
func (r *reader) container(n *yaml.Node, offset int) bool {
	env, args := get(n, "env"), get(n, "args")
	c := container{file: r.file, line: offset + n.Line}
	if env != nil && env.Kind == yaml.MappingNode {
		c.name = "kube-vip"
		c.variables = r.pairs(env, offset)
		for _, name := range []string{"address"} {
			if value := get(n, "config", name); value != nil && value.Value != "" {
				c.variables = append(c.variables, variable{file: r.file, name: name, value: value.Value, line: offset + value.Line})
			}
		}
		known := slices.ContainsFunc(c.variables, func(v variable) bool { return variables[v.name].class != "" })
		if known {
			r.containers = append(r.containers, c)
		}
		return known
	}
	image, name := scalar(n, "image"), scalar(n, "name")
	runs := strings.Contains(image, "kube-vip") || strings.HasPrefix(name, "kube-vip") || strings.HasPrefix(name, "kubevip")
	if !runs || strings.Contains(image+name, "cloud") || env == nil && args == nil && get(n, "envFrom") == nil {
		return false
	}
	c.name = "container " + name
	r.environment(&c, env, offset)
	for _, part := range []*yaml.Node{get(n, "command"), args} {
		r.arguments(&c, part, offset)
	}
	r.references(&c, get(n, "envFrom"), offset)
	r.containers = append(r.containers, c)
	return true
}

// environment reads the variables of a container.
func (r *reader) environment(c *container, env *yaml.Node, offset int) {
	for i := 0; env != nil && i < len(env.Content); i++ {
		one := env.Content[i]
		v := variable{file: r.file, name: scalar(one, "name"), value: scalar(one, "value"), line: offset + one.Line}
		if from := get(one, "valueFrom"); from != nil && len(from.Content) > 1 {
			v.elsewhere = from.Content[0].Value
		}
		if value := get(one, "value"); value != nil && value.Kind == yaml.MappingNode { // {{ name }}
			v.value = "{{ … }}"
		}
		if v.name != "" {
			c.variables = append(c.variables, v)
		}
	}
}

// references notes where other variables come from.
func (r *reader) references(c *container, from *yaml.Node, offset int) {
	for i := 0; from != nil && i < len(from.Content); i++ {
		for _, kind := range []string{"configMapRef", "secretRef"} {
			if name := scalar(from.Content[i], kind, "name"); name != "" {
				c.references = append(c.references, variable{file: r.file, name: "envFrom", value: name, elsewhere: kind + " " + name, line: offset + from.Content[i].Line})
			}
		}
	}
}

// resolve puts the variables of the ConfigMaps of the file before those of the container, which win.
func (r *reader) resolve(c *container) {
	c.references = slices.DeleteFunc(c.references, func(reference variable) bool {
		found, ok := r.maps[reference.value]
		c.variables = append(slices.Clone(found), c.variables...)
		return ok
	})
}

// arguments reads the flags of a command line.
func (r *reader) arguments(c *container, list *yaml.Node, offset int) {
	for i := 0; list != nil && i < len(list.Content); i++ {
		word := list.Content[i]
		name, isFlag := strings.CutPrefix(word.Value, "--")
		if !isFlag || name == "" {
			continue
		}
		name, value, given := strings.Cut(name, "=")
		if !given && slices.Contains(switches, name) {
			value = "true"
		} else if !given && i+1 < len(list.Content) {
			i++
			value = list.Content[i].Value
		}
		v := variable{file: r.file, name: "--" + name, value: value, line: offset + word.Line, flag: true}
		if known, ok := flags[name]; ok {
			v.name = known
		}
		c.variables = append(c.variables, v)
	}
}
