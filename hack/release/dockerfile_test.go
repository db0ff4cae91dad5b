// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The Dockerfile makes an image that runs as the released one does.
func TestDockerfile(t *testing.T) {
	program := filepath.Join(t.TempDir(), "harbinger")
	if err := os.WriteFile(program, []byte("program"), 0o755); err != nil {
		t.Fatal(err)
	}
	img, err := newImage(program, "amd64", source{})
	if err != nil {
		t.Fatal(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	list := func(words []string) string {
		text, _ := json.Marshal(words)
		return string(text)
	}
	for _, line := range []string{
		"FROM scratch", "COPY ${BINARY} /harbinger", "ENV " + strings.Join(file.Config.Env, " "),
		"ENTRYPOINT " + list(file.Config.Entrypoint), "CMD " + list(file.Config.Cmd),
	} {
		if !strings.Contains(string(raw), "\n"+line+"\n") {
			t.Errorf("the Dockerfile has no line %q", line)
		}
	}
	if user := file.Config.User; user != "" || strings.Contains(string(raw), "\nUSER") {
		t.Errorf("the image runs as %q", user)
	}
}
