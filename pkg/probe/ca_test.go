// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"bytes"
	"encoding/pem"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
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
				must(t, file.Check(h.cfg.CAFile))
				put(t, dir, other)
				h.client.CloseIdleConnections()
				wantError(t, h.Check(t.Context()), "signed by unknown authority")
				put(t, dir, other[:len(other)/2])
				wantError(t, file.Check(h.cfg.CAFile), "no certificate in ")
			}
			put(t, dir, bytes.Join([][]byte{other, good}, nil))
			must(t, h.Check(t.Context()))
			must(t, file.Check(h.cfg.CAFile))
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
			must(t, file.Check(path))
			must(t, os.Remove(path))
			must(t, tt.spoil())
			wantError(t, file.Check(path), tt.want)
			h.client.CloseIdleConnections()
			must(t, h.Check(t.Context()))
			must(t, os.RemoveAll(path))
			must(t, os.WriteFile(path, other, 0o644))
			h.client.CloseIdleConnections()
			wantError(t, h.Check(t.Context()), "signed by unknown authority")
		})
	}
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
