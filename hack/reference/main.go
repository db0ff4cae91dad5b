// SPDX-License-Identifier: Apache-2.0

// Command reference makes the tables of the documentation from the source that they describe. Run it in the root of the
// repository:
//
//	reference         print the tables
//	reference -check  fail where a page has another table
//	reference -write  put the tables into the pages
//
// It makes as well what harbinger explain knows of the fields, a file that is compared and written as the tables are.
// A table stands between the lines "<!-- NAME: begin … -->" and "<!-- NAME: end -->" of README.md or of any other page in
// Markdown, and of more than one page where it is wanted there.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// A table is a part of the documentation that is made from the source.
type table struct {
	name string // in the markers
	text func() (string, error)
}

var tables = []table{
	{"condition-reference", conditions},
	{"config-reference", configuration},
	{"failure-table", failures},
	{"failures-in-short", shortFailures},
	{"haproxy-keywords", ofHAProxy},
	{"keepalived-keywords", ofKeepalived},
	{"kube-vip-keywords", ofKubeVIP},
	{"log-lines", logLines},
	{"preflight-checks", preflightChecks},
	{"promises", promises},
	{"status-reference", statusFields},
}

func main() {
	check := flag.Bool("check", false, "fail where a page has another table")
	write := flag.Bool("write", false, "put the tables into the pages")
	flag.Parse()
	if err := run(*check, *write); err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}

func run(check, write bool) error {
	pages, err := findPages(".")
	if err != nil {
		return err
	}
	for _, t := range tables {
		text, err := t.text()
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		if !check && !write {
			fmt.Printf("%s\n\n%s\n", t.name, text)
			continue
		}
		if err := update(pages, t.name, text, write); err != nil {
			return err
		}
	}
	if !check && !write {
		return nil
	}
	return errors.Join(updateFields(write), updateFiles(".", write))
}

// findPages returns the paths of all pages in Markdown below a directory.
func findPages(root string) (pages []string, err error) {
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && strings.HasPrefix(d.Name(), ".") && d.Name() != ".github":
			return filepath.SkipDir
		case filepath.Ext(path) == ".md":
			pages = append(pages, path)
		}
		return nil
	})
	return pages, err
}

// update puts a table into every page that has its markers, or returns an error that names each page with another table. A
// table without a page is an error too.
func update(pages []string, name, text string, write bool) error {
	found := false
	var errs []error
	for _, page := range pages {
		old, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		updated, has := insert(old, name, text)
		found = found || has
		switch {
		case bytes.Equal(old, updated):
		case write:
			errs = append(errs, os.WriteFile(page, updated, 0o644))
		default:
			errs = append(errs, fmt.Errorf("%s: the table %s is not that of the source: go run ./hack/reference -write", page, name))
		}
	}
	if !found {
		errs = append(errs, fmt.Errorf("no page has the lines <!-- %s: begin --> and <!-- %s: end -->", name, name))
	}
	return errors.Join(errs...)
}

// insert returns a page with the text between the markers of that name, and whether the page has them.
func insert(page []byte, name, text string) (updated []byte, found bool) {
	quoted := regexp.QuoteMeta(name)
	block := regexp.MustCompile(`(?ms)^(<!-- ` + quoted + `: begin[^\n]*-->\n).*?^(<!-- ` + quoted + `: end -->)$`)
	updated = block.ReplaceAllFunc(page, func(old []byte) []byte {
		markers := block.FindSubmatch(old)
		return bytes.Join([][]byte{markers[1], []byte(text), markers[2]}, nil)
	})
	return updated, block.Match(page)
}
