// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
)

// marks returns what shows whether a file was touched: its inode, time and mode.
func marks(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for path := range written(t) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		inode := info.Sys().(*syscall.Stat_t).Ino
		all[path] = info.ModTime().String() + info.Mode().String() + string(rune(inode))
	}
	return all
}

// What is there as it is to be is not touched, not even where it was made by hand.
func TestManifestUnchanged(t *testing.T) {
	for name, more := range map[string][]string{"in the pod": nil, "in a file": {"--config-file"}} {
		t.Run(name, func(t *testing.T) {
			cleanNode(t)
			args := slices.Concat([]string{"manifest"}, classicFlags, more)
			harbinger("", args...).want(t, 0)
			for path := range written(t) {
				if err := errors.Join(os.Chmod(path, 0o644), os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0))); err != nil {
					t.Fatal(err)
				}
			}
			before := marks(t)
			for _, dry := range []string{"--dry-run=false", "--dry-run"} {
				r := harbinger("", append(args, dry)...)
				r.want(t, 0)
				for path := range before {
					r.want(t, 0, path+": unchanged\n")
				}
				if strings.Contains(r.stderr, "costs") || strings.Contains(r.stderr, "rote") {
					t.Errorf("%s: something changes:\n%s", dry, r.stderr)
				}
			}
			if diff := cmp.Diff(before, marks(t)); diff != "" {
				t.Errorf("the files were touched:\n%s", diff)
			}
		})
	}
}

// A changed file is shown with what differs and what that costs, before it is written by a dry run.
func TestManifestChanged(t *testing.T) {
	const kubelet = "The kubelet of this host starts the pod anew. A holder hands over first: no answer for about 0.1 s"
	inFile := []string{"--config-file"}
	for _, tt := range []struct {
		name          string
		first, second []string
		want          []string
		wantNone      string
	}{
		{"virtual router ID", nil, []string{"--virtual-router-id", "52"}, []string{
			manifestFile + ": changed\n--- " + manifestFile + "\n+++ " + manifestFile + " (new)\n@@ ", "\n+            virtualRouterID: 52\n",
			"\n  [all hosts] election.vrrp.virtualRouterID: ", kubelet, "Change all hosts at the same time"}, "one host after the other"},
		{"policy", nil, []string{"--policy", "SourceHash"}, []string{"\n+          policy: SourceHash\n", "[nothing more] loadBalancer: ", kubelet, "Change one host after the other."}, "all hosts"},
		{"image", nil, []string{"--image", "harbinger.dev/harbinger:v9"}, []string{"\n+    image: harbinger.dev/harbinger:v9\n", kubelet, "Change one host after the other."}, "["},
		{"policy in a file", inFile, []string{"--config-file", "--policy", "SourceHash"}, []string{
			config.File + ": changed\n", "\n+  policy: SourceHash\n", manifestFile + ": unchanged\n", "The running pod uses it within seconds."}, "kubelet"},
		{"virtual router ID in a file", inFile, []string{"--config-file", "--virtual-router-id", "52"}, []string{
			"[all hosts] election.vrrp.virtualRouterID: ", manifestFile + ": unchanged\n", "until it is started anew", "crictl stop --timeout 30"}, "The kubelet"},
		{"from the pod to a file", nil, inFile, []string{"\n+    - --config\n", kubelet, "Would write " + config.File}, "["},
		{"from a file to the pod", inFile, []string{"--priority", "110"}, []string{"\n-    - --config\n", "[move] election.vrrp.priority: ", kubelet}, "all hosts"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cleanNode(t)
			harbinger("", slices.Concat([]string{"manifest"}, classicFlags, tt.first)...).want(t, 0)
			before := marks(t)
			args := slices.Concat([]string{"manifest"}, classicFlags, tt.second)
			dry := harbinger("", append(args, "--dry-run")...)
			dry.want(t, 0, tt.want...)
			if diff := cmp.Diff(before, marks(t)); diff != "" {
				t.Errorf("a dry run touches files:\n%s", diff)
			}
			costs := strings.ReplaceAll(dry.stderr[strings.LastIndex(dry.stderr, "What it costs:"):], "unchanged", "")
			if strings.Contains(costs, tt.wantNone) {
				t.Errorf("the costs have %q:\n%s", tt.wantNone, costs)
			}
			done := harbinger("", args...)
			done.want(t, 0, "What it costs:")
			if want := strings.ReplaceAll(dry.stderr, "Would write", "Wrote"); !strings.HasPrefix(done.stderr, want) {
				t.Errorf("the dry run said\n%s\nand then there was\n%s", want, done.stderr)
			}
		})
	}
}

// A password is shown neither before nor after, wherever it was.
func TestManifestChangedPassword(t *testing.T) {
	cleanNode(t)
	const head = "apiVersion: harbinger.dev/v1alpha1\nkind: HarbingerConfiguration\nvirtualAddresses: [192.168.238.100/24]\n"
	document := func(password string) string {
		return head + "election: {vrrp: {version: 2, authentication: {type: Password, password: " + password + "}}}\n"
	}
	args := []string{"manifest", "--config", "-"}
	harbinger(document("s3cret"), args...).want(t, 0, "Wrote "+config.PasswordFile)
	r := harbinger(document("t0psec"), args...)
	r.want(t, 0, "Wrote "+config.PasswordFile, manifestFile+": unchanged", "[all hosts] election.vrrp.authentication.password: ", "until it is started anew")
	again := harbinger(document("t0psec"), args...)
	again.want(t, 0, config.PasswordFile+": unchanged")
	if err := os.Chmod(config.PasswordFile, 0o644); err != nil {
		t.Fatal(err)
	}
	open := harbinger(document("t0psec"), args...)
	open.want(t, 0, "Wrote "+config.PasswordFile)
	if info, err := os.Stat(config.PasswordFile); err != nil || info.Mode() != 0o600 {
		t.Errorf("a password that others may read is left so: %v, %v", info, err)
	}
	all := r.stderr + again.stderr + open.stderr
	// A file of before there were files of passwords, written as nobody expects it.
	for name, old := range map[string]string{"plain": document("s3cret"), "block": head +
		"election:\n vrrp:\n  version: 2\n  authentication:\n   type: Password\n   password:\n    s3cret\n"} {
		cleanNode(t)
		if err := errors.Join(os.MkdirAll(config.Directory, 0o755), os.WriteFile(config.File, []byte(old), 0o600)); err != nil {
			t.Fatal(err)
		}
		harbinger("", "config", "validate", config.File).want(t, 0)
		r := harbinger(strings.Replace(document("t0psec"), "version: 2", "version: 2, priority: 99", 1), append(args, "--config-file")...)
		r.want(t, 0, config.File+": changed")
		if shown := strings.Contains(r.stderr, "+    priority: 99\n"); shown != (name == "plain") {
			t.Errorf("%s: the difference is shown: %v\n%s", name, shown, r.stderr)
		}
		all += r.stderr
	}
	if strings.Contains(all, "s3cret") || strings.Contains(all, "t0psec") {
		t.Errorf("stderr has a password:\n%s", all)
	}
}

// The file of another program is replaced, as ever, but not shown: nobody knows what is secret in it.
func TestManifestReplacesAnotherPod(t *testing.T) {
	cleanNode(t)
	const other = "apiVersion: v1\nkind: Pod\nmetadata: {name: kube-vip}\nspec: {containers: [{name: kube-vip, env: [{name: TOKEN, value: s3cret}]}]}\n"
	if err := os.WriteFile(manifestFile, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	r := harbinger("", append([]string{"manifest"}, classicFlags...)...)
	r.want(t, 0, manifestFile+`: changed; what was there: no manifest of Harbinger, but of pod "kube-vip"`, "Wrote "+manifestFile)
	if strings.Contains(r.stderr, "s3cret") || strings.Contains(r.stderr, "costs") {
		t.Errorf("stderr is %s", r.stderr)
	}
	if files := slices.Sorted(maps.Keys(written(t))); !slices.Equal(files, []string{manifestFile}) {
		t.Errorf("files are %q in %s", files, filepath.Dir(manifestFile))
	}
}
