// SPDX-License-Identifier: Apache-2.0

// Package support packs what is known of a host into one archive for whoever is asked for help. No file of a secret is read, and
// what looks like a secret is removed from every text.
package support

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/hostfile"
)

// The bounds of an entry.
const (
	Longest = 2 << 20 // bytes: the last ones of a text that has more
	Patient = 10 * time.Second
)

// An Entry is a file of the archive.
type Entry struct {
	Name string
	Get  func(context.Context) ([]byte, error)
}

// Command is an entry with what a program prints, if this host has it.
func Command(name, program string, args ...string) Entry {
	return Entry{name, func(ctx context.Context) ([]byte, error) {
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.WaitDelay = time.Second
		out, err := cmd.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%s %s: %w", program, strings.Join(args, " "), err)
		}
		return out, err
	}}
}

// File is an entry with the content of a file, which must hold no secret by itself.
func File(name, path string) Entry {
	return Entry{name, func(context.Context) ([]byte, error) { return hostfile.Read(path) }}
}

// Settings is an entry with the values of settings of the kernel, by pattern below a directory such as /proc/sys.
func Settings(name, dir string, patterns ...string) Entry {
	return Entry{name, func(context.Context) ([]byte, error) {
		var out bytes.Buffer
		for _, pattern := range patterns {
			paths, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil {
				return nil, err
			}
			for _, path := range paths {
				value, err := hostfile.Read(path)
				if err != nil {
					fmt.Fprintf(&out, "# %v\n", err)
					continue
				}
				fmt.Fprintf(&out, "%s = %s\n", strings.TrimPrefix(path, dir+"/"), strings.TrimSpace(string(value)))
			}
		}
		return out.Bytes(), nil
	}}
}

// Listing is an entry with the names, modes and sizes of the files in a directory, and nothing of their content.
func Listing(name, dir string) Entry {
	return Entry{name, func(context.Context) ([]byte, error) {
		entries, err := os.ReadDir(dir)
		var out bytes.Buffer
		for _, e := range entries {
			if info, err := e.Info(); err == nil {
				fmt.Fprintf(&out, "%s %9d %s %s\n", info.Mode(), info.Size(), info.ModTime().UTC().Format(time.RFC3339), e.Name())
			}
		}
		return out.Bytes(), err
	}}
}

// Logs is an entry with the ends of the files that a pattern matches.
func Logs(name, pattern string) Entry {
	return Entry{name, func(context.Context) ([]byte, error) {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		if len(paths) == 0 {
			return nil, fmt.Errorf("no file is %s: in the pod the logs of the host are not there; run the command on the host", pattern)
		}
		var out bytes.Buffer
		for _, path := range paths {
			text, err := tail(path, Longest/int64(len(paths)))
			fmt.Fprintf(&out, "==> %s\n%s\n", path, text)
			if err != nil {
				fmt.Fprintf(&out, "# %v\n", err)
			}
		}
		return out.Bytes(), nil
	}}
}

func tail(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	} else if info.Size() > most {
		if _, err := f.Seek(-most, io.SeekEnd); err != nil {
			return nil, err
		}
	}
	return io.ReadAll(io.LimitReader(f, most))
}

// secrets are what is removed from a text: what is in its first group stays.
var secrets = []*regexp.Regexp{
	regexp.MustCompile(`(?s)(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z)`),
	regexp.MustCompile(`(?i)((?:auth_?pass|password|passwd|secret|token|client-key-data|client-key|client-certificate-data|api_?key|hmac_key)["']?\s*[:=]\s*)(?:"(?:\\.|[^"\\])*"|'[^']*'|[^\s,;}\]"']+)`),
	regexp.MustCompile(`(?i)((?:auth_pass|password)[ \t]+)\S+`),
	regexp.MustCompile(`(?i)(\b(?:bearer|basic)\s+)[\w.~+/=-]+`),
	regexp.MustCompile(`(?i)(\bhex:)[0-9a-f]+`),
	regexp.MustCompile(`(://[^/\s:@]*:)[^/\s@]+`),
	// a variable of a container whose name says that it is a secret, with its value on the next line
	regexp.MustCompile(`(?im)(name:\s*["']?\w*(?:pass|secret|token|key)\w*["']?\s*\n\s*value:\s*)[^\n]*`),
}

// Redact removes what looks like a secret from a text.
func Redact(text []byte) []byte {
	for _, secret := range secrets {
		text = secret.ReplaceAll(text, []byte("${1}REDACTED"))
	}
	return text
}

// Write writes the archive. What cannot be had is in its list of contents with the reason; the error is that of writing alone.
func Write(ctx context.Context, w io.Writer, now time.Time, entries []Entry) error {
	packed := gzip.NewWriter(w)
	archive := tar.NewWriter(packed)
	add := func(name string, content []byte) error {
		header := &tar.Header{Name: "harbinger-support/" + name, Mode: 0o600, Size: int64(len(content)), ModTime: now}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		_, err := archive.Write(content)
		return err
	}
	var list bytes.Buffer
	for _, e := range entries {
		content, err := get(ctx, e)
		content = Redact(content) // before it is cut: the name of a secret may be in what is left out
		if over := len(content) - Longest; over > 0 {
			content = append([]byte("… the beginning is left out\n"), content[over:]...)
		}
		said := fmt.Sprintf("%d bytes", len(content))
		if err != nil {
			said = "missing or incomplete: " + string(Redact([]byte(err.Error())))
		}
		fmt.Fprintf(&list, "%s: %s\n", e.Name, said)
		if len(content) == 0 {
			continue
		}
		if err := add(e.Name, content); err != nil {
			return err
		}
	}
	if err := add("CONTENTS", list.Bytes()); err != nil {
		return err
	}
	return cmp.Or(archive.Close(), packed.Close())
}

func get(ctx context.Context, e Entry) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, Patient)
	defer cancel()
	return e.Get(ctx)
}
