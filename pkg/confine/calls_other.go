// SPDX-License-Identifier: Apache-2.0

//go:build !amd64 && !arm64

package confine

// own is this processor, which has no list.
var own processor
