// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"
)

func TestMemoryOfAGroup(t *testing.T) {
	p := startShell(t, "exec sleep 60")
	g, err := GroupMemory(p.PID())
	if errors.Is(err, fs.ErrPermission) {
		t.Skip("the right to make control groups is missing: ", err)
	}
	must(t, err)
	objects, buffers, err := g.Kernel()
	if err != nil || objects < 0 || buffers != 0 {
		t.Errorf("%d bytes of objects, %d of buffers, error %v", objects, buffers, err)
	}
	must(t, g.Close())
	if _, err := os.Stat(g.dir); err == nil {
		t.Errorf("%s is still there", g.dir)
	}
	if _, err := GroupMemory(1 << 30); err == nil || !strings.Contains(err.Error(), "1073741824") {
		t.Errorf("a process that is not there is grouped: %v", err)
	}
}

func TestFieldOfAControlGroup(t *testing.T) {
	const stat = "anon 5\nkernel_stack 7\nkernel 4096\nsock 12\n"
	if n, err := field(stat, "kernel"); err != nil || n != 4096 {
		t.Errorf("kernel %d, error %v", n, err)
	}
	if _, err := field(stat, "slab"); err == nil {
		t.Error("a field that is not there is read")
	}
}
