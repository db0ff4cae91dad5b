// SPDX-License-Identifier: Apache-2.0

package manifest_test

import (
	"strings"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/manifest"
)

const digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestCheckImage(t *testing.T) {
	for _, image := range []string{
		manifest.DefaultImage, "harbinger", "localhost:5000/harbinger", "registry.example.org/a/b_c/harbinger:v1.2.3-rc.1",
		"harbinger.dev/harbinger@" + digest, "harbinger.dev/harbinger:v0.1@" + digest, "[fd00::1]:5000/harbinger:1",
	} {
		if err := manifest.CheckImage(image); err != nil {
			t.Errorf("%q is refused: %v", image, err)
		}
	}
	for _, image := range []string{
		"", " ", "\n", " harbinger:1", "harbinger:1 ", "har binger:1", "harbinger:1\n", "Harbinger:1", "harbinger.dev/Harbinger:1",
		":1", "@" + digest, "/harbinger", "harbinger.dev/", "harbinger:", "harbinger:-1", "harbinger:a b", "harbinger:" + strings.Repeat("a", 129),
		"harbinger@", "harbinger@sha256:abc", "harbinger@latest", "https://harbinger.dev/harbinger:1", "harbinger:1:2", "harbinger:$(TAG)", "-harbinger",
		strings.Repeat("a", 256), strings.TrimPrefix(digest, "sha256:"), "--output",
	} {
		err := manifest.CheckImage(image)
		if err == nil {
			t.Errorf("%q is taken", image)
			continue
		}
		if !strings.HasPrefix(err.Error(), "image \"") || !strings.Contains(err.Error(), "NAME@DIGEST") {
			t.Errorf("%q: the error names no field or no remedy: %v", image, err)
		}
	}
}
