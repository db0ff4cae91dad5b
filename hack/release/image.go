// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// largestProgram bounds the image: it goes to every control-plane host before there is a cluster to help.
const largestProgram = 30_000_000

const home = "https://github.com/harbinger-ha/harbinger"

// The annotations of an archive by which containerd and others name what is in it.
const (
	refName        = "org.opencontainers.image.ref.name"
	containerdName = "io.containerd.image.name"
)

// A platformImage is the image for one architecture.
type platformImage struct {
	v1.Image
	arch string
}

// newImage makes the image: one static program and nothing else: no shell, no libraries, no certificates (the API server's
// authority is mounted by the pod).
func newImage(program, arch string, s source) (platformImage, error) {
	content, err := os.ReadFile(program)
	if err != nil {
		return platformImage{}, err
	}
	if len(content) > largestProgram {
		return platformImage{}, fmt.Errorf("%s has %d bytes: the image may have %d", program, len(content), largestProgram)
	}
	var root bytes.Buffer
	w := tar.NewWriter(&root)
	if err := addFile(w, "harbinger", 0o755, content, s.time); err != nil {
		return platformImage{}, err
	}
	if err := w.Close(); err != nil {
		return platformImage{}, err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(root.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(gzip.BestCompression))
	if err != nil {
		return platformImage{}, err
	}
	img, err := mutate.ConfigFile(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), &v1.ConfigFile{
		OS: "linux", Architecture: arch, Created: v1.Time{Time: s.time}, RootFS: v1.RootFS{Type: "layers"},
		Config: v1.Config{Entrypoint: []string{"/harbinger"}, Cmd: []string{"run"}, Env: []string{"PATH=/"}, Labels: s.labels()},
	})
	if err != nil {
		return platformImage{}, err
	}
	img, err = mutate.Append(img, mutate.Addendum{
		Layer: layer, MediaType: types.OCILayer, History: v1.History{Created: v1.Time{Time: s.time}, CreatedBy: "hack/release", Comment: "the program"},
	})
	return platformImage{img, arch}, err
}

// labels describe an image, and the index over images.
func (s source) labels() map[string]string {
	labels := map[string]string{
		"title":         "harbinger",
		"description":   "A virtual IP and a TCP load balancer for a kubeadm control plane",
		"url":           home,
		"source":        home,
		"documentation": home + "/blob/main/README.md",
		"vendor":        "The Harbinger Authors",
		"licenses":      "Apache-2.0",
		"version":       s.version,
		"revision":      s.commit,
		"created":       s.time.Format(time.RFC3339),
	}
	full := map[string]string{}
	for key, value := range labels {
		if value != "" {
			full["org.opencontainers.image."+key] = value
		}
	}
	return full
}

// newIndex makes the index over the images of all architectures.
func newIndex(images []platformImage, s source) v1.ImageIndex {
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, img := range images {
		index = mutate.AppendManifests(index, mutate.IndexAddendum{
			Add: img.Image, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: img.arch}},
		})
	}
	return mutate.Annotations(index, s.labels()).(v1.ImageIndex)
}

// writeImages writes the archive of the index, for registries and for hosts of any architecture, and one for each.
func writeImages(dir string, images []platformImage, names []string, s source) error {
	file := func(suffix string) string { return filepath.Join(dir, "harbinger-"+s.version+"-image"+suffix+".tar") }
	for _, img := range images {
		if err := writeArchive(file("-"+img.arch), []platformImage{img}, names, s.time); err != nil {
			return err
		}
	}
	return writeIndexArchive(file(""), newIndex(images, s), images, names, s.time)
}

// writeArchive writes an archive of one image, or of several without an index.
func writeArchive(path string, images []platformImage, names []string, at time.Time) error {
	a := archive{}
	for _, img := range images {
		if err := a.addImage(img.Image); err != nil {
			return err
		}
		descriptor, err := describe(img.Image, types.OCIManifestSchema1)
		if err != nil {
			return err
		}
		descriptor.Platform = &v1.Platform{OS: "linux", Architecture: img.arch}
		a.name(descriptor, names)
	}
	return a.write(path, images, names, at)
}

// writeIndexArchive writes an archive of an index and its images.
func writeIndexArchive(path string, index v1.ImageIndex, images []platformImage, names []string, at time.Time) error {
	a := archive{}
	for _, img := range images {
		if err := a.addImage(img.Image); err != nil {
			return err
		}
	}
	raw, err := index.RawManifest()
	if err != nil {
		return err
	}
	descriptor, err := describe(index, types.OCIImageIndex)
	if err != nil {
		return err
	}
	a.add(descriptor.Digest, raw)
	a.name(descriptor, names)
	return a.write(path, images, names, at)
}

// An archive is a tar in the layout of OCI, which containerd takes, with the list that `docker load` and podman want.
type archive struct {
	blobs map[string][]byte
	index v1.IndexManifest
}

// described is an image or an index.
type described interface {
	Digest() (v1.Hash, error)
	Size() (int64, error)
}

func describe(what described, media types.MediaType) (v1.Descriptor, error) {
	digest, err := what.Digest()
	if err != nil {
		return v1.Descriptor{}, err
	}
	size, err := what.Size()
	return v1.Descriptor{MediaType: media, Digest: digest, Size: size}, err
}

func blobPath(digest v1.Hash) string { return "blobs/" + digest.Algorithm + "/" + digest.Hex }

func (a *archive) add(digest v1.Hash, content []byte) {
	if a.blobs == nil {
		a.blobs = map[string][]byte{}
	}
	a.blobs[blobPath(digest)] = content
}

// name gives a blob its names.
func (a *archive) name(descriptor v1.Descriptor, names []string) {
	for _, name := range names {
		descriptor.Annotations = map[string]string{refName: name[strings.LastIndex(name, ":")+1:], containerdName: name}
		a.index.Manifests = append(a.index.Manifests, descriptor)
	}
}

// addImage adds the manifest of an image, its configuration and its layers.
func (a *archive) addImage(img v1.Image) error {
	manifest, err := img.RawManifest()
	if err != nil {
		return err
	}
	digest, err := img.Digest()
	if err != nil {
		return err
	}
	a.add(digest, manifest)
	configuration, err := img.RawConfigFile()
	if err != nil {
		return err
	}
	if digest, err = img.ConfigName(); err != nil {
		return err
	}
	a.add(digest, configuration)
	layers, err := img.Layers()
	if err != nil {
		return err
	}
	for _, layer := range layers {
		digest, err := layer.Digest()
		if err != nil {
			return err
		}
		blob, err := layer.Compressed()
		if err != nil {
			return err
		}
		content, err := io.ReadAll(blob)
		if err := cmp.Or(err, blob.Close()); err != nil {
			return err
		}
		a.add(digest, content)
	}
	return nil
}

// dockerImage is an image in the list that `docker load` reads.
type dockerImage struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// dockerList lists the images for those who know no index: of several the names end with the architecture.
func dockerList(images []platformImage, names []string) ([]byte, error) {
	var list []dockerImage
	for _, img := range images {
		manifest, err := img.Manifest()
		if err != nil {
			return nil, err
		}
		item := dockerImage{Config: blobPath(manifest.Config.Digest)}
		for _, name := range names {
			if len(images) > 1 {
				name += "-" + img.arch
			}
			item.RepoTags = append(item.RepoTags, name)
		}
		for _, layer := range manifest.Layers {
			item.Layers = append(item.Layers, blobPath(layer.Digest))
		}
		list = append(list, item)
	}
	return json.Marshal(list)
}

// write writes the archive, its files in the order of their names.
func (a *archive) write(path string, images []platformImage, names []string, at time.Time) (err error) {
	a.index.SchemaVersion, a.index.MediaType = 2, types.OCIImageIndex
	files := a.blobs
	files["oci-layout"] = []byte(`{"imageLayoutVersion":"1.0.0"}`)
	if files["index.json"], err = json.Marshal(a.index); err != nil {
		return err
	}
	if files["manifest.json"], err = dockerList(images, names); err != nil {
		return err
	}
	var order []string
	for name := range files {
		order = append(order, name)
	}
	slices.Sort(order)
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = cmp.Or(err, f.Close()) }()
	w := tar.NewWriter(f)
	for _, name := range order {
		if err := addFile(w, name, 0o644, files[name], at); err != nil {
			return err
		}
	}
	return w.Close()
}

// addFile adds a file of root to a tar.
func addFile(w *tar.Writer, name string, mode int64, content []byte, at time.Time) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content)), ModTime: at, Format: tar.FormatUSTAR}
	if err := w.WriteHeader(header); err != nil {
		return err
	}
	_, err := w.Write(content)
	return err
}
