// SPDX-License-Identifier: Apache-2.0

package hostfile_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/hostfile"
)

// The tests mount, each process in a namespace of its own.
func TestMain(m *testing.M) { os.Exit(lab.MainInHost(m.Run)) }

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	labtest.Must(t, os.WriteFile(path, []byte(content), mode))
	labtest.Must(t, os.Chmod(path, mode))
}

func TestReadRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	labtest.Must(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	write(t, filepath.Join(dir, "long"), string(bytes.Repeat([]byte("x"), 4<<20+1)), 0o600)
	for path, want := range map[string]string{
		filepath.Join(dir, "pipe"): "not a regular file", dir: "not a regular file", os.DevNull: "not a regular file",
		filepath.Join(dir, "long"): "more than", filepath.Join(dir, "none"): "no such file",
	} {
		if _, err := hostfile.Read(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

func TestReadPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	for _, tt := range []struct {
		mode  os.FileMode
		owner int
		want  string // in the error; empty: none
	}{
		{0o600, 0, ""}, {0o400, 0, ""},
		{0o640, 0, "has mode 0640, which lets others than its owner use it: run chmod 0600 " + path},
		{0o604, 0, "mode 0604"}, {0o666, 0, "mode 0666"}, {0o610, 0, "mode 0610"},
		{0o600, 1000, "belongs to user 1000: run chown root " + path},
	} {
		write(t, path, "secret", tt.mode)
		labtest.Must(t, os.Chown(path, tt.owner, 0))
		content, err := hostfile.ReadPrivate(path)
		switch {
		case tt.want == "" && (err != nil || string(content) != "secret"):
			t.Errorf("mode %v: %q, %v", tt.mode, content, err)
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want) || content != nil):
			t.Errorf("mode %v of user %d: %q, %v, want %q", tt.mode, tt.owner, content, err, tt.want)
		}
	}
}

// pod mounts what the host has at a path where a pod would see it, and returns the path in the pod.
func pod(t *testing.T, host string) string {
	t.Helper()
	target := filepath.Join(t.TempDir(), "in the pod") // the table of the kernel escapes the spaces
	info, err := os.Stat(host)
	labtest.Must(t, err)
	if info.IsDir() {
		labtest.Must(t, os.Mkdir(target, 0o755))
	} else {
		write(t, target, "", 0o600)
	}
	labtest.Must(t, unix.Mount(host, target, "", unix.MS_BIND, ""))
	t.Cleanup(func() { labtest.Must(t, unix.Unmount(target, unix.MNT_DETACH)) })
	return target
}

// What the pod sees of the host after each way to replace a file: a mounted directory follows, a mounted file only what is
// written in place. Whatever does not follow is noticed.
func TestMountsNoticeWhatTheyNoLongerShow(t *testing.T) {
	ways := []struct {
		name         string
		replace      func(dir string) error
		file, folder bool // no longer shown by a mount of the file, of the directory
	}{
		{"nothing", func(string) error { return nil }, false, false},
		{"written in place", func(dir string) error { return os.WriteFile(filepath.Join(dir, "ca.crt"), []byte("new"), 0o600) }, false, false},
		{"moved over", func(dir string) error {
			if err := os.WriteFile(filepath.Join(dir, "new"), []byte("new"), 0o600); err != nil {
				return err
			}
			return os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "ca.crt"))
		}, true, false},
		{"moved away and made anew", func(dir string) error {
			if err := os.Rename(filepath.Join(dir, "ca.crt"), filepath.Join(dir, "ca.old")); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, "ca.crt"), []byte("new"), 0o600)
		}, true, false},
		{"removed", func(dir string) error { return os.Remove(filepath.Join(dir, "ca.crt")) }, true, false},
		{"directory moved away", func(dir string) error { return os.Rename(dir, dir+".old") }, true, true},
		{"directory removed", func(dir string) error { return os.RemoveAll(dir) }, true, true},
	}
	for _, way := range ways {
		t.Run(way.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "pki")
			labtest.Must(t, os.Mkdir(dir, 0o755))
			write(t, filepath.Join(dir, "ca.crt"), "old", 0o600)
			file, folder := pod(t, filepath.Join(dir, "ca.crt")), filepath.Join(pod(t, dir), "ca.crt")
			paths := []string{file, folder, "/proc/version", "/not/there"}
			var m, late hostfile.Mounts
			before, err := m.Replaced(paths...)
			labtest.Must(t, err)
			labtest.Must(t, way.replace(dir))
			got, err := m.Replaced(paths...)
			labtest.Must(t, err)
			if len(before) > 0 || slices.Contains(got, file) != way.file || slices.Contains(got, folder) != way.folder || len(got) > 2 {
				t.Errorf("replaced: before %q, after %q, want the mounted file %v, the mounted directory %v", before, got, way.file, way.folder)
			}
			// Who looks for the first time after that knows it only where there is nothing any more.
			if got, err := late.Replaced(folder); err != nil || (len(got) > 0) != (way.name == "directory removed") {
				t.Errorf("asked for the first time: replaced %q (%v)", got, err)
			}
		})
	}
}
