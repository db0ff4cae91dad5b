// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

var heading = regexp.MustCompile(`(?m)^## (\S+).*\n`)

// section returns the text under the heading of a version in a changelog.
func section(changelog, version string) (text string, ok bool) {
	all := heading.FindAllStringSubmatchIndex(changelog, -1)
	for i, found := range all {
		if changelog[found[2]:found[3]] != version {
			continue
		}
		end := len(changelog)
		if i+1 < len(all) {
			end = all[i+1][0]
		}
		return strings.TrimSpace(changelog[found[1]:end]), true
	}
	return "", false
}

// changes returns what is new in the version. A tag without its section is refused; a rehearsal takes what is unreleased.
func (s source) changes() (string, error) {
	content, err := os.ReadFile(filepath.Join(s.dir, "CHANGELOG.md"))
	if err != nil {
		return "", err
	}
	if text, ok := section(string(content), s.version); ok {
		return text, nil
	}
	if text, ok := section(string(content), "Unreleased"); ok && !s.tagged {
		return text, nil
	}
	return "", fmt.Errorf("CHANGELOG.md has no section %s: rename Unreleased to it, with its date", s.version)
}

// notes are the text of the release: what is new, what there is, how it is verified, and what it was made with.
func (s source) notes(changes string, names []string, signed bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n## Files\n\n", changes)
	fmt.Fprintf(&b, "| For | File |\n|---|---|\n")
	bare := strings.TrimPrefix(s.version, "v")
	for _, row := range [][2]string{
		{"Debian, Ubuntu", "`harbinger_…_amd64.deb`, `_arm64.deb`"},
		{"Fedora, RHEL, SUSE", "`harbinger-…x86_64.rpm`, `aarch64.rpm`"},
		{"any Linux", fmt.Sprintf("`harbinger-%s-linux-amd64`, `-arm64`: one static program", s.version)},
		{"hosts without a registry", fmt.Sprintf("`harbinger-%s-image-amd64.tar`, `-arm64.tar`: `ctr -n k8s.io images import`, `docker load`, `podman load`", s.version)},
		{"a registry of your own", fmt.Sprintf("`harbinger-%s-image.tar`: the image index over both, in the layout of OCI", s.version)},
		{"audits", "`*.cdx.json`: the modules in each program, with their sums and licences (CycloneDX)"},
	} {
		fmt.Fprintf(&b, "| %s | %s |\n", row[0], row[1])
	}
	fmt.Fprintf(&b, "\nThe images are `%s`.\n\n## Verify\n\n```sh\nsha256sum --check --ignore-missing %s\n", strings.Join(names, "`, `"), sumsFile)
	if signed {
		fmt.Fprintf(&b, "cosign verify-blob --key %[1]s --signature %[2]s --insecure-ignore-tlog %[3]s\n# or, without cosign:\nbase64 -d %[2]s | openssl dgst -sha256 -verify %[1]s -signature /dev/stdin %[3]s\n",
			publicFile, signatureFile, sumsFile)
	}
	fmt.Fprintf(&b, "```\n\n")
	if signed {
		fmt.Fprintf(&b, "`%s` beside the files proves nothing by itself: compare it with the one of an earlier release, or of the repository's page on security.\n", publicFile)
	} else {
		fmt.Fprintf(&b, "The checksums are not signed.\n")
	}
	fmt.Fprintf(&b, "\nMade from commit %s by %s: `make release VERSION=v%s` there gives the same bytes.\n", s.commit, runtime.Version(), bare)
	return b.String()
}
