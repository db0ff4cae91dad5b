// SPDX-License-Identifier: Apache-2.0

package manifest

import (
	"fmt"

	"github.com/distribution/reference"
)

// CheckImage refuses what the kubelet would refuse as the image of the pod, by the same parser: a name that is empty, has upper
// case letters or space, or a tag or digest that is none.
func CheckImage(image string) error {
	if _, err := reference.ParseNormalizedNamed(image); err != nil {
		return fmt.Errorf("image %q: %w: use NAME:TAG or NAME@DIGEST, such as %s", image, err, DefaultImage)
	}
	return nil
}
