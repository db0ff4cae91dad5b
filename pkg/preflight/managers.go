// SPDX-License-Identifier: Apache-2.0

package preflight

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
)

// managerChecks ask for other programs that manage virtual addresses.
var managerChecks = []Check{
	{Name: "OtherManagers", Finds: "keepalived, kube-vip, ucarp, FRR's and other vrrpd, pacemaker, MetalLB that run or are enabled: a failure where the configuration of one names the virtual address",
		Remedy: "`systemctl disable --now …`; for kube-vip the [walk](from-kube-vip.md)", run: checkManagers},
	{Name: "StaticPodPath", Finds: "a kubelet that looks for static pods elsewhere, or runs none", Remedy: "where to write the manifest", run: checkStaticPodPath},
	{Name: "StaticPods", Finds: "pods of kube-vip, keepalived, haproxy, nginx, or a second one of Harbinger in the kubelet's directory of manifests",
		Remedy: "move the file out of the directory (the kubelet reads copies too)", run: checkPods},
}

// manager is a program that gives hosts virtual addresses, and where its configuration is.
type manager struct {
	program string   // as the kernel names it
	mark    string   // in its command line or environment, where the name says too little
	unit    string   // of systemd; empty: it has none
	files   []string // or directories
}

var managers = []manager{
	{program: "keepalived", unit: "keepalived.service", files: []string{"/etc/keepalived"}},
	{program: "kube-vip"},
	{program: "ucarp", unit: "ucarp.service", files: []string{"/etc/ucarp", "/etc/network/interfaces", "/etc/network/interfaces.d"}},
	{program: "vrrpd", unit: "frr.service", files: []string{"/etc/frr"}},
	{program: "pacemakerd", unit: "pacemaker.service", files: []string{"/var/lib/pacemaker/cib"}},
	{program: "corosync", unit: "corosync.service", files: []string{"/var/lib/pacemaker/cib"}},
	{program: "speaker", mark: "METALLB"},
}

// Program is another manager of virtual addresses on a host.
type Program struct {
	Name string
	// PID is its process. Zero: it does not run.
	PID int
	// Unit is the unit of systemd that starts it. Empty: none is known.
	Unit string
	// Pod says that it runs in a pod.
	Pod bool
	// Names are the virtual addresses that its configuration, command line or environment have.
	Names []string
}

// checkManagers refuses another program that has the same addresses, and warns of those with others.
func checkManagers(cfg *config.HarbingerConfiguration, facts Facts) []Result {
	if facts.Programs.Err != nil {
		return unanswered(facts.Programs.Err, AsRoot)
	}
	var results []Result
	for _, p := range facts.Programs.Value {
		r := Result{Status: Warn, Found: p.Name + " is enabled", Remedy: p.remedy()}
		if p.PID != 0 {
			r.Found = fmt.Sprintf("%s runs (process %d)", p.Name, p.PID)
		}
		if len(p.Names) > 0 {
			r.Status = Fail
			r.Found += ", and has " + strings.Join(p.Names, ", ")
		} else {
			r.Found += ": it must not have the virtual addresses, nor the virtual router ID"
		}
		if p.Name == "kube-vip" {
			r = predecessor(cfg, r)
		}
		results = append(results, r)
	}
	return orFine(results, "no other program that manages virtual addresses runs, or is enabled")
}

// predecessor is the result for kube-vip: a node waits beside that of the Lease which the configuration names.
func predecessor(cfg *config.HarbingerConfiguration, r Result) Result {
	if lease := cfg.Election.Lease.Predecessor; lease != "" {
		return Result{Status: OK, Found: r.Found + "; this node takes over when it gives up its Lease " + lease}
	}
	r.Remedy = "to take over from it without an outage follow from-kube-vip.md of the documentation (--predecessor); without it: " + r.Remedy
	return r
}

// remedy is how to be rid of a program.
func (p Program) remedy() string {
	switch {
	case p.Pod:
		return fmt.Sprintf("remove its manifest or its DaemonSet (kubectl get pods -A -o wide | grep %s)", p.Name)
	case p.Unit != "" && p.PID != 0:
		return "systemctl disable --now " + p.Unit
	case p.Unit != "":
		return "systemctl disable " + p.Unit
	}
	return fmt.Sprintf("kill %d", p.PID)
}

// otherPrograms finds the managers that run in the network namespace of the calling thread, or are enabled.
func otherPrograms(cfg *config.HarbingerConfiguration) ([]Program, error) {
	if os.Getpid() == 1 {
		return nil, errors.New("a container does not see the programs of the host")
	}
	own, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		return nil, err
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var found []Program
	for _, dir := range processes {
		if p, ok := inspect(dir, own, cfg); ok && !slices.ContainsFunc(found, func(o Program) bool { return o.Name == p.Name }) {
			found = append(found, p)
		}
	}
	for _, m := range managers {
		running := slices.ContainsFunc(found, func(p Program) bool { return p.Name == m.program })
		if m.unit != "" && !running && enabled(m) {
			found = append(found, Program{Name: m.program, Unit: m.unit, Names: named(cfg, contents(m.files)...)})
		}
	}
	return found, nil
}

// ppid finds the parent of a process in its status.
var ppid = regexp.MustCompile(`(?m)^PPid:\s*(\d+)$`)

// inspect returns the manager that a process is, if it is one and has this network namespace. What has just ended is none.
func inspect(dir, own string, cfg *config.HarbingerConfiguration) (Program, bool) {
	name := strings.TrimSpace(read(dir + "/comm"))
	i := slices.IndexFunc(managers, func(m manager) bool { return m.program == name })
	if i < 0 {
		return Program{}, false
	}
	if parent := ppid.FindStringSubmatch(read(dir + "/status")); parent != nil && strings.TrimSpace(read("/proc/"+parent[1]+"/comm")) == name {
		return Program{}, false // a part of the same
	}
	m := managers[i]
	started := read(dir+"/cmdline") + read(dir+"/environ")
	if namespace, err := os.Readlink(dir + "/ns/net"); err != nil || namespace != own || !strings.Contains(started, m.mark) {
		return Program{}, false
	}
	pid, err := strconv.Atoi(filepath.Base(dir))
	p := Program{Name: name, PID: pid, Names: named(cfg, append(contents(m.files), started)...)}
	group := read(dir + "/cgroup")
	p.Pod = strings.Contains(group, "kubepods")
	if m.unit != "" && !p.Pod && (enabled(m) || strings.Contains(group, "/"+m.unit)) {
		p.Unit = m.unit
	}
	return p, err == nil
}

// enabled reports whether systemd starts a manager with the host.
func enabled(m manager) bool {
	links, _ := filepath.Glob("/etc/systemd/system/*.wants/" + m.unit)
	if m.program == "vrrpd" { // of several programs of one unit
		return len(links) > 0 && strings.Contains(read("/etc/frr/daemons"), "vrrpd=yes")
	}
	return len(links) > 0
}

// read returns the content of a file, or nothing where it cannot be read.
func read(file string) string {
	content, _ := os.ReadFile(file)
	return string(content)
}

// contents returns those of files, and of those in directories.
func contents(paths []string) (all []string) {
	for _, path := range paths {
		files, _ := filepath.Glob(path + "/*")
		for _, file := range append(files, path) {
			all = append(all, read(file))
		}
	}
	return all
}

// named returns the virtual addresses that some texts have, each as a word of its own.
func named(cfg *config.HarbingerConfiguration, texts ...string) (names []string) {
	for _, vip := range cfg.VirtualAddresses {
		if slices.ContainsFunc(texts, func(text string) bool { return hasWord(text, vip.Addr().String()) }) {
			names = append(names, vip.Addr().String())
		}
	}
	return names
}

// hasWord reports whether a text has an address that is no part of a longer one.
func hasWord(text, address string) bool {
	more := "0123456789."
	if strings.Contains(address, ":") {
		text, more = strings.ToLower(text), "0123456789abcdef:"
	}
	for {
		i := strings.Index(text, address)
		if i < 0 {
			return false
		}
		end := i + len(address)
		if (i == 0 || !strings.Contains(more, text[i-1:i])) && (end == len(text) || !strings.Contains(more, text[end:end+1])) {
			return true
		}
		text = text[end:]
	}
}
