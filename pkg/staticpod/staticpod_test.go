// SPDX-License-Identifier: Apache-2.0

package staticpod_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/pkg/staticpod"
)

// writerVariable makes the test binary write a file over and over, to be killed in between.
const writerVariable = "STATICPOD_TEST_WRITER"

func TestMain(m *testing.M) {
	if path := os.Getenv(writerVariable); path != "" {
		writeForEver(path)
	}
	os.Exit(m.Run())
}

// pattern is content whose truncation shows.
func pattern(n int) []byte {
	return slices.Concat([]byte("begin\n"), bytes.Repeat([]byte{'a' + byte(n%2)}, 1<<20), []byte("\nend\n"))
}

func writeForEver(path string) {
	for n := 0; ; n++ {
		if err := staticpod.Write(path, pattern(n)); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("written")
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, entry := range entries {
		out = append(out, entry.Name())
	}
	return out
}

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("content is %q, want %q", got, want)
	}
}

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ha.yaml")
	for _, content := range []string{"one", "", "three"} {
		if err := staticpod.Write(path, []byte(content)); err != nil {
			t.Fatal(err)
		}
		wantFile(t, path, content)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode(); got != 0o600 {
		t.Errorf("mode is %v, want -rw-------", got)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"ha.yaml"}) {
		t.Errorf("directory has %q", got)
	}
}

func TestWriteRelative(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := staticpod.Write("ha.yaml", []byte("one")); err != nil {
		t.Fatal(err)
	}
	wantFile(t, "ha.yaml", "one")
}

func TestWriteRemovesLeftover(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, ".ha.yaml.harbinger"), []byte("hal"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := staticpod.Write(filepath.Join(dir, "ha.yaml"), []byte("whole")); err != nil {
		t.Fatal(err)
	}
	wantFile(t, filepath.Join(dir, "ha.yaml"), "whole")
	if got := names(t, dir); !slices.Equal(got, []string{"ha.yaml"}) {
		t.Errorf("directory has %q", got)
	}
}

func TestWriteErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "ha.yaml"), 0o700); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		filepath.Join(dir, "none", "ha.yaml"): "directory " + filepath.Join(dir, "none") + " does not exist",
		filepath.Join(file, "ha.yaml"):        "not a directory",
		filepath.Join(dir, "ha.yaml"):         "is a directory, not a regular file",
	} {
		err := staticpod.Write(path, []byte("new"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Write(%s) = %v, want %q in it", path, err, want)
		}
	}
	if got := names(t, dir); !slices.Equal(got, []string{"file", "ha.yaml"}) {
		t.Errorf("directory has %q", got)
	}
}

// What is no regular file is left as it is, with its directory: neither Check nor Write replaces a device or a pipe.
func TestWriteRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	socket, err := net.Listen("unix", at("socket"))
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for _, err := range []error{
		unix.Mkfifo(at("pipe"), 0o600),
		unix.Mknod(at("null"), unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))),
		os.Mkdir(at("folder"), 0o700),
		os.Symlink("null", at("link to a device")),
		os.Symlink("folder", at("link to a directory")),
		os.Symlink("none", at("link to nothing")),
		os.Symlink("link to itself", at("link to itself")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	before := names(t, dir)
	for name, want := range map[string]string{
		"pipe": "is a named pipe", "null": "is a device", "socket": "is a socket", "folder": "is a directory",
		"link to a device": at("null") + " is a device", "link to a directory": at("folder") + " is a directory",
		"link to nothing": "leads to no file", "link to itself": "leads to no file",
	} {
		info, err := os.Lstat(at(name))
		if err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{"Check": staticpod.Check(at(name)), "Write": staticpod.Write(at(name), []byte("new"))} {
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "choose another output") {
				t.Errorf("%s of %s gives %v, want %q and a remedy", what, name, err, want)
			}
		}
		if after, err := os.Lstat(at(name)); err != nil || !os.SameFile(info, after) || after.Mode() != info.Mode() {
			t.Errorf("%s was %v and is %v (%v)", name, info.Mode(), after, err)
		}
	}
	if got := names(t, dir); !slices.Equal(got, before) {
		t.Errorf("directory has %q, had %q", got, before)
	}
}

// A symbolic link to a file stays, and the file that it leads to is replaced in its own directory.
func TestWriteFollowsLink(t *testing.T) {
	dir, elsewhere := t.TempDir(), t.TempDir()
	path, file := filepath.Join(dir, "ha.yaml"), filepath.Join(elsewhere, "pod.yaml")
	if err := errors.Join(os.WriteFile(file, []byte("old"), 0o644), os.Symlink(file, path)); err != nil {
		t.Fatal(err)
	}
	if err := staticpod.Write(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(path); err != nil || to != file {
		t.Errorf("the link leads to %q (%v), want %s", to, err, file)
	}
	wantFile(t, file, "new")
	if got := names(t, elsewhere); !slices.Equal(got, []string{"pod.yaml"}) {
		t.Errorf("the directory of the file has %q", got)
	}
}

// A write that fails half-way, as on a full disk, leaves the old file and nothing else.
func TestWriteOnFullDisk(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ha.yaml")
	if err := staticpod.Write(path, []byte("old")); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(unix.SIGXFSZ)
	defer signal.Reset(unix.SIGXFSZ)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 4096, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	err := staticpod.Write(path, pattern(0))
	if restore := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); restore != nil {
		t.Fatal(restore)
	}
	if err == nil {
		t.Error("Write succeeded beyond the file size limit")
	}
	wantFile(t, path, "old")
	if got := names(t, dir); !slices.Equal(got, []string{"ha.yaml"}) {
		t.Errorf("directory has %q", got)
	}
}

// A writer that is killed leaves a whole file, the old one or the new one.
func TestWriteKilled(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "ha.yaml")
	for round := range 5 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), writerVariable+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// Each round lets the writer go on for a different number of writes; it is killed somewhere in the next one.
		if _, err := io.ReadFull(out, make([]byte, len("written\n")*(round+1))); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err == nil {
			t.Fatal("the writer ended by itself")
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, pattern(0)) && !bytes.Equal(got, pattern(1)) {
			t.Fatalf("round %d: the file has %d bytes, neither content", round, len(got))
		}
	}
	if err := staticpod.Write(path, []byte("new")); err != nil {
		t.Fatal(err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"ha.yaml"}) {
		t.Errorf("directory has %q", got)
	}
}
