// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

func pushCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("push", flag.ContinueOnError)
	repository := flags.String("repository", "", "push to this repository instead of the one that the images name")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("give the folder of a release: make push VERSION=v0.1.0")
	}
	dir := flags.Arg(0)
	return push(filepath.Join(dir, "harbinger-"+filepath.Base(filepath.Clean(dir))+"-image.tar"), *repository,
		remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain))
}

// push writes the index of an archive to a registry, under each of its names. The name of a version is given once: another index
// of that name is not replaced.
func push(archive, repository string, options ...remote.Option) error {
	dir, err := os.MkdirTemp("", "harbinger-push-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := unpack(archive, dir); err != nil {
		return err
	}
	path, err := layout.FromPath(dir)
	if err != nil {
		return err
	}
	all, err := path.ImageIndex()
	if err != nil {
		return err
	}
	list, err := all.IndexManifest()
	if err != nil {
		return err
	}
	for _, descriptor := range list.Manifests {
		if descriptor.MediaType != types.OCIImageIndex {
			return fmt.Errorf("%s holds no index over images", archive)
		}
		index, err := all.ImageIndex(descriptor.Digest)
		if err != nil {
			return err
		}
		if err := pushAs(index, descriptor, repository, options); err != nil {
			return err
		}
	}
	return nil
}

func pushAs(index v1.ImageIndex, descriptor v1.Descriptor, repository string, options []remote.Option) error {
	reference := descriptor.Annotations[containerdName]
	if repository != "" {
		reference = repository + ":" + descriptor.Annotations[refName]
	}
	tag, err := name.NewTag(reference)
	if err != nil {
		return err
	}
	if there, err := remote.Head(tag, options...); err == nil {
		if there.Digest == descriptor.Digest {
			fmt.Printf("%s is there already: %s\n", tag, descriptor.Digest)
			return nil
		}
		if strings.Count(descriptor.Annotations[refName], ".") > 1 {
			return fmt.Errorf("%s is another image already, %s: a version is published once", tag, there.Digest)
		}
	}
	if err := remote.WriteIndex(tag, index, options...); err != nil {
		return err
	}
	fmt.Printf("pushed %s: %s\n", tag, descriptor.Digest)
	return nil
}

// unpack writes the files of an archive of ours into a folder.
func unpack(archive, dir string) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for r := tar.NewReader(f); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		content, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if err := errors.Join(root.MkdirAll(filepath.Dir(header.Name), 0o755), root.WriteFile(header.Name, content, 0o644)); err != nil {
			return err
		}
	}
}
