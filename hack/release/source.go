// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/semver"
)

// architectures are those that a version is built for.
var architectures = []string{"amd64", "arm64"}

// A source is a clean clone of the commit that becomes a version.
type source struct {
	dir     string // of the clone, which has the tag and nothing that Git does not know
	version string
	commit  string
	time    time.Time // of the commit: no file of the release knows another time
	tagged  bool      // the commit has the tag of the version in the repository itself, so that this is no rehearsal
}

// checkOut clones the commit of a clean tree. The clone has the tag of the version, whether the repository has it or not, so
// that the Go toolchain writes the version into the programs by itself.
func checkOut(ctx context.Context, repo, version string) (source, error) {
	if !semver.IsValid(version) || semver.Canonical(version) != version {
		return source{}, fmt.Errorf("VERSION %q is none: use vMAJOR.MINOR.PATCH, such as v0.1.0 or v0.1.0-rc.1", version)
	}
	changed, err := output(ctx, repo, "git", "status", "--porcelain")
	if err != nil {
		return source{}, err
	}
	if changed != "" {
		return source{}, fmt.Errorf("the tree is not clean: commit or remove what git status shows:\n%s", changed)
	}
	s := source{version: version}
	stamp, err := output(ctx, repo, "git", "log", "-1", "--format=%H %ct")
	if err != nil {
		return source{}, err
	}
	var seconds int64
	if _, err := fmt.Sscanf(stamp, "%s %d", &s.commit, &seconds); err != nil {
		return source{}, fmt.Errorf("git log says %q: %w", stamp, err)
	}
	s.time = time.Unix(seconds, 0).UTC()
	if at, err := output(ctx, repo, "git", "rev-parse", "--quiet", "--verify", version+"^{commit}"); err == nil {
		if s.tagged = at == s.commit; !s.tagged {
			return source{}, fmt.Errorf("the tag %s is on the commit %s, not on this one, %s: check that one out", version, at, s.commit)
		}
	}
	if s.dir, err = os.MkdirTemp("", "harbinger-release-"); err != nil {
		return source{}, err
	}
	for _, command := range [][]string{
		{"clone", "--quiet", "--no-tags", "--no-checkout", "--shared", absolute(repo), "."},
		{"checkout", "--quiet", "--detach", s.commit},
		{"tag", version},
	} {
		if _, err := output(ctx, s.dir, "git", command...); err != nil {
			return source{}, errors.Join(err, os.RemoveAll(s.dir))
		}
	}
	if err := s.checkMinor(); err != nil {
		return source{}, errors.Join(err, os.RemoveAll(s.dir))
	}
	return s, nil
}

var minor = regexp.MustCompile(`(?m)^const Minor = "(v[0-9.]+)"$`)

// checkMinor holds that the source knows which minor version it is: the default image of the manifest is made from it.
func (s source) checkMinor() error {
	const file = "pkg/version/version.go"
	content, err := os.ReadFile(filepath.Join(s.dir, file))
	if err != nil {
		return err
	}
	found := minor.FindSubmatch(content)
	if found == nil || string(found[1]) != semver.MajorMinor(s.version) {
		return fmt.Errorf("VERSION %s does not belong to Minor in %s: set it to %q first", s.version, file, semver.MajorMinor(s.version))
	}
	return nil
}

// build builds the static program for one architecture, and checks that it is what it should be.
func (s source) build(ctx context.Context, arch, program string) error {
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=true", "-ldflags=-s -w -buildid=", "-o", absolute(program), "./cmd/harbinger")
	command.Dir, command.Env = s.dir, buildEnvironment(os.Environ(), arch)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("go build for %s: %w\n%s", arch, err, out)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	if info.Main.Version != s.version {
		return fmt.Errorf("%s says that it is version %s, not %s", program, info.Main.Version, s.version)
	}
	return nil
}

// buildEnvironment is an environment in which nothing but the source and the version of Go decides about the bytes.
func buildEnvironment(environ []string, arch string) []string {
	kept := environ[:0:0]
	for _, variable := range environ {
		switch name, _, _ := strings.Cut(variable, "="); name {
		case "GOFLAGS", "GOEXPERIMENT", "GOWORK", "GOAMD64", "GOARM64", "GOFIPS140", "GOOS", "GOARCH", "CGO_ENABLED", "GOENV":
		default:
			kept = append(kept, variable)
		}
	}
	return append(kept, "GOENV=off", "GOWORK=off", "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
}

// imageNames are the references of the image: that of the version, and, unless it is only a candidate, the one that its
// manifests name, which the program itself knows.
func (s source) imageNames(ctx context.Context, dir string) ([]string, error) {
	program := filepath.Join(absolute(dir), fmt.Sprintf("harbinger-%s-linux-%s", s.version, runtime.GOARCH))
	out, err := output(ctx, dir, program, "version", "--output", "json")
	if err != nil {
		return nil, err
	}
	var says struct{ Version, Image string }
	if err := json.Unmarshal([]byte(out), &says); err != nil {
		return nil, fmt.Errorf("%s version: %w", program, err)
	}
	repository, tag, ok := strings.Cut(says.Image, ":")
	if !ok || says.Version != s.version || tag != semver.MajorMinor(s.version) {
		return nil, fmt.Errorf("%s is version %s and its manifests name %s: neither may be another than %s", program, says.Version, says.Image, s.version)
	}
	names := []string{repository + ":" + s.version}
	if semver.Prerelease(s.version) == "" {
		names = append(names, says.Image)
	}
	return names, nil
}

// output runs a command in a folder and returns what it prints, without the last line's end.
func output(ctx context.Context, dir, name string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, name, args...)
	var stdout, stderr bytes.Buffer
	command.Dir, command.Stdout, command.Stderr = dir, &stdout, &stderr
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w %s", name, strings.Join(args, " "), err, strconv.Quote(strings.TrimSpace(stderr.String())))
	}
	return strings.TrimRight(stdout.String(), "\n"), nil
}

// absolute is a path for a command that runs in another folder.
func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}
