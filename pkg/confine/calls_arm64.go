// SPDX-License-Identifier: Apache-2.0

package confine

import "golang.org/x/sys/unix"

// own is this processor. It has none of the calls that others replaced.
var own = processor{arch: unix.AUDIT_ARCH_AARCH64}
