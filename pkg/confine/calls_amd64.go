// SPDX-License-Identifier: Apache-2.0

package confine

import "golang.org/x/sys/unix"

// own is this processor.
var own = processor{
	arch: unix.AUDIT_ARCH_X86_64,
	allow: []uint32{
		unix.SYS_EPOLL_WAIT, unix.SYS_EPOLL_CREATE, unix.SYS_EVENTFD, unix.SYS_POLL, unix.SYS_SELECT, unix.SYS_PIPE, unix.SYS_DUP2,
		unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_READLINK, unix.SYS_TIME, unix.SYS_ARCH_PRCTL, unix.SYS_GETRLIMIT,
	},
	open: unix.SYS_OPEN,
}
