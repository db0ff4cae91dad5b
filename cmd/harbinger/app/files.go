// SPDX-License-Identifier: Apache-2.0

package app

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/hostfile"
	"github.com/harbinger-ha/harbinger/pkg/manifest"
	"github.com/harbinger-ha/harbinger/pkg/staticpod"
)

// file is one that the command writes.
type file struct {
	path    string
	content []byte
	secret  bool // is never shown
}

// own reports whether a file is in the directory of the configuration, which is Harbinger's own and is made where it is missing.
// That of the manifest is the kubelet's.
func (f file) own() bool { return filepath.Dir(f.path) == config.Directory }

// render returns the files in the order in which they must be there.
func (o *manifestOptions) render(cfg *config.HarbingerConfiguration) ([]file, error) {
	var files []file
	cfg, password := cfg.WithPasswordFile(config.PasswordFile)
	if password != "" {
		files = append(files, file{path: config.PasswordFile, content: []byte(password + "\n"), secret: true})
	}
	if o.configFile {
		document, err := scheme.EncodeMinimal(cfg)
		if err != nil {
			return nil, err
		}
		files = append(files, file{path: config.File, content: document})
	}
	pod, err := manifest.Render(cfg, manifest.Options{Image: o.image, ConfigFile: o.configFile})
	if err != nil {
		return nil, err
	}
	return append(files, file{path: o.output, content: pod}), nil
}

// checkOutputs finds what would keep a file from being written, before the first is.
func checkOutputs(files []file) error {
	var errs []error
	for _, f := range files {
		if _, err := os.Stat(config.Directory); f.path == "-" || f.own() && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		errs = append(errs, staticpod.Check(f.path))
	}
	return errors.Join(errs...)
}

// found is a file that is there before the command writes it.
type found struct {
	content []byte
	private bool // only root reads it
}

// existing has the files of a host by their paths.
type existing map[string]found

// compare reads the files that are there. A dry run for another host looks at none of this one.
func (o *manifestOptions) compare(files []file) (existing, error) {
	there := existing{}
	if o.dryRun && o.noHostChecks {
		return there, nil
	}
	paths := []string{config.File} // that the pod which is there may read
	for _, f := range files {
		paths = append(paths, f.path)
	}
	for _, path := range paths {
		content, err := hostfile.Read(path)
		switch {
		case path == "-" || errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		default:
			_, err := hostfile.ReadPrivate(path)
			there[path] = found{content, err == nil}
		}
	}
	return there, nil
}

// same reports whether a file is there as it is to be. A secret that others may read is not.
func (e existing) same(f file) bool {
	was, ok := e[f.path]
	return ok && bytes.Equal(was.content, f.content) && (was.private || !f.secret)
}

// print says what becomes of a file, and what differs in it.
func (e existing) print(s streams, f file, done string) {
	was, ok := e[f.path]
	switch {
	case e.same(f):
		fmt.Fprintf(s.err, "%s: unchanged\n", f.path)
		return
	case f.secret:
		fmt.Fprintf(s.err, "%s %s with the password, which the pod reads from there\n", done, f.path)
		return
	case ok:
		fmt.Fprintf(s.err, "%s: changed%s", f.path, difference(f, string(was.content)))
	}
	fmt.Fprintln(s.err, done, f.path)
}

// difference returns what differs in a file from what was there. What is not Harbinger's is not shown, as there may be secrets in it,
// nor is a difference that has a password for another reason.
func difference(f file, before string) string {
	was, err := manifest.Written{}, error(nil)
	if f.path == config.File {
		was.Config, err = scheme.Decode([]byte(before))
	} else {
		was, err = manifest.Read([]byte(before))
	}
	if err != nil {
		return fmt.Sprintf("; what was there: %v\n", err)
	}
	diff := manifest.Diff(f.path, before, string(f.content))
	if was.Config != nil {
		if password := was.Config.Election.VRRP.Authentication.Password; password != "" && strings.Contains(diff, password) {
			return "; the difference has a password and is not shown\n"
		}
	}
	return "\n" + diff
}

// show prints the files as documents of one stream.
func show(s streams, files []file, there existing) error {
	var documents [][]byte
	for _, f := range files {
		if f.secret {
			fmt.Fprintln(s.err, passwordNote)
			continue
		}
		if f.path != "-" {
			there.print(s, f, "Would write")
		}
		documents = append(documents, f.content)
	}
	_, err := s.out.Write(bytes.Join(documents, []byte("---\n")))
	return err
}

// passwordNote says where the pod looks for a password that was not written.
const passwordNote = "The pod reads the password from " + config.PasswordFile + ": write it there on the node, for root alone (mode 0600)."

// write writes the files that are not there as they are to be.
func write(s streams, files []file, there existing) error {
	for _, f := range files {
		if !there.same(f) {
			if f.own() {
				if err := os.MkdirAll(config.Directory, 0o755); err != nil {
					return err
				}
			}
			if err := staticpod.Write(f.path, f.content); err != nil {
				return err
			}
		}
		there.print(s, f, "Wrote")
	}
	return nil
}
