// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// privateFiles gives the calling thread's mount namespace directories whose changes stay in memory: an empty /run, and /etc
// and /var/lib as they are with a layer for writing on top.
func privateFiles() error {
	if err := unix.Mount("lab", "/run", "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mount memory on /run: %w", err)
	}
	for _, dir := range []string{"/etc", "/var/lib"} {
		if err := overlay(dir); err != nil {
			return fmt.Errorf("mount a writable layer on %s: %w", dir, err)
		}
	}
	return nil
}

// overlay mounts a layer in memory on top of a directory.
func overlay(dir string) error {
	layer := filepath.Join("/run/lab", dir)
	upper, work := filepath.Join(layer, "upper"), filepath.Join(layer, "work")
	for _, d := range []string{upper, work} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s,userxattr", dir, upper, work)
	return unix.Mount("lab", dir, "overlay", 0, options)
}
