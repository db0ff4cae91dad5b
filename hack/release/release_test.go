// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// A tiny product, with what a release takes from the real one.
var tiny = map[string]string{
	"go.mod":                 "module github.com/harbinger-ha/harbinger\n\ngo 1.26.0\n",
	"LICENSE":                "the licence\n",
	"CHANGELOG.md":           "# Changelog\n\nNewest first.\n\n## Unreleased\n\n- [New] Something.\n\n## v0.0.9 (2026-01-01)\n\n- [Fix] Something old.\n",
	"pkg/version/version.go": "package version\n\nconst Minor = \"v0.1\"\n",
	"cmd/harbinger/main.go": `package main

import (
	"runtime/debug"

	"github.com/harbinger-ha/harbinger/pkg/version"
)

func main() {
	info, _ := debug.ReadBuildInfo()
	println2("{\"version\": \"" + info.Main.Version + "\", \"image\": \"harbinger.dev/harbinger:" + version.Minor + "\"}")
}
`,
	"cmd/harbinger/out.go": "package main\n\nimport \"os\"\n\nfunc println2(s string) { os.Stdout.WriteString(s) }\n",
}

// makeRepository makes a repository of the tiny product, with one commit.
func makeRepository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{}
	for name, content := range tiny {
		files[name] = content
	}
	for _, name := range []string{
		"manifests/rbac.yaml", "manifests/monitoring/alerts.yaml", "manifests/monitoring/dashboard.json", "manifests/host/harbinger-manifest.service",
		"manifests/host/generate.sh", "manifests/host/import-image.sh", "manifests/host/harbinger-kubeconfig.service", "manifests/host/harbinger-kubeconfig.timer",
		"hack/release/scripts/postinstall.sh", "hack/release/scripts/preremove.sh", "hack/release/scripts/postremove.sh",
	} {
		content, err := os.ReadFile("../../" + name)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(content)
	}
	for name, content := range files {
		write(t, filepath.Join(dir, name), content)
	}
	git(t, dir, "init", "--quiet", "--initial-branch=main")
	git(t, dir, "add", ".")
	commit(t, dir)
	return dir
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	if _, err := output(t.Context(), dir, "git", args...); err != nil {
		t.Fatal(err)
	}
}

func commit(t *testing.T, dir string) {
	t.Helper()
	t.Setenv("GIT_COMMITTER_DATE", "2026-02-03T04:05:06Z")
	git(t, dir, "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "--all", "--message", "x", "--date", "2026-02-03T04:05:06Z")
}

// contents are the files of a folder.
func contents(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, entry := range entries {
		if all[entry.Name()], err = os.ReadFile(filepath.Join(dir, entry.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// Two clones in two places at two times give the same bytes, signature and all.
func TestReleaseTwice(t *testing.T) {
	repo := makeRepository(t)
	key := newKey(t)
	var runs []map[string][]byte
	for range 2 {
		clone, out := t.TempDir(), t.TempDir()
		git(t, clone, "clone", "--quiet", repo, ".")
		if err := makeRelease(t.Context(), clone, out, "v0.1.3", key); err != nil {
			t.Fatal(err)
		}
		runs = append(runs, contents(t, filepath.Join(out, "v0.1.3")))
	}
	var names []string
	for name, content := range runs[0] {
		names = append(names, name)
		if !bytes.Equal(content, runs[1][name]) {
			t.Errorf("%s differs", name)
		}
	}
	slices.Sort(names)
	want := []string{
		"NOTES.md", "SHA256SUMS", "SHA256SUMS.sig", "cosign.pub", "harbinger-0.1.3-1.aarch64.rpm", "harbinger-0.1.3-1.x86_64.rpm",
		"harbinger-v0.1.3-image-amd64.tar", "harbinger-v0.1.3-image-arm64.tar", "harbinger-v0.1.3-image.tar",
		"harbinger-v0.1.3-linux-amd64", "harbinger-v0.1.3-linux-amd64.cdx.json", "harbinger-v0.1.3-linux-arm64", "harbinger-v0.1.3-linux-arm64.cdx.json",
		"harbinger_0.1.3-1_amd64.deb", "harbinger_0.1.3-1_arm64.deb",
	}
	if !slices.Equal(names, want) {
		t.Errorf("files %q\nwant  %q", names, want)
	}
	wantSums(t, runs[0], key)
	wantBill(t, runs[0]["harbinger-v0.1.3-linux-amd64.cdx.json"])
	notes := string(runs[0]["NOTES.md"])
	for _, part := range []string{"- [New] Something.\n\n## Files", "harbinger.dev/harbinger:v0.1.3`, `harbinger.dev/harbinger:v0.1`", "cosign verify-blob --key cosign.pub"} {
		if !strings.Contains(notes, part) {
			t.Errorf("the notes do not contain %q:\n%s", part, notes)
		}
	}
	if strings.Contains(notes, "Something old") {
		t.Errorf("the notes contain what another version has changed:\n%s", notes)
	}
	wantImages(t, runs[0]["harbinger-v0.1.3-image.tar"], runs[0]["harbinger-v0.1.3-linux-arm64"])
}

// wantSums holds that each file but the notes is in the list, and that the list is signed.
func wantSums(t *testing.T, files map[string][]byte, key *signer) {
	t.Helper()
	list := string(files["SHA256SUMS"])
	if n := strings.Count(list, "\n"); n != len(files)-4 {
		t.Errorf("%d sums for %d files", n, len(files))
	}
	for line := range strings.Lines(list) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		if fmt.Sprintf("%x", sha256.Sum256(files[name])) != sum {
			t.Errorf("wrong sum of %q", name)
		}
	}
	signature, err := base64.StdEncoding.DecodeString(string(files["SHA256SUMS.sig"]))
	if digest := sha256.Sum256(files["SHA256SUMS"]); err != nil || !ecdsa.VerifyASN1(&key.key.PublicKey, digest[:], signature) {
		t.Errorf("the signature does not fit (%v)", err)
	}
}

func wantBill(t *testing.T, content []byte) {
	t.Helper()
	var bill struct {
		SerialNumber string
		Metadata     struct {
			Timestamp string
			Component struct{ Name, Version string }
		}
		Components []struct{ Name string }
	}
	if err := json.Unmarshal(content, &bill); err != nil {
		t.Fatal(err)
	}
	if m := bill.Metadata; m.Timestamp != "2026-02-03T04:05:06Z" || m.Component.Version != "v0.1.3" || m.Component.Name != "github.com/harbinger-ha/harbinger" ||
		len(bill.Components) != 1 || bill.Components[0].Name != "std" {
		t.Errorf("the bill of materials is %+v", bill)
	}
}

func wantImages(t *testing.T, archive, program []byte) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "image.tar")
	write(t, path, string(archive))
	if err := unpack(path, dir); err != nil {
		t.Fatal(err)
	}
	blob := func(digest v1.Hash) string { return filepath.Join(dir, blobPath(digest)) }
	top := decode[v1.IndexManifest](t, filepath.Join(dir, "index.json"))
	var names []string
	for _, manifest := range top.Manifests {
		names = append(names, manifest.Annotations["io.containerd.image.name"])
	}
	if want := []string{"harbinger.dev/harbinger:v0.1.3", "harbinger.dev/harbinger:v0.1"}; !slices.Equal(names, want) {
		t.Fatalf("the archive names %q, want %q", names, want)
	}
	index := decode[v1.IndexManifest](t, blob(top.Manifests[0].Digest))
	if len(index.Manifests) != 2 || index.Manifests[0].Platform.String() != "linux/amd64" || index.Manifests[1].Platform.String() != "linux/arm64" {
		t.Fatalf("the index is %+v", index)
	}
	config := decode[v1.ConfigFile](t, blob(decode[v1.Manifest](t, blob(index.Manifests[1].Digest)).Config.Digest))
	if c := config.Config; config.Architecture != "arm64" || !slices.Equal(c.Entrypoint, []string{"/harbinger"}) || !slices.Equal(c.Cmd, []string{"run"}) || c.User != "" {
		t.Errorf("the image is %+v", config)
	}
	for label, want := range map[string]string{"version": "v0.1.3", "created": "2026-02-03T04:05:06Z", "licenses": "Apache-2.0"} {
		if got := config.Config.Labels["org.opencontainers.image."+label]; got != want {
			t.Errorf("label %s is %q, want %q", label, got, want)
		}
		if got := index.Annotations["org.opencontainers.image."+label]; got != want {
			t.Errorf("annotation %s is %q, want %q", label, got, want)
		}
	}
	list := decode[[]dockerImage](t, filepath.Join(dir, "manifest.json"))
	if len(list) != 2 || !slices.Equal(list[1].RepoTags, []string{"harbinger.dev/harbinger:v0.1.3-arm64", "harbinger.dev/harbinger:v0.1-arm64"}) {
		t.Errorf("docker load finds %+v", list)
	}
	if got := only(t, filepath.Join(dir, list[1].Layers[0])); !bytes.Equal(got["harbinger"], program) || len(got) != 1 {
		t.Errorf("the layer holds %d files, want the program only", len(got))
	}
}

func decode[T any](t *testing.T, path string) (v T) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(content, &v)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A candidate does not take the name that the manifests of its minor version have.
func TestCandidate(t *testing.T) {
	out := t.TempDir()
	if err := makeRelease(t.Context(), makeRepository(t), out, "v0.1.0-rc.1", nil); err != nil {
		t.Fatal(err)
	}
	files := contents(t, filepath.Join(out, "v0.1.0-rc.1"))
	if files["SHA256SUMS.sig"] != nil || !strings.Contains(string(files["NOTES.md"]), "The images are `harbinger.dev/harbinger:v0.1.0-rc.1`.") ||
		!strings.Contains(string(files["NOTES.md"]), "The checksums are not signed.") {
		t.Errorf("the notes are %s", files["NOTES.md"])
	}
	if files["harbinger_0.1.0~rc.1-1_amd64.deb"] == nil {
		t.Error("no deb whose version sorts before that of the release")
	}
}

func TestReleaseRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		version string
		change  func(repo string)
		want    string
	}{
		"no version":            {"", nil, `VERSION "" is none`},
		"no v":                  {"0.1.0", nil, `VERSION "0.1.0" is none`},
		"short":                 {"v0.1", nil, `VERSION "v0.1" is none`},
		"metadata of the build": {"v0.1.0+x", nil, "is none"},
		"another minor version": {"v0.2.0", nil, `does not belong to Minor in pkg/version/version.go: set it to "v0.2" first`},
		"changed file":          {"v0.1.0", func(repo string) { write(t, repo+"/LICENSE", "changed") }, "the tree is not clean"},
		"new file":              {"v0.1.0", func(repo string) { write(t, repo+"/new", "") }, "?? new"},
		"tag elsewhere": {"v0.1.0", func(repo string) {
			git(t, repo, "tag", "v0.1.0")
			write(t, repo+"/LICENSE", "changed")
			commit(t, repo)
		}, "the tag v0.1.0 is on the commit "},
		"tag without a section": {"v0.1.0", func(repo string) { git(t, repo, "tag", "v0.1.0") }, "CHANGELOG.md has no section v0.1.0"},
		"no repository":         {"v0.1.0", func(repo string) { os.RemoveAll(repo + "/.git") }, "git status"},
		"does not compile": {"v0.1.0", func(repo string) {
			write(t, repo+"/cmd/harbinger/main.go", "package main\n")
			commit(t, repo)
		}, "go build for amd64"},
	} {
		t.Run(name, func(t *testing.T) {
			repo, out := makeRepository(t), t.TempDir()
			if tt.change != nil {
				tt.change(repo)
			}
			if err := makeRelease(context.Background(), repo, out, tt.version, nil); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %q in it", err, tt.want)
			}
		})
	}
}

// The environment of whoever builds decides nothing.
func TestBuildEnvironment(t *testing.T) {
	got := buildEnvironment([]string{"PATH=/bin", "GOFLAGS=-tags=x", "GOAMD64=v3", "GOARCH=386", "CGO_ENABLED=1"}, "arm64")
	if want := []string{"PATH=/bin", "GOENV=off", "GOWORK=off", "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestSection(t *testing.T) {
	const text = "# Changelog\n\n## Unreleased\n\n- a\n\n## v0.1.10\n\n- b\n\n### c\n\n## v0.1.1 (2026-01-01)\n\n- d\n"
	for version, want := range map[string]string{"Unreleased": "- a", "v0.1.10": "- b\n\n### c", "v0.1.1": "- d"} {
		if got, ok := section(text, version); !ok || got != want {
			t.Errorf("%s: %q, want %q", version, got, want)
		}
	}
	if got, ok := section(text, "v0.1"); ok {
		t.Errorf("v0.1: %q", got)
	}
}

var epoch = time.Unix(0, 0).UTC()
