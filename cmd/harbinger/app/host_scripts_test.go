// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// onHost runs a script of manifests/host on a host that has only the programs given, each of which writes down how it is
// called, and returns their calls.
func onHost(t *testing.T, script string, programs []string, arguments ...string) (calls []string, err error) {
	t.Helper()
	bin, log := t.TempDir(), filepath.Join(t.TempDir(), "calls")
	for _, name := range programs {
		recorder := fmt.Sprintf("#!/bin/sh\necho \"%s $*\" >>%s\n", name, log)
		if err := os.WriteFile(filepath.Join(bin, name), []byte(recorder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	mkdir, err := exec.LookPath("mkdir")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(mkdir, filepath.Join(bin, "mkdir")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", append([]string{snippets + "host/" + script}, arguments...)...)
	cmd.Env = []string{"PATH=" + bin}
	if output, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, output)
	}
	content := readFile(t, log)
	return strings.Split(strings.TrimSpace(content), "\n"), nil
}

func TestGenerateScript(t *testing.T) {
	flags := append([]string{"--dry-run"}, classicFlags...)
	for _, tt := range []struct {
		programs []string
		pulls    bool
		runs     string // before the arguments of harbinger
	}{
		{[]string{"harbinger", "ctr", "docker"}, false, "harbinger "},
		{[]string{"ctr", "docker"}, true, "ctr -n k8s.io run --rm --net-host --mount type=bind,src=/etc/kubernetes,dst=/etc/kubernetes,options=rbind:rw "},
		{[]string{"podman", "docker"}, false, "podman run --rm --network host --volume /etc/kubernetes:/etc/kubernetes harbinger.dev/harbinger:v0.1 "},
		{[]string{"docker"}, false, "docker run --rm --network host --volume /etc/kubernetes:/etc/kubernetes harbinger.dev/harbinger:v0.1 "},
	} {
		t.Run(tt.programs[0], func(t *testing.T) {
			cleanNode(t)
			calls, err := onHost(t, "generate.sh", tt.programs, flags...)
			if err != nil {
				t.Fatal(err)
			}
			if pulls := slices.Contains(calls, "ctr -n k8s.io images pull harbinger.dev/harbinger:v0.1"); pulls != tt.pulls {
				t.Errorf("the image is pulled: %t, want %t", pulls, tt.pulls)
			}
			last := calls[len(calls)-1]
			before, arguments, ok := strings.Cut(last, "manifest --image ")
			if !ok || !strings.HasPrefix(before, tt.runs) {
				t.Fatalf("runs %q, want %q", last, tt.runs)
			}
			harbinger("", append([]string{"manifest", "--image"}, strings.Fields(arguments)...)...).want(t, 0)
		})
	}
	if calls, err := onHost(t, "generate.sh", nil, flags...); err == nil || !strings.Contains(err.Error(), "install the program") {
		t.Errorf("a host without anything: %q, %v", calls, err)
	}
}

func TestImportScript(t *testing.T) {
	for _, tt := range []struct {
		programs []string
		want     string
	}{
		{[]string{"ctr", "podman", "crio"}, "ctr -n k8s.io images import image.tar"},
		{[]string{"podman", "crio"}, "podman load --input image.tar"},
	} {
		calls, err := onHost(t, "import-image.sh", tt.programs, "image.tar")
		if err != nil || calls[len(calls)-1] != tt.want {
			t.Errorf("%v: %q, %v; want %q", tt.programs, calls, err, tt.want)
		}
	}
	for _, arguments := range [][]string{{"image.tar"}, nil} {
		if calls, err := onHost(t, "import-image.sh", []string{"podman"}, arguments...); err == nil {
			t.Errorf("%q on a host without a runtime that it knows: %q", arguments, calls)
		}
	}
}
