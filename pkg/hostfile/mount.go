// SPDX-License-Identifier: Apache-2.0

package hostfile

import (
	"bytes"
	"path"
	"slices"
	"strconv"
	"strings"
)

// mountTable lists the mounts of the calling thread (proc_pid_mountinfo(5)).
const mountTable = "/proc/thread-self/mountinfo"

// deleted is what the kernel appends to the root of a mount that was unlinked.
const deleted = "//deleted"

// Mounts watches what paths show: each lies on a mount, whose root the kernel names by where it is on the host now. If it was
// renamed or removed there, as by a file that was moved over it, the path no longer shows what the host has in its place, and
// will not until the container is made anew. The zero value has seen no path.
type Mounts struct {
	roots map[string]string // by path, as they were seen first

	// The last question, and the answer to it: the table seldom changes.
	table []byte
	paths []string
	out   []string
}

// Replaced returns which of the paths no longer show what the host has there, since they were asked for first.
func (m *Mounts) Replaced(paths ...string) ([]string, error) {
	table, err := Read(mountTable)
	if err != nil {
		return nil, err
	}
	if m.roots == nil {
		m.roots = map[string]string{}
	} else if bytes.Equal(table, m.table) && slices.Equal(paths, m.paths) {
		return m.out, nil
	}
	mounts := parseMounts(string(table))
	var out []string
	for _, p := range paths {
		root := rootOf(mounts, p)
		if _, known := m.roots[p]; !known {
			m.roots[p] = root
		}
		if root != m.roots[p] || strings.HasSuffix(root, deleted) {
			out = append(out, p)
		}
	}
	m.table, m.paths, m.out = table, slices.Clone(paths), out
	return out, nil
}

// A mount is one line of the kernel's table: where it is, and of which file system and root.
type mount struct{ point, root string }

// parseMounts reads the table. A line that is none is skipped.
func parseMounts(table string) []mount {
	var mounts []mount
	for line := range strings.Lines(table) {
		if fields := strings.Fields(line); len(fields) > 4 {
			mounts = append(mounts, mount{point: unescape(fields[4]), root: fields[2] + " " + unescape(fields[3])})
		}
	}
	return mounts
}

// unescape undoes the octal escapes of space, tab, newline and backslash.
func unescape(s string) string {
	for _, c := range []string{" ", "\t", "\n", `\`} {
		s = strings.ReplaceAll(s, `\`+octal(c[0]), c)
	}
	return s
}

func octal(c byte) string {
	digits := strconv.FormatUint(uint64(c), 8)
	return strings.Repeat("0", 3-len(digits)) + digits
}

// rootOf returns the root of the mount on which a path lies: of the longest mount point, and of those the one mounted last, which
// hides the others.
func rootOf(mounts []mount, p string) string {
	root, longest := "", -1
	for _, m := range mounts {
		if within(p, m.point) && len(m.point) >= longest {
			root, longest = m.root, len(m.point)
		}
	}
	return root
}

// within reports whether a path is a directory or lies in it.
func within(p, dir string) bool {
	p, dir = path.Clean(p), path.Clean(dir)
	return p == dir || dir == "/" || strings.HasPrefix(p, dir+"/")
}
