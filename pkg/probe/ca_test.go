// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/health"
)

// layouts are the ways in which a CA file comes into a directory, and replaces the one before.
var layouts = map[string]func(t *testing.T, dir string, content []byte){
	"written in place, in the same length and with the same times": func(t *testing.T, dir string, content []byte) {
		path := filepath.Join(dir, "ca.crt")
		must(t, os.WriteFile(path, content, 0o644))
		must(t, os.Truncate(path, 4096)) // zeros after a certificate are nobody's concern
		must(t, os.Chtimes(path, time.Unix(0, 0), time.Unix(0, 0)))
	},
	"moved over": func(t *testing.T, dir string, content []byte) {
		must(t, os.WriteFile(filepath.Join(dir, "new"), content, 0o644))
		must(t, os.Rename(filepath.Join(dir, "new"), filepath.Join(dir, "ca.crt")))
	},
	"removed and made anew": func(t *testing.T, dir string, content []byte) {
		must(t, os.RemoveAll(filepath.Join(dir, "ca.crt")))
		must(t, os.WriteFile(filepath.Join(dir, "ca.crt"), content, 0o644))
	},
	"by the links of a Kubernetes volume": func(t *testing.T, dir string, content []byte) {
		version, err := os.MkdirTemp(dir, "..version")
		must(t, err)
		must(t, os.WriteFile(filepath.Join(version, "ca.crt"), content, 0o644))
		must(t, os.Symlink(filepath.Base(version), filepath.Join(dir, "..data_tmp")))
		must(t, os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")))
		if err := os.Symlink("..data/ca.crt", filepath.Join(dir, "ca.crt")); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
	},
	"with its directory": func(t *testing.T, dir string, content []byte) {
		must(t, os.RemoveAll(dir+".old"))
		must(t, os.Rename(dir, dir+".old"))
		must(t, os.Mkdir(dir, 0o755))
		must(t, os.WriteFile(filepath.Join(dir, "ca.crt"), content, 0o644))
	},
}

func TestCAFileIsFollowedHoweverItIsReplaced(t *testing.T) {
	for name, put := range layouts {
		t.Run(name, func(t *testing.T) {
			b := newBackend(t, ready)
			b.StartTLS()
			good, other := certificatePEM(b.Certificate().Raw), certificatePEM(otherCA(t).Raw)
			h := b.https(t, 5*time.Second)
			dir := filepath.Join(t.TempDir(), "pki")
			must(t, os.Mkdir(dir, 0o755))
			h.cfg.CAFile = filepath.Join(dir, "ca.crt")
			var file CAFile
			for range 2 {
				put(t, dir, good)
				must(t, h.Check(t.Context()))
				look(t, &file, h.cfg.CAFile, "")
				put(t, dir, other)
				h.client.CloseIdleConnections()
				wantError(t, h.Check(t.Context()), "signed by unknown authority")
				put(t, dir, other[:len(other)/2])
				look(t, &file, h.cfg.CAFile, "no certificate in ")
			}
			put(t, dir, bytes.Join([][]byte{other, good}, nil))
			must(t, h.Check(t.Context()))
			look(t, &file, h.cfg.CAFile, "")
		})
	}
}

// What cannot be the whole file does not take the place of the last that was, and is named.
func TestCAFileInTheMiddleOfItsReplacement(t *testing.T) {
	b := newBackend(t, ready)
	b.StartTLS()
	good, other := certificatePEM(b.Certificate().Raw), certificatePEM(otherCA(t).Raw)
	path := filepath.Join(t.TempDir(), "ca.crt")
	for name, tt := range map[string]struct {
		spoil func() error
		want  string
	}{
		"empty":                    {func() error { return os.WriteFile(path, nil, 0o644) }, "no certificate in " + path},
		"half a certificate":       {func() error { return os.WriteFile(path, other[:len(other)/2], 0o644) }, "no certificate in " + path},
		"half of the second":       {func() error { return os.WriteFile(path, append(other[:len(other):len(other)], good[:40]...), 0o644) }, "1 of the 2 certificates in " + path},
		"removed":                  {func() error { return nil }, "no such file"},
		"a pipe that nobody feeds": {func() error { return syscall.Mkfifo(path, 0o600) }, "is not a regular file"},
		"a directory":              {func() error { return os.Mkdir(path, 0o755) }, "is not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			must(t, os.RemoveAll(path))
			must(t, os.WriteFile(path, good, 0o644))
			h := b.https(t, 5*time.Second)
			h.cfg.CAFile = path
			must(t, h.Check(t.Context()))
			var file CAFile
			look(t, &file, path, "")
			must(t, os.Remove(path))
			must(t, tt.spoil())
			if a := look(t, &file, path, tt.want); !bytes.Equal(a.Certificates, good) {
				t.Errorf("it vouches by %q", a.Certificates)
			}
			h.client.CloseIdleConnections()
			must(t, h.Check(t.Context()))
			must(t, os.RemoveAll(path))
			must(t, os.WriteFile(path, other, 0o644))
			h.client.CloseIdleConnections()
			wantError(t, h.Check(t.Context()), "signed by unknown authority")
		})
	}
}

// look looks at a file, and expects an error with a text where there is one.
func look(t *testing.T, f *CAFile, path, fault string) health.Authority {
	t.Helper()
	a, err := f.Look(path)
	if fault == "" {
		must(t, err)
	} else {
		wantError(t, err, fault)
	}
	return a
}

// Another path is another file: what was read of the one before vouches for nobody.
func TestCAFileOfAnotherPath(t *testing.T) {
	path := writeCA(t, filepath.Join(t.TempDir(), "ca.crt"), otherCA(t))
	var file CAFile
	look(t, &file, path, "")
	if a := look(t, &file, path+".other", "no such file"); len(a.Certificates) > 0 || !strings.Contains(a.Problem, "CA file: "+path+".other") {
		t.Errorf("it vouches by %q, %q", a.Certificates, a.Problem)
	}
}

// A certificate that is refused by a CA file which the host has replaced counts as good from the next check on, until there is
// another authority.
func TestReplacedCAFileIsNotTrustedToRefuse(t *testing.T) {
	b := newBackend(t, ready)
	b.StartTLS()
	h := b.https(t, 5*time.Second).HTTPS
	old, next := certificatePEM(otherCA(t).Raw), certificatePEM(b.Certificate().Raw)
	check := func(a health.Authority) error {
		h.Trust(a)
		h.client.CloseIdleConnections()
		return h.Check(t.Context())
	}
	wantError(t, check(health.Authority{Certificates: old}), "signed by unknown authority")
	wantError(t, check(health.Authority{Certificates: old}), "signed by unknown authority")
	replaced := health.Authority{Certificates: old, Replaced: true}
	wantError(t, check(replaced), "signed by unknown authority")
	must(t, check(replaced))
	if h.Proved() {
		t.Error("a certificate that nobody verified has proved a backend")
	}
	must(t, check(health.Authority{Certificates: next, Replaced: true}))
	if !h.Proved() {
		t.Error("not proved by the new authority")
	}
	wantError(t, check(health.Authority{Certificates: certificatePEM(otherCA(t).Raw)}), "signed by unknown authority")
}

// Until somebody has read the file, and where nobody can, no backend is asked.
func TestNobodyIsTrustedWithoutAnAuthority(t *testing.T) {
	b := newBackend(t, ready)
	b.StartTLS()
	h := NewHTTPS(b.address(), health.Config{Path: "/readyz", Timeout: 5 * time.Second}, nil)
	defer h.Close()
	wantError(t, h.Check(t.Context()), "CA file: not read yet")
	h.Trust(health.Authority{Problem: "CA file: gone"})
	wantError(t, h.Check(t.Context()), "CA file: gone")
	h.Trust(health.Authority{Certificates: []byte("none")})
	wantError(t, h.Check(t.Context()), "no certificate in")
	if got := b.connections.Load(); got != 0 {
		t.Errorf("%d connections", got)
	}
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
