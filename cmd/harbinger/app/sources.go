// SPDX-License-Identifier: Apache-2.0

package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
	"github.com/harbinger-ha/harbinger/pkg/convert/haproxy"
	"github.com/harbinger-ha/harbinger/pkg/convert/keepalived"
	"github.com/harbinger-ha/harbinger/pkg/convert/kubevip"
	"github.com/harbinger-ha/harbinger/pkg/hostfile"
)

// The bounds of what is read of another program. A file that includes itself comes to an end by the number.
const (
	largestSource = 4 << 20 // bytes
	mostSources   = 256     // files

	longestPattern = 4096 // bytes: the longest path of the kernel
)

// convert puts what the files say into a configuration. Beside the findings it returns what they say together.
func (o *convertOptions) convert(s streams, cfg *v1alpha1.HarbingerConfiguration) (found convert.Findings, notes []string, err error) {
	r := &sources{streams: s}
	if o.keepalived != "" {
		file, err := r.read("--keepalived", o.keepalived)
		if err != nil {
			return found, nil, err
		}
		found.Join(keepalived.Convert(file, keepalived.Options{Include: r.include, ID: o.keepalivedID}, cfg))
	}
	if o.kubeVIP != "" {
		file, err := r.read("--kube-vip", o.kubeVIP)
		if err != nil {
			return found, nil, err
		}
		found.Join(kubevip.Convert(file, cfg))
	}
	if len(o.haproxy) == 0 {
		return found, nil, nil
	}
	files, err := r.readHAProxy(o.haproxy)
	if err != nil {
		return found, nil, err
	}
	beside := convert.Beside(cfg)
	found.Join(files.Locate(haproxy.Convert(files.File(), haproxy.Options{Frontend: o.frontend, Excerpt: o.excerpt, Environment: os.LookupEnv}, cfg)))
	return found, beside(), nil
}

// sources reads files, as many as may be read.
type sources struct {
	streams
	count int
}

// read reads a file that a flag names.
func (r *sources) read(flag, name string) (convert.File, error) {
	file := convert.File{Name: name}
	in := r.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return file, fmt.Errorf("%s: %w", flag, err)
		}
		defer f.Close()
		in = f
	}
	content, err := io.ReadAll(io.LimitReader(in, largestSource+1))
	if err == nil && len(content) > largestSource {
		err = fmt.Errorf("%s has more than %d bytes", name, largestSource)
	}
	if err != nil {
		return file, fmt.Errorf("%s: %w", flag, err)
	}
	file.Content = content
	return file, r.counted()
}

func (r *sources) counted() error {
	if r.count++; r.count > mostSources {
		return fmt.Errorf("more than %d files are read: does one include itself?", mostSources)
	}
	return nil
}

// readHAProxy reads the files of haproxy in the order in which it does: of a directory those that end in .cfg, by name.
func (r *sources) readHAProxy(names []string) (files convert.Joined, err error) {
	for _, name := range names {
		inside, err := inside(name)
		if err != nil {
			return nil, fmt.Errorf("--haproxy: %w", err)
		}
		for _, path := range inside {
			file, err := r.read("--haproxy", path)
			if err != nil {
				return nil, err
			}
			files = append(files, file)
		}
	}
	return files, nil
}

// inside returns the files of haproxy in a directory, or a file itself.
func inside(name string) (paths []string, err error) {
	if info, err := os.Stat(name); name == "-" || err != nil || !info.IsDir() {
		return []string{name}, nil // what is wrong with it is seen when it is read
	}
	entries, err := os.ReadDir(name)
	for _, entry := range entries {
		if own := entry.Name(); filepath.Ext(own) == ".cfg" && !strings.HasPrefix(own, ".") {
			paths = append(paths, filepath.Join(name, own))
		}
	}
	if err == nil && len(paths) == 0 {
		err = fmt.Errorf("%s has no file that ends in .cfg", name)
	}
	return paths, err
}

// include returns the files that a pattern of keepalived matches, by name. A directory is none of them.
func (r *sources) include(pattern string) ([]convert.File, error) {
	if len(pattern) > longestPattern {
		return nil, fmt.Errorf("the pattern has more than %d bytes", longestPattern)
	}
	var names []string
	for _, one := range braces(pattern) {
		found, err := filepath.Glob(one)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", pattern, err)
		}
		names = append(names, found...)
	}
	var files []convert.File
	var errs []error
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.IsDir() {
			continue
		}
		content, err := hostfile.Read(name) // which never waits: the name is from a file
		errs = append(errs, err)
		if err == nil {
			files = append(files, convert.File{Name: name, Content: content})
		}
		if err := r.counted(); err != nil {
			return nil, err
		}
	}
	return files, errors.Join(errs...)
}

// braces returns the patterns that one with alternatives in braces stands for, of which glob(3) knows more than Go.
func braces(pattern string) []string {
	open := strings.IndexByte(pattern, '{')
	if open < 0 || strings.IndexByte(pattern[open:], '}') < 0 {
		return []string{pattern}
	}
	shut, depth := -1, 0
	commas := []int{open}
	for i := open; i < len(pattern) && shut < 0; i++ {
		switch pattern[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				shut = i
			}
		case ',':
			if depth == 1 {
				commas = append(commas, i)
			}
		}
	}
	if shut < 0 {
		return []string{pattern}
	}
	var all []string
	for i, from := range commas {
		to := shut
		if i+1 < len(commas) {
			to = commas[i+1]
		}
		all = append(all, braces(pattern[:open]+pattern[from+1:to]+pattern[shut+1:])...)
		if len(all) > mostSources {
			return all[:mostSources]
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// declared is the line of a haproxy.cfg that begins what --frontend can name.
var declared = regexp.MustCompile(`(?m)^[ \t]*(?:frontend|listen)[ \t]+(\S+)`)

// frontends completes the names in the files of haproxy that the command line has.
func (o *convertOptions) frontends(*cobra.Command, []string, string) (names []string, _ cobra.ShellCompDirective) {
	for _, name := range o.haproxy {
		paths, _ := inside(name) // what is wrong with it is said when the command runs
		for _, path := range paths {
			content, _ := hostfile.Read(path)
			for _, found := range declared.FindAllSubmatch(content, -1) {
				names = append(names, string(found[1]))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names), cobra.ShellCompDirectiveNoFileComp
}
