// SPDX-License-Identifier: Apache-2.0

// Program release makes what a version of Harbinger publishes, the same bytes at every run: programs, images for registries
// and for hosts without one, packages, bills of materials, checksums, their signature and the notes. It needs Git and Go, and
// no container engine. `make release VERSION=v0.1.0` calls it, hack/image.sh for the image of a working tree.
//
//	release build [-repo DIR] [-out DIR] VERSION
//	release image -program FILE -arch ARCH -tag REFERENCE -output FILE
//	release push [-repository NAME] DIR
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	commands := map[string]func(context.Context, []string) error{"build": buildCommand, "image": imageCommand, "push": pushCommand}
	if len(args) == 0 || commands[args[0]] == nil {
		return errors.New("give a command: build, image or push")
	}
	return commands[args[0]](ctx, args[1:])
}

func buildCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	repo := flags.String("repo", ".", "the repository: a clean tree")
	out := flags.String("out", "out/release", "folder for the folder of the version, which is made anew")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 || flags.Arg(0) == "" {
		return errors.New("give one version: make release VERSION=v0.1.0")
	}
	key, err := signingKey(os.Getenv)
	if err != nil {
		return err
	}
	return makeRelease(ctx, *repo, *out, flags.Arg(0), key)
}

func imageCommand(_ context.Context, args []string) error {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	program := flags.String("program", "", "the static program")
	arch := flags.String("arch", "", "its architecture")
	tag := flags.String("tag", "", "reference of the image")
	output := flags.String("output", "", "tar file to write")
	if err := flags.Parse(args); err != nil {
		return err
	}
	// The image of a working tree is the same for the same program: it has no time of its own.
	img, err := newImage(*program, *arch, source{version: "devel", time: time.Unix(0, 0).UTC()})
	if err != nil {
		return err
	}
	return writeArchive(*output, []platformImage{img}, []string{*tag}, time.Unix(0, 0).UTC())
}

// makeRelease writes all files of a version.
func makeRelease(ctx context.Context, repo, out, version string, key *signer) error {
	src, err := checkOut(ctx, repo, version)
	if err != nil {
		return err
	}
	defer os.RemoveAll(src.dir)
	dir := filepath.Join(out, version)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	notes, err := src.changes()
	if err != nil {
		return err
	}
	var images []platformImage
	for _, arch := range architectures {
		program := filepath.Join(dir, fmt.Sprintf("harbinger-%s-linux-%s", version, arch))
		if err := src.build(ctx, arch, program); err != nil {
			return err
		}
		img, err := newImage(program, arch, src)
		if err != nil {
			return err
		}
		images = append(images, img)
		if err := errors.Join(writePackages(dir, arch, program, src), writeBOM(program, src)); err != nil {
			return err
		}
	}
	names, err := src.imageNames(ctx, dir)
	if err != nil {
		return err
	}
	if err := writeImages(dir, images, names, src); err != nil {
		return err
	}
	if err := writeSums(dir, key); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "NOTES.md"), []byte(src.notes(notes, names, key != nil)), 0o644); err != nil {
		return err
	}
	return src.summary(dir, names, key != nil)
}

// summary says what there is.
func (s source) summary(dir string, names []string, signed bool) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			return err
		}
		fmt.Printf("%9d  %s\n", info.Size(), filepath.Join(dir, f.Name()))
	}
	fmt.Printf("commit %s of %s; the images are %s\n", s.commit, s.time.Format(time.RFC3339), strings.Join(names, ", "))
	if !signed {
		fmt.Println("not signed: give COSIGN_KEY, a file with a private key of cosign or of openssl, to have SHA256SUMS signed")
	}
	if !s.tagged {
		fmt.Printf("a rehearsal: the commit has no tag %s\n", s.version)
	}
	return nil
}
