// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// A MemoryGroup is a control group, of version 1 or 2, that counts what the kernel takes for some processes: its objects for them, the
// sockets that they have accepted or made among them, and the data in the buffers of those.
type MemoryGroup struct {
	dir string
	two bool // of version 2
}

// GroupMemory moves processes to a group of their own. What the kernel has taken for them before is not counted.
func GroupMemory(pids ...int) (*MemoryGroup, error) {
	root := "/sys/fs/cgroup/memory"
	g := &MemoryGroup{}
	if _, err := os.Stat(root); err != nil {
		root, g.two = "/sys/fs/cgroup", true
		// An error shows below: then the group counts no memory.
		_ = os.WriteFile(filepath.Join(root, "cgroup.subtree_control"), []byte("+memory"), 0)
	}
	dir, err := os.MkdirTemp(root, "harbinger-lab-")
	if err != nil {
		return nil, fmt.Errorf("make a control group: %w", err)
	}
	g.dir = dir
	// Version 1 counts the buffers of sockets, and the object of a socket that was accepted, from when the buffers have a limit.
	if !g.two {
		err = os.WriteFile(filepath.Join(dir, "memory.kmem.tcp.limit_in_bytes"), []byte("1T"), 0)
	}
	for _, pid := range pids {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, "cgroup.procs"), fmt.Append(nil, pid), 0))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("group the memory of processes %v: %w", pids, err), g.Close())
	}
	return g, nil
}

// Kernel returns how many bytes the kernel has for the processes: of its objects, and of data in the buffers of sockets.
func (g *MemoryGroup) Kernel() (objects, buffers int64, err error) {
	if g.two {
		stat, err := os.ReadFile(filepath.Join(g.dir, "memory.stat"))
		if err != nil {
			return 0, 0, err
		}
		objects, errObjects := field(string(stat), "kernel")
		buffers, errBuffers := field(string(stat), "sock")
		return objects, buffers, errors.Join(errObjects, errBuffers)
	}
	objects, errObjects := g.number("memory.kmem.usage_in_bytes")
	buffers, errBuffers := g.number("memory.kmem.tcp.usage_in_bytes")
	return objects, buffers, errors.Join(errObjects, errBuffers)
}

// number reads a file that holds one.
func (g *MemoryGroup) number(name string) (int64, error) {
	content, err := os.ReadFile(filepath.Join(g.dir, name))
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(content)), 10, 64)
}

// field returns the number after a name at the begin of a line.
func field(text, name string) (int64, error) {
	for line := range strings.Lines(text) {
		if n, ok := strings.CutPrefix(line, name+" "); ok {
			return strconv.ParseInt(strings.TrimSpace(n), 10, 64)
		}
	}
	return 0, fmt.Errorf("the control group counts no %q", name)
}

// Close removes the group, whose processes must have ended, or go back to the group of this program.
func (g *MemoryGroup) Close() error {
	procs, err := os.ReadFile(filepath.Join(g.dir, "cgroup.procs"))
	for _, pid := range strings.Fields(string(procs)) {
		// One that has ended is in no group.
		_ = os.WriteFile(filepath.Join(filepath.Dir(g.dir), "cgroup.procs"), []byte(pid), 0)
	}
	return errors.Join(err, os.Remove(g.dir))
}
