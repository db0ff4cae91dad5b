// SPDX-License-Identifier: Apache-2.0

package confine

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Privileges are what the kernel shows of what a process may do, see proc_pid_status(5).
type Privileges struct {
	user, group string // IDs: real, effective, saved, of the file system
	groups      string // supplementary IDs
	sets        map[string]uint64
	elevates    bool // by a program with more privileges
	filtered    bool // its system calls are
	filters     int  // how many filters they pass; -1: the kernel does not count them (before Linux 5.9)
}

// sets are the sets of capabilities, in the order in which they are named.
var sets = []struct{ field, name string }{
	{"CapPrm", "permitted"}, {"CapEff", "effective"}, {"CapInh", "inheritable"}, {"CapAmb", "ambient"}, {"CapBnd", "bounding"},
}

// PrivilegesOf returns what the process with that ID may do.
func PrivilegesOf(pid int) (Privileges, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Privileges{}, err
	}
	return parse(string(status))
}

func parse(status string) (p Privileges, err error) {
	p = Privileges{sets: map[string]uint64{}, filters: -1, elevates: true}
	for line := range strings.Lines(status) {
		field, value, _ := strings.Cut(line, ":")
		value = strings.Join(strings.Fields(value), " ")
		switch {
		case field == "Uid":
			p.user = value
		case field == "Gid":
			p.group = value
		case field == "Groups":
			p.groups = value
		case field == "NoNewPrivs":
			p.elevates = value == "0"
		case field == "Seccomp":
			p.filtered = value == "2"
		case field == "Seccomp_filters":
			p.filters, err = strconv.Atoi(value)
		case strings.HasPrefix(field, "Cap"):
			p.sets[field], err = strconv.ParseUint(value, 16, 64)
		}
		if err != nil {
			return p, fmt.Errorf("%s: %w", field, err)
		}
	}
	return p, nil
}

// Kept says what a balancer process with these privileges has that it does not need, compared with the keeper that started it, for
// people. Empty: nothing.
func (p Privileges) Kept(keeper Privileges) []string {
	own := strings.Join(slices.Repeat([]string{strconv.Itoa(User)}, 4), " ")
	var kept []string
	keeps := func(it bool, format string, args ...any) {
		if it {
			kept = append(kept, fmt.Sprintf(format, args...))
		}
	}
	keeps(p.user != own, "user %s", first(p.user))
	keeps(p.group != own, "group %s", first(p.group))
	keeps(p.groups != "", "supplementary groups %s", p.groups)
	for _, set := range sets {
		keeps(p.sets[set.field] != 0, "%s capabilities %#x", set.name, p.sets[set.field])
	}
	keeps(p.elevates, "new privileges by programs")
	keeps(!p.filtered || p.filters >= 0 && p.filters <= keeper.filters, "every system call that the keeper has")
	return kept
}

// first is the first of several IDs.
func first(ids string) string {
	id, _, _ := strings.Cut(ids, " ")
	return id
}
