// SPDX-License-Identifier: Apache-2.0

// Package version says which build of Harbinger this is. It knows what the Go toolchain recorded in the binary and needs no
// linker flags.
package version

import "runtime/debug"

// Minor is the minor version of this source. Everything that a patch version must not change, such as the bytes of a
// generated manifest, is made from it.
const Minor = "v0.1"

// Info describes a build.
type Info struct {
	// Version of the module: a tag, or a pseudo-version of the commit.
	Version   string `json:"version"`
	Commit    string `json:"commit,omitempty"`
	Modified  bool   `json:"modified,omitempty"`
	GoVersion string `json:"goVersion"`
	Platform  string `json:"platform"`
}

// Get returns the description of the running binary.
func Get() Info {
	build, ok := debug.ReadBuildInfo()
	if !ok {
		build = &debug.BuildInfo{}
	}
	return fromBuildInfo(build)
}

func fromBuildInfo(build *debug.BuildInfo) Info {
	settings := map[string]string{}
	for _, setting := range build.Settings {
		settings[setting.Key] = setting.Value
	}
	info := Info{
		Version:   build.Main.Version,
		Commit:    settings["vcs.revision"],
		Modified:  settings["vcs.modified"] == "true",
		GoVersion: build.GoVersion,
		Platform:  settings["GOOS"] + "/" + settings["GOARCH"],
	}
	if info.Version == "" || info.Version == "(devel)" {
		info.Version = Minor + "-devel"
	}
	return info
}
