// SPDX-License-Identifier: Apache-2.0

package socket_test

import (
	"syscall"
	"testing"

	"github.com/harbinger-ha/harbinger/pkg/socket"
)

func TestShare(t *testing.T) {
	const reserve, pools, most = 150, 4, 64
	for descriptors, want := range map[int]int{1 << 20: most, 1024: most, 406: most, 405: 63, 190: 10, 154: 1, 150: 1, 64: 1} {
		got := socket.Share(descriptors, reserve, pools, most)
		if got != want {
			t.Errorf("%d descriptors: %d connections, want %d", descriptors, got, want)
		}
		if left := descriptors - pools*got; got > 1 && left < reserve {
			t.Errorf("%d descriptors: %d are left", descriptors, left)
		}
	}
}

func TestDescriptors(t *testing.T) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if got := socket.Descriptors(); uint64(got) != min(limit.Cur, 1<<31-1) {
		t.Errorf("%d descriptors, the kernel says %d", got, limit.Cur)
	}
}
