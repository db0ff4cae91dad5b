// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"

	"github.com/goreleaser/nfpm/v2"
	_ "github.com/goreleaser/nfpm/v2/deb" // registers itself
	"github.com/goreleaser/nfpm/v2/files"
	_ "github.com/goreleaser/nfpm/v2/rpm" // registers itself
)

const (
	units = "/usr/lib/systemd/system/"
	share = "/usr/share/harbinger/"
	docs  = "/usr/share/doc/harbinger/"
)

// writePackages writes the deb and the rpm for one architecture.
func writePackages(dir, arch, program string, s source) error {
	for _, format := range []string{"deb", "rpm"} {
		packager, err := nfpm.Get(format)
		if err != nil {
			return err
		}
		info := nfpm.WithDefaults(s.packageInfo(arch, program))
		if err := nfpm.PrepareForPackager(info, format); err != nil {
			return err
		}
		var content bytes.Buffer
		if err := packager.Package(info, &content); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, packager.ConventionalFileName(info)), content.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// packageInfo says what is in a package. The timer is in force as soon as it is there, by a link beside the units as those of
// systemd itself are: nothing is enabled by a script, and so nothing is left behind.
func (s source) packageInfo(arch, program string) *nfpm.Info {
	scripts := filepath.Join(s.dir, "hack/release/scripts")
	return &nfpm.Info{
		Name: "harbinger", Arch: arch, Platform: "linux", Version: s.version, Release: "1", Section: "admin", Priority: "optional",
		Maintainer:  "The Harbinger Authors <maintainers@harbinger.dev>",
		Vendor:      "The Harbinger Authors",
		Description: "Virtual IP and TCP load balancer for a kubeadm control plane\nWrites the static pod that holds a virtual IP before the first apiserver runs,\nchecks a host for it, and converts configurations of keepalived and haproxy.",
		Homepage:    home, License: "Apache-2.0", MTime: s.time, DisableGlobbing: true,
		Overridables: nfpm.Overridables{
			Umask:    0o022,
			Contents: s.contents(program),
			Scripts: nfpm.Scripts{
				PostInstall: filepath.Join(scripts, "postinstall.sh"),
				PreRemove:   filepath.Join(scripts, "preremove.sh"),
				PostRemove:  filepath.Join(scripts, "postremove.sh"),
			},
			RPM: nfpm.RPM{BuildHost: "harbinger.dev", Summary: "Virtual IP and TCP load balancer for a kubeadm control plane"},
		},
	}
}

func (s source) contents(program string) files.Contents {
	contents := files.Contents{
		s.file(program, "/usr/bin/harbinger", 0o755),
		s.file("LICENSE", docs+"copyright", 0o644),
		s.file("CHANGELOG.md", docs+"CHANGELOG.md", 0o644),
		s.file("manifests/rbac.yaml", share+"rbac.yaml", 0o644),
		s.file("manifests/monitoring/alerts.yaml", share+"alerts.yaml", 0o644),
		s.file("manifests/monitoring/dashboard.json", share+"dashboard.json", 0o644),
		// Where sites differ: to be copied to /etc/systemd/system and edited.
		s.file("manifests/host/harbinger-manifest.service", share+"harbinger-manifest.service", 0o644),
		s.file("manifests/host/generate.sh", share+"generate.sh", 0o755),
		s.file("manifests/host/import-image.sh", share+"import-image.sh", 0o755),
	}
	for _, unit := range []string{"harbinger-kubeconfig.service", "harbinger-kubeconfig.timer"} {
		contents = append(contents, s.file("manifests/host/"+unit, units+unit, 0o644))
	}
	for _, own := range []string{share, docs} { // which the rpm would leave behind
		contents = append(contents, &files.Content{Type: files.TypeDir, Destination: own, FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: 0o755, MTime: s.time}})
	}
	return append(contents, &files.Content{
		Type: files.TypeSymlink, Source: "../harbinger-kubeconfig.timer", Destination: units + "timers.target.wants/harbinger-kubeconfig.timer",
		FileInfo: &files.ContentFileInfo{MTime: s.time},
	})
}

// file is a file of the source, or one with a path of its own.
func (s source) file(from, to string, mode os.FileMode) *files.Content {
	if !filepath.IsAbs(from) {
		if inSource := filepath.Join(s.dir, from); exists(inSource) {
			from = inSource
		}
	}
	return &files.Content{Source: from, Destination: to, FileInfo: &files.ContentFileInfo{Owner: "root", Group: "root", Mode: mode, MTime: s.time}}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
