// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
)

// Without a pod there is a bundle, in which no secret of the host is, and which says that the status is missing.
func TestSupportBundle(t *testing.T) {
	cleanNode(t)
	const secret = "s3cr3tOfTheHost"
	for path, content := range map[string]string{
		config.File: "apiVersion: harbinger.dev/v1alpha1\nkind: HarbingerConfiguration\nvirtualAddresses: [192.168.238.100/24]\n" +
			"election: {mode: VRRP, vrrp: {version: 2, authentication: {type: Password, password: s3cr3tOf}}}\n",
		config.Directory + "/kubeconfig": "users: [{user: {client-key-data: " + secret + "}}]\n", config.PasswordFile: secret, config.Directory + "/metrics-token": secret,
		manifestFile: "spec:\n  containers:\n  - env:\n    - name: PROXY_PASSWORD\n      value: " + secret + "\n    image: harbinger\n",
	} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "bundle.tar.gz")
	harbinger("", "support-bundle", "-o", file).want(t, 0)
	packed, err := gzip.NewReader(strings.NewReader(readFile(t, file)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for archive := tar.NewReader(packed); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		var content bytes.Buffer
		if err == nil {
			_, err = content.ReadFrom(archive)
		}
		if err != nil {
			t.Fatal(err)
		}
		files[filepath.Base(header.Name)] = content.String()
		if strings.Contains(content.String(), "s3cr3tOf") {
			t.Errorf("%s has a secret:\n%s", header.Name, content.String())
		}
	}
	for name, want := range map[string]string{
		"CONTENTS": "status.json: missing or incomplete: harbinger status", "config.yaml": "192.168.238.100/24", "ha.yaml": "image: harbinger",
		"addresses.txt": "eth0", "harbinger.txt": "metrics-token", "sysctl.txt": "net/ipv4/ip_forward = ", "preflight.txt": "[", "nft.txt": "",
	} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s: %q, want %q", name, files[name], want)
		}
	}
	harbinger("", "support-bundle", "-o", "/none/bundle").want(t, 1, "--output: open /none/bundle")
}
