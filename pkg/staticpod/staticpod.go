// SPDX-License-Identifier: Apache-2.0

// Package staticpod writes files for the kubelet so that no reader ever sees a half-written one. It does not look at their
// content.
package staticpod

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// fileMode keeps the files to root: a VRRP password may be in them.
const fileMode = 0o600

// Write replaces a file in one step: a process that opens the path, at any moment and after any crash, reads the old content
// or the new one. The directory must exist; the kubelet makes its own, and a wrong path must be reported, not created.
//
// The content is first written to a file in the same directory whose name begins with a dot, which the kubelet skips. One that an
// interrupted Write has left is removed.
func Write(path string, content []byte) error {
	dir, base := filepath.Split(filepath.Clean(path))
	if dir == "" {
		dir = "."
	}
	if err := checkDirectory(dir); err != nil {
		return err
	}
	temporary := filepath.Join(dir, "."+base+".harbinger")
	if err := remove(temporary); err != nil {
		return fmt.Errorf("remove the leftover of an interrupted write: %w", err)
	}
	if err := writeFile(temporary, content); err != nil {
		return errors.Join(err, remove(temporary))
	}
	if err := os.Rename(temporary, path); err != nil {
		return errors.Join(err, remove(temporary))
	}
	return syncDirectory(dir)
}

// remove removes a file that may not be there.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func checkDirectory(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("directory %s does not exist: create it, or choose another output", filepath.Clean(dir))
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", filepath.Clean(dir))
	}
	return nil
}

// writeFile makes a new file and returns when its content is on the disk.
func writeFile(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncDirectory makes a rename outlast a power failure.
func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
