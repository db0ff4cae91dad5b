// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// only returns the files of a compressed layer.
func only(t *testing.T, path string) map[string][]byte {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for r := tar.NewReader(plain); ; {
		header, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[header.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

// indexArchive writes an archive of an index over images of a program, under the names of a version.
func indexArchive(t *testing.T, program string, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "program"), program)
	var images []platformImage
	for _, arch := range architectures {
		img, err := newImage(filepath.Join(dir, "program"), arch, source{time: epoch})
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, img)
	}
	path := filepath.Join(dir, "image.tar")
	if err := writeIndexArchive(path, newIndex(images, source{time: epoch}), images, names, epoch); err != nil {
		t.Fatal(err)
	}
	return path
}

// The index arrives under all its names; a version is published once, the name of the minor version moves.
func TestPush(t *testing.T) {
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	repository := strings.TrimPrefix(server.URL, "http://") + "/harbinger"
	digest := func(tag string) v1.Hash {
		reference, err := name.NewTag(repository + ":" + tag)
		if err != nil {
			t.Fatal(err)
		}
		index, err := remote.Index(reference)
		if err != nil {
			t.Fatal(err)
		}
		list, err := index.IndexManifest()
		if err != nil || len(list.Manifests) != len(architectures) {
			t.Fatalf("%s: %+v (%v)", tag, list, err)
		}
		for _, platform := range list.Manifests {
			if _, err := index.Image(platform.Digest); err != nil {
				t.Error(err)
			}
		}
		d, err := index.Digest()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	first := indexArchive(t, "one", "harbinger.dev/harbinger:v0.1.0", "harbinger.dev/harbinger:v0.1")
	for range 2 { // what is there already is no fault
		if err := push(first, repository); err != nil {
			t.Fatal(err)
		}
	}
	old := digest("v0.1.0")
	if err := push(indexArchive(t, "two", "harbinger.dev/harbinger:v0.1.0"), repository); err == nil || !strings.Contains(err.Error(), "a version is published once") {
		t.Errorf("another v0.1.0: %v", err)
	}
	if err := push(indexArchive(t, "two", "harbinger.dev/harbinger:v0.1.1", "harbinger.dev/harbinger:v0.1"), repository); err != nil {
		t.Fatal(err)
	}
	if digest("v0.1.0") != old || digest("v0.1") != digest("v0.1.1") || digest("v0.1") == old {
		t.Error("v0.1.0 has moved, or v0.1 has not")
	}
}

func TestPushRefuses(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "program"), "one")
	img, err := newImage(filepath.Join(dir, "program"), "amd64", source{time: epoch})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "image.tar")
	if err := writeArchive(path, []platformImage{img}, []string{"harbinger.dev/harbinger:v0.1.0"}, epoch); err != nil {
		t.Fatal(err)
	}
	if err := push(path, "harbinger.dev/harbinger"); err == nil || !strings.Contains(err.Error(), "holds no index over images") {
		t.Errorf("the image of one architecture: %v", err)
	}
	if err := push(filepath.Join(dir, "none"), ""); err == nil {
		t.Error("no archive, and no error")
	}
}

func TestLargeProgram(t *testing.T) {
	path := filepath.Join(t.TempDir(), "program")
	write(t, path, strings.Repeat("x", largestProgram+1))
	if _, err := newImage(path, "amd64", source{}); err == nil || !strings.Contains(err.Error(), "the image may have 30000000") {
		t.Errorf("%v", err)
	}
}
