// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/cmd/harbinger/app"
	"github.com/harbinger-ha/harbinger/pkg/manifest"
)

// result is what a command has left.
type result struct {
	code           int
	stdout, stderr string
}

// harbinger runs a command line.
func harbinger(stdin string, args ...string) result {
	var stdout, stderr bytes.Buffer
	code := app.Main(context.Background(), args, strings.NewReader(stdin), &stdout, &stderr)
	return result{code, stdout.String(), stderr.String()}
}

func (r result) want(t *testing.T, code int, stderr ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code is %d, want %d; stderr:\n%s", r.code, code, r.stderr)
	}
	for _, text := range stderr {
		if !strings.Contains(r.stderr, text) {
			t.Errorf("stderr is %q, want %q in it", r.stderr, text)
		}
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{
		{"bogus"},
		{"manifest", "--bogus"},
		{"manifest", "bogus"},
		{"manifest", "--port", "high"},
		{"config", "bogus"},
		{"config", "view", "a", "b"},
		{"version", "-o", "xml"},
	} {
		r := harbinger("", args...)
		r.want(t, 2, "error: ")
		if r.stdout != "" {
			t.Errorf("%q prints %q", args, r.stdout)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{}, {"--help"}, {"config"}, {"manifest", "--help"}} {
		r := harbinger("", args...)
		r.want(t, 0)
		if !strings.Contains(r.stdout, "Usage:") {
			t.Errorf("%q prints %q", args, r.stdout)
		}
	}
}

func TestVersion(t *testing.T) {
	r := harbinger("", "version")
	r.want(t, 0)
	if !strings.HasPrefix(r.stdout, "harbinger v") {
		t.Errorf("version prints %q", r.stdout)
	}
	r = harbinger("", "version", "-o", "json")
	r.want(t, 0)
	var info struct{ Version, GoVersion, Platform, Image string }
	if err := json.Unmarshal([]byte(r.stdout), &info); err != nil || info.Version == "" || info.GoVersion == "" || info.Platform == "" ||
		info.Image != manifest.DefaultImage {
		t.Errorf("version -o json prints %q (%v)", r.stdout, err)
	}
}

func TestConfigDefaultIsValid(t *testing.T) {
	r := harbinger("", "config", "default")
	r.want(t, 0)
	for _, line := range []string{"virtualAddresses:\n- 192.168.238.100/24\n", "    advertisementInterval: 200ms\n", "  caFile: /etc/kubernetes/pki/ca.crt\n"} {
		if !strings.Contains(r.stdout, line) {
			t.Errorf("config default prints %q, want %q in it", r.stdout, line)
		}
	}
	again := harbinger(r.stdout, "config", "view", "-")
	again.want(t, 0)
	if again.stdout != r.stdout {
		t.Errorf("config view of the default prints %q, want %q", again.stdout, r.stdout)
	}
}

func TestConfigValidate(t *testing.T) {
	const document = "apiVersion: harbinger.dev/v1alpha1\nkind: HarbingerConfiguration\nvirtualAddresses: [192.168.238.100/24]\n"
	r := harbinger(document, "config", "validate", "-")
	r.want(t, 0)
	if r.stdout != "- is valid\n" {
		t.Errorf("config validate prints %q", r.stdout)
	}
	r = harbinger(document+"election: {vrrp: {priority: 0, virtualRouterID: 256}}", "config", "validate", "-")
	r.want(t, 2, "error: election.vrrp.priority: Invalid value: 0", "error: election.vrrp.virtualRouterID: Invalid value: 256")
	harbinger("", "config", "validate", t.TempDir()+"/none.yaml").want(t, 2, "no such file")
	harbinger("", "config", "view").want(t, 2, "/etc/kubernetes/harbinger/config.yaml")
}
