// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/harbinger-ha/harbinger/pkg/preflight"
)

// rights say what this process may do.
type rights struct {
	root    bool
	missing []string // of the capabilities that the work with a network needs
}

// processRights returns the rights of this process.
func processRights() rights {
	missing, err := preflight.MissingCapabilities()
	if err != nil {
		missing = nil // nothing is said of what is not known
	}
	return rights{os.Geteuid() == 0, missing}
}

// withRights adds to what the kernel has refused which right is missing, and the command that has it.
func (s streams) withRights(fault string) string {
	file, capability := strings.Contains(fault, syscall.EACCES.Error()), strings.Contains(fault, syscall.EPERM.Error())
	if !file && !capability || strings.Contains(fault, "sudo ") {
		return fault
	}
	return fault + ": " + processRights().remedy(fault, s.args)
}

// remedy says what a command needs that was refused something.
func (r rights) remedy(fault string, args []string) string {
	lacking := r.missing
	if strings.Contains(fault, syscall.EACCES.Error()) {
		lacking = nil // a file has an owner
		if strings.Contains(fault, "bind: ") {
			lacking = []string{"CAP_NET_BIND_SERVICE"}
		}
	}
	var why string
	switch {
	case len(lacking) > 0:
		why = "this process lacks " + strings.Join(lacking, ", ")
	case r.root:
		why = "root itself is refused"
	default:
		why = "only root may"
	}
	if !r.root {
		return fmt.Sprintf("%s: run it as root: %s", why, sudo(args))
	}
	return why + ": give the container the capability, or see what SELinux, AppArmor, seccomp or a read-only file system forbids"
}

// sudo is the command line that runs the same as root.
func sudo(args []string) string {
	var b strings.Builder
	b.WriteString("sudo harbinger")
	for _, arg := range args {
		if arg == "" || strings.ContainsAny(arg, " \t\n\"'`$&|;<>()*?[]{}~#!\\") {
			arg = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
		}
		b.WriteString(" " + arg)
	}
	return b.String()
}

// noteRights says that some checks could not be made for want of rights, and which command has them.
func (s streams) noteRights(results []preflight.Result) {
	asRoot := func(r preflight.Result) bool { return strings.HasPrefix(r.Remedy, preflight.AsRoot) }
	if n := count(slices.DeleteFunc(slices.Clone(results), func(r preflight.Result) bool { return !asRoot(r) }), preflight.Warn); n > 0 && os.Geteuid() != 0 {
		fmt.Fprintf(s.err, "warning: %d checks could not be made without root: %s\n", n, sudo(s.args))
	}
}
