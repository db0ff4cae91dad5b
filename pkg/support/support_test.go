// SPDX-License-Identifier: Apache-2.0

package support_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/support"
)

// pack writes an archive and reads it again: the contents by their names.
func pack(t *testing.T, entries ...support.Entry) map[string]string {
	t.Helper()
	var out bytes.Buffer
	labtest.Must(t, support.Write(t.Context(), &out, time.Now(), entries))
	packed, err := gzip.NewReader(&out)
	labtest.Must(t, err)
	archive := tar.NewReader(packed)
	files := map[string]string{}
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		labtest.Must(t, err)
		content, err := io.ReadAll(archive)
		labtest.Must(t, err)
		files[strings.TrimPrefix(header.Name, "harbinger-support/")] = string(content)
	}
}

func text(name, content string, err error) support.Entry {
	return support.Entry{Name: name, Get: func(context.Context) ([]byte, error) { return []byte(content), err }}
}

// Wherever a secret stands, it is not in the archive; what stands beside it is.
func TestNoSecretIsPacked(t *testing.T) {
	const secret = "s3cr3tValue0123"
	for _, planted := range []string{
		"auth_pass " + secret, "  authentication: {type: Password, password: " + secret + "}", `{"password":"` + secret + `"}`, "password: '" + secret + "'",
		"token: " + secret, "client-key-data: " + secret, "client-certificate-data: " + secret, "Authorization: Bearer " + secret, "Authorization: Basic " + secret,
		"hex:" + strings.Repeat("0f", 16), "https://user:" + secret + "@registry.example.org/", "HARBINGER_TOKEN=" + secret,
		"    - name: VRRP_PASS\n      value: " + secret, "-----BEGIN EC PRIVATE KEY-----\n" + secret + "\n-----END EC PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\n" + secret,
		`secret = "` + secret + ` and more"`, `password: "a \" ` + secret + `"`,
	} {
		files := pack(t, text("planted", "before\n"+planted+"\n", nil), text("failed", "", errors.New(planted)))
		for name, content := range files {
			if strings.Contains(content, secret) || strings.Contains(content, "0f0f0f") {
				t.Errorf("%q: %s has it:\n%s", planted, name, content)
			}
		}
		if !strings.HasPrefix(files["planted"], "before\n") || !strings.Contains(files["planted"], "REDACTED") {
			t.Errorf("%q became\n%s", planted, files["planted"])
		}
	}
	const harmless = "passwordFile: /etc/kubernetes/harbinger/vrrp-password\nkeys: [{id: 1, file: /etc/kubernetes/harbinger/vrrp-keys/1}]\n"
	if got := string(support.Redact([]byte(harmless))); got != harmless {
		t.Errorf("paths became\n%s", got)
	}
}

// What cannot be had is named, and the rest is there.
func TestWhatIsMissingIsSaid(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"a.log": "one\n", "long.log": "the end", "setting": "1\n"} {
		labtest.Must(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	}
	files := pack(t, support.Command("echo", "echo", "said"), support.Command("none", "no-such-program"), support.Command("false", "false"),
		support.File("file", dir+"/a.log"), support.File("no file", dir+"/none"), support.Settings("settings", dir, "set*"), support.Listing("listing", dir),
		support.Listing("no listing", dir+"/none"), support.Logs("logs", dir+"/*.log"), support.Logs("no logs", dir+"/*.none"),
		text("long", strings.Repeat("y", support.Longest+10)+"end", nil))
	for name, want := range map[string]string{"echo": "said\n", "file": "one\n", "settings": "setting = 1\n", "listing": "a.log\n", "logs": "the end\n"} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s: %.200q, want %q", name, files[name], want)
		}
	}
	for _, want := range []string{"echo: 5 bytes\n", "none: missing or incomplete: no-such-program", "false: missing or incomplete: false : exit status 1", "no file: missing", "no listing: missing", "no logs: missing or incomplete: no file is"} {
		if !strings.Contains(files["CONTENTS"], want) {
			t.Errorf("CONTENTS lacks %q:\n%s", want, files["CONTENTS"])
		}
	}
	if n := len(files["long"]); n > support.Longest+100 || !strings.HasSuffix(files["long"], "end") {
		t.Errorf("the long text has %d bytes", n)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space") }

func TestWriteFails(t *testing.T) {
	if err := support.Write(t.Context(), full{}, time.Now(), nil); err == nil {
		t.Error("nothing could be written, and there is no error")
	}
}
