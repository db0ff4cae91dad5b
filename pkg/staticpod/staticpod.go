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

// Check says why Write would refuse a path: its directory must exist (the kubelet makes its own, and a wrong path must be
// reported, not created), and what is there already must be a regular file, or a symbolic link to one. A device, a named pipe,
// a socket or a directory is never replaced. Check changes nothing.
func Check(path string) error {
	_, err := target(path)
	return err
}

// target returns the file that a path stands for: as for any program that writes to a symbolic link, what it leads to.
func target(path string) (string, error) {
	path = filepath.Clean(path)
	if err := checkDirectory(filepath.Dir(path)); err != nil {
		return "", err
	}
	info, err := os.Lstat(path)
	if err == nil && info.Mode()&fs.ModeSymlink != 0 {
		link := path
		if path, err = filepath.EvalSymlinks(link); err != nil {
			return "", fmt.Errorf("%s is a symbolic link that leads to no file: choose another output: %w", link, err)
		}
		info, err = os.Lstat(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return path, nil
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is %s, not a regular file, and is left alone: choose another output", path, kind(info.Mode()))
	}
	return path, nil
}

// kind names what is no regular file.
func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a named pipe"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

// Write replaces a file in one step: a process that opens the path, at any moment and after any crash, reads the old content
// or the new one. What Check refuses is not touched.
//
// The content is first written to a file in the same directory whose name begins with a dot, which the kubelet skips. One that an
// interrupted Write has left is removed.
func Write(path string, content []byte) error {
	path, err := target(path)
	if err != nil {
		return err
	}
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
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
		return fmt.Errorf("directory %s does not exist: create it, or choose another output", dir)
	}
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a directory", dir)
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
