// SPDX-License-Identifier: Apache-2.0

// Package hostfile reads the files that an administrator and other programs keep on the host, and notices where the pod no longer
// sees them: a mount goes on showing the file or directory that was there when the container was made. It knows nothing of what
// the files are for.
package hostfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
)

// longest bounds a file: the largest bundles of certificates have a few hundred KiB.
const longest = 4 << 20

// Read returns the content of a regular file. It never waits: what is a pipe or a device is refused.
func Read(path string) ([]byte, error) {
	content, _, err := read(path)
	return content, err
}

// ReadPrivate returns the content of a regular file that only its owner may read or write, who must be root or the user of this
// process.
func ReadPrivate(path string) ([]byte, error) {
	content, info, err := read(path)
	if err != nil {
		return nil, err
	}
	const others = 0o077
	if mode := info.Mode().Perm(); mode&others != 0 {
		return nil, fmt.Errorf("%s has mode %04o, which lets others than its owner use it: run chmod 0600 %s", path, mode, path)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 && int(stat.Uid) != os.Geteuid() {
		return nil, fmt.Errorf("%s belongs to user %d: run chown root %s", path, stat.Uid, path)
	}
	return content, nil
}

func read(path string) (content []byte, info os.FileInfo, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if info, err = f.Stat(); err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s is not a regular file", path)
	}
	content, err = io.ReadAll(io.LimitReader(f, longest+1))
	if err == nil && len(content) > longest {
		err = fmt.Errorf("%s has more than %d bytes", path, longest)
	}
	return content, info, err
}
