// SPDX-License-Identifier: Apache-2.0

package version

import (
	"runtime/debug"
	"testing"
)

func TestFromBuildInfo(t *testing.T) {
	platform := []debug.BuildSetting{{Key: "GOOS", Value: "linux"}, {Key: "GOARCH", Value: "arm64"}}
	tests := []struct {
		name  string
		build debug.BuildInfo
		want  Info
	}{
		{
			name:  "release",
			build: debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "v0.1.2"}, Settings: platform},
			want:  Info{Version: "v0.1.2", GoVersion: "go1.26.8", Platform: "linux/arm64"},
		},
		{
			name: "working tree",
			build: debug.BuildInfo{GoVersion: "go1.26.8", Main: debug.Module{Version: "(devel)"}, Settings: append(platform,
				debug.BuildSetting{Key: "vcs.revision", Value: "abc"}, debug.BuildSetting{Key: "vcs.modified", Value: "true"})},
			want: Info{Version: Minor + "-devel", Commit: "abc", Modified: true, GoVersion: "go1.26.8", Platform: "linux/arm64"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := fromBuildInfo(&tt.build); got != tt.want {
				t.Errorf("fromBuildInfo = %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestGet(t *testing.T) {
	if got := Get(); got.Version == "" || got.GoVersion == "" {
		t.Errorf("Get = %+v, want a version and a Go version", got)
	}
}
