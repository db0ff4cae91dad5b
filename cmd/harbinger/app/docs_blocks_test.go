// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/yaml"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	statusv1alpha1 "github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/command"
	"github.com/harbinger-ha/harbinger/pkg/convert/kubeadm"
)

const readme = "../../../README.md"

// A block of a page is fenced, and has a language:
//
//	sh    commands: this file runs them (with "<!-- state: NAME -->" before the block on a host in a state of troubles), or the test does that "<!-- run-by: TestName -->" before the block names, or the walk
//	      does ("<!-- walk: place -->", TestWalk of the real clusters)
//	text  what commands print. Right after a block that is run here it is compared; "…" stands for anything in a line, and a line
//	      "…" for any lines
//	yaml  a configuration or a part of one, a kubeadm configuration, or an object of Kubernetes
//	json, ini, nft, haproxy, keepalived: what is read as such, nft by nft itself
//
// Nothing else, and nothing without a language.
type block struct {
	page, language, marker string
	line                   int
	text                   string
	output                 *block // what the commands print
}

func (b block) String() string { return fmt.Sprintf("%s:%d", filepath.Base(b.page), b.line) }

var (
	marker   = regexp.MustCompile(`^<!-- (run-by|walk|state): (.+) -->$`)
	fencing  = regexp.MustCompile("^( *)```(.*)$")
	indented = regexp.MustCompile(`^ {4,}\S`)
	listed   = regexp.MustCompile(`^ *([-*]|\d+\.) `)
)

// userPages returns the pages whose commands a user runs.
func userPages(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(pages + "*.md")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 9 {
		t.Fatalf("only %d pages found", len(files))
	}
	return append(files, readme)
}

// blocks returns the blocks of a page. What is indented as a block without a fence is a fault.
func blocks(t *testing.T, page string) (all []*block) {
	t.Helper()
	var open *block
	var margin, before string
	list, adjacent := false, false
	for i, line := range strings.Split(readFile(t, page), "\n") {
		switch found := fencing.FindStringSubmatch(line); {
		case open != nil && found != nil && found[2] == "":
			if n := len(all); n > 0 && adjacent && open.language == "text" && all[n-1].language == "sh" {
				all[n-1].output = open
			}
			all, open, adjacent, before = append(all, open), nil, true, ""
		case open != nil:
			open.text += strings.TrimPrefix(line, margin) + "\n"
		case found != nil:
			margin = found[1]
			open = &block{page: page, language: found[2], line: i + 1}
			if m := marker.FindStringSubmatch(strings.TrimSpace(before)); m != nil {
				open.marker = m[1] + ": " + m[2]
			}
		case strings.TrimSpace(line) == "":
		case indented.MatchString(line) && !list:
			t.Errorf("%s:%d: a block without a fence and a language", filepath.Base(page), i+1)
		default:
			list = listed.MatchString(line) || list && strings.HasPrefix(line, " ")
			before, adjacent = line, adjacent && marker.MatchString(strings.TrimSpace(line))
			if !strings.HasPrefix(line, "<!--") {
				adjacent = false
			}
		}
	}
	if open != nil {
		t.Errorf("%s: the block is never closed", open)
	}
	return all
}

// TestDocumentedBlocks runs the commands of the pages, reads their files, and compares what is said to be printed.
func TestDocumentedBlocks(t *testing.T) {
	tests := namesOfTests(t)
	ca := t.TempDir()
	makeCA(t, ca)
	commands := 0
	for _, page := range userPages(t) {
		t.Run(filepath.Base(page), func(t *testing.T) {
			host := newDocumentedHost(t, filepath.Base(page), ca)
			for _, b := range blocks(t, page) {
				switch {
				case b.language != "sh" && b.marker != "":
					t.Errorf("%s: only commands have a marker, this is %s", b, b.language)
				case b.language != "sh":
					host.read(t, b)
				case b.marker == "" || strings.HasPrefix(b.marker, "state: "):
					commands++
					host.run(t, b)
				case strings.HasPrefix(b.marker, "walk: "):
					if page != readme {
						t.Errorf("%s: the walk that the real clusters take is that of README", b)
					}
					host.check(t, b)
				default:
					if name := strings.TrimPrefix(b.marker, "run-by: "); !tests[name] {
						t.Errorf("%s: there is no test %s", b, name)
					}
					host.check(t, b)
				}
			}
		})
	}
	if commands < 5 {
		t.Errorf("only %d blocks of commands were run", commands)
	}
}

// namesOfTests returns the tests of the repository.
func namesOfTests(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	err := filepath.WalkDir("../../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, found := range declared.FindAllSubmatch(source, -1) {
			names[string(found[1])] = true
		}
		return err
	})
	if err != nil || len(names) < 500 {
		t.Fatalf("%d tests found: %v", len(names), err)
	}
	return names
}

// documentedHost is the host that the commands of a page are run on: what the walk makes of it, with the programs that the pages
// name. Those that would change the machine are stand-ins that refuse what the real ones do not know.
type documentedHost struct {
	dir, bin string
}

// base are the rules of the host, before a page changes them.
const base = "flush ruleset; add table inet filter; add chain inet filter input { type filter hook input priority 0; }; " +
	"add chain inet filter output { type filter hook output priority 0; }\n"

// genuine are the programs that the pages may use as they are. They act on the files and the network of the tests.
var genuine = []string{"sh", "cat", "install", "mkdir", "chmod", "echo", "od", "tr", "head", "rm", "mv", "cp", "ls", "sed", "grep", "sleep", "nft",
	"iptables-nft", "iptables-nft-save", "ip6tables-nft", "ip6tables-nft-save", "ip", "cut", "date", "true", "touch"}

func newDocumentedHost(t *testing.T, page, ca string) *documentedHost {
	t.Helper()
	cleanNode(t)
	h := &documentedHost{dir: t.TempDir(), bin: t.TempDir()}
	for _, name := range genuine {
		if err := os.Symlink(lookUp(t, name), filepath.Join(h.bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	scripts := map[string]string{}
	for _, name := range append(standIns(), "harbinger") {
		scripts[name] = fmt.Sprintf("#!/bin/sh\n%s=%s exec %s \"$@\"\n", actsVariable, name, self)
	}
	for name, there := range withoutAlternatives { // the links of the others lead through the /etc that is away
		scripts[name] = "#!/bin/sh\nexec " + there + " \"$@\"\n"
	}
	scripts["timeout"] = "#!/bin/sh\nshift\nexec " + lookUp(t, "timeout") + " 0.5 \"$@\"\n" // what a user watches for minutes
	scripts["make"] = "#!/bin/sh\ncase ' " + strings.Join(targets(t), " ") + " ' in *\" $1 \"*) ;; *) exit 64 ;; esac\n"
	for name, script := range scripts {
		if err := os.WriteFile(filepath.Join(h.bin, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(kubernetes+"/pki", os.DirFS(ca)); err != nil {
		t.Fatal(err)
	}
	h.seed(t, page)
	return h
}

// lookUp returns where a program is.
func lookUp(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// withoutAlternatives are the programs behind the names that Debian chooses in /etc.
var withoutAlternatives = map[string]string{"iptables": "iptables-nft", "ip6tables": "ip6tables-nft",
	"iptables-save": "iptables-nft-save", "ip6tables-save": "ip6tables-nft-save"}

// targets returns what make makes of this repository.
func targets(t *testing.T) (names []string) {
	t.Helper()
	for _, found := range regexp.MustCompile(`(?m)^([a-z]+):`).FindAllStringSubmatch(readFile(t, "../../../Makefile"), -1) {
		names = append(names, found[1])
	}
	return names
}

// seed writes the files of other programs that the pages read.
func (h *documentedHost) seed(t *testing.T, page string) {
	t.Helper()
	const cluster = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\ncontrolPlaneEndpoint: 192.168.238.100:4300\n"
	files := map[string]string{
		"/etc/keepalived/keepalived.conf":                    strings.ReplaceAll(readFile(t, "../../../pkg/convert/testdata/keepalived.conf"), "ens160", "eth0"),
		"/etc/ufw/before.rules":                              "*filter\n:ufw-before-input - [0:0]\nCOMMIT\n",
		"/etc/haproxy/haproxy.cfg":                           readFile(t, "../../../pkg/convert/testdata/haproxy.cfg"),
		filepath.Join(h.dir, "kubeadm.yaml"):                 cluster,
		filepath.Join(h.dir, "harbinger-v0.1.0-linux-amd64"): readFile(t, filepath.Join(h.bin, "harbinger")),
		filepath.Join(h.dir, "harbinger.yaml"):               readFile(t, classic+".yaml"),
		"/etc/nftables.conf":                                 "",
		"/etc/sysctl.d/README":                               "",
		"/etc/systemd/system/README":                         "",
		"/etc/hosts":                                         "127.0.0.1 localhost\n",
	}
	if page == "from-kube-vip.md" {
		files[kubernetes+"/manifests/kube-vip.yaml"] = "apiVersion: v1\nkind: Pod\nmetadata: {name: kube-vip}\nspec: {containers: [{name: kube-vip, image: ghcr.io/kube-vip/kube-vip:v1.0.0}]}\n"
	}
	for path, content := range files {
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// servePod answers as the pod of a healthy holder would, and returns what ends that.
func servePod(t *testing.T) (end func()) {
	t.Helper()
	return servePodIn(t, healthyHolder)
}

// servePodIn answers with that status.
func servePodIn(t *testing.T, status string) (end func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:10443")
	if err != nil {
		t.Fatal(err)
	}
	commands, err := command.Listen(t.Context(), logr.Discard(), "eth0", 51)
	if err != nil {
		t.Fatal(err)
	}
	var handedOver atomic.Bool
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		document := status
		if handedOver.Load() {
			document = strings.Replace(document, `"held": true`, `"held": false`, 1)
		}
		_, _ = w.Write([]byte(document))
	})}
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { _ = server.Serve(listener) })
	done.Go(func() {
		_ = command.Serve(ctx, commands, command.Handlers{
			Handover: func(context.Context, string) (time.Duration, error) {
				handedOver.Store(true)
				return 0, nil
			},
			Order: func(_ context.Context, backend netip.AddrPort, to balance.AdminState, force bool) (balance.AdminState, error) {
				switch {
				case backend.Addr() == netip.MustParseAddr("192.168.238.132"):
					return to, nil
				case backend.Addr() == netip.MustParseAddr("192.168.238.130") && !force:
					return "", errors.New("no other backend could take connections")
				}
				return "", nil
			},
			Connections: func(context.Context) (statusv1alpha1.ConnectionList, error) {
				return statusv1alpha1.ConnectionList{Running: []statusv1alpha1.Connection{{
					Client: "192.168.238.201:51234", Frontend: "192.168.238.100:4300", Backend: "192.168.238.131:6443", Began: time.Now().Add(-3 * time.Hour), Received: 12345, Sent: 6789012,
				}}}, nil
			},
		})
	})
	return func() {
		cancel()
		server.Close()
		done.Wait()
	}
}

// healthyHolder is what the pages show of harbinger status: a holder whose Lease decides.
const healthyHolder = `{"node": "n1", "version": "v0.1.0", "ready": true, "interface": "eth0", "virtualAddresses": ["192.168.238.100/24"],
  "virtualRouter": {"vrid": 51, "version": 3, "state": "Active", "since": "2026-11-28T10:00:00Z", "currentReason": "no advertisement heard, virtual address free",
    "held": true, "priority": 100, "configuredPriority": 100, "holder": "n1", "arbiter": "lease", "advertisementInterval": "1s"},
  "lease": {"name": "kube-system/harbinger", "node": "n1", "epoch": 1, "answered": "2026-11-28T10:00:00Z"},
  "balancer": {"up": true, "pid": 17, "connections": 9, "accepted": 40, "backends": [
    {"address": "192.168.238.130:6443", "state": "Healthy", "healthy": true, "since": "2026-11-28T10:00:00Z", "connections": 3, "total": 14},
    {"address": "192.168.238.131:6443", "state": "Healthy", "healthy": true, "since": "2026-11-28T10:00:00Z", "connections": 3, "total": 13},
    {"address": "192.168.238.132:6443", "state": "Healthy", "healthy": true, "since": "2026-11-28T10:00:00Z", "connections": 3, "total": 13}]},
  "hosts": [{"node": "n1", "address": "192.168.238.130", "self": true, "answered": "2026-11-28T10:00:00Z", "state": "Active", "held": true, "ready": true, "priority": 100},
    {"node": "n2", "address": "192.168.238.131", "answered": "2026-11-28T10:00:00Z", "state": "Backup", "ready": true, "priority": 100},
    {"node": "n3", "address": "192.168.238.132", "answered": "2026-11-28T10:00:00Z", "state": "Backup", "ready": true, "priority": 90}],
  "moves": [{"time": "2026-11-28T10:00:00Z", "from": "Claiming", "to": "Active", "reason": "no advertisement heard, virtual address free"}]}`

// troubles are the findings of the hosts that the page of the troubles shows.
var troubles = map[string]statusv1alpha1.Finding{
	"split": {Condition: statusv1alpha1.ConditionSplitSuspected, Severity: statusv1alpha1.SeverityCritical,
		Summary: "n2 (192.168.238.131) serves 192.168.238.100, but this host does not hear it: its own firewall drops the advertisements.",
		Action:  "Let IP protocol 112 and TCP port 10444 pass between the hosts, in both directions."},
	"conflict": {Condition: statusv1alpha1.ConditionConflict, Severity: statusv1alpha1.SeverityCritical,
		Summary: "An unknown host with the hardware address 02:00:00:00:09:09 has 192.168.238.100: this host does not take it.",
		Action:  "Find the host by its hardware address in the tables of the switches; free the address there, or choose another one."},
	"no-api": {Condition: statusv1alpha1.ConditionAPIReachable, Severity: statusv1alpha1.SeverityWarning,
		Summary: "The Kubernetes API does not answer: VRRP decides alone who holds 192.168.238.100.",
		Action:  "Look at the apiservers and at etcd; the address stays where it is meanwhile."},
	"backend-down": {Condition: statusv1alpha1.ConditionBackendsHealthy, Severity: statusv1alpha1.SeverityWarning,
		Summary: "1 of 3 apiservers are not healthy: n2 (192.168.238.131:6443) is Down: refuses connections.",
		Action:  "Look at the apiserver and at etcd on those hosts."},
	"expiring": {Condition: statusv1alpha1.ConditionCredentialsCurrent, Severity: statusv1alpha1.SeverityWarning,
		Summary: "The client certificate for the Lease expires in 20 days, on 2026-12-18.",
		Action:  "Renew it on this host, or on one that has the key of the cluster's CA."},
}

// inState is the status of the host that a block is run on: a healthy holder, or one with a finding.
func inState(t *testing.T, b *block) string {
	t.Helper()
	name, found := strings.CutPrefix(b.marker, "state: ")
	if !found {
		return healthyHolder
	}
	finding, known := troubles[name]
	if !known {
		t.Fatalf("%s: there is no state %q", b, name)
	}
	var status statusv1alpha1.HarbingerStatus
	if err := json.Unmarshal([]byte(healthyHolder), &status); err != nil {
		t.Fatal(err)
	}
	finding.Since = status.VirtualRouter.Since
	status.Findings = append(status.Findings, finding)
	if finding.Severity == statusv1alpha1.SeverityCritical {
		status.Ready, status.NotReady, status.VirtualRouter.Held = false, []string{finding.Summary}, false
	}
	document, err := json.Marshal(status)
	if err != nil {
		t.Fatal(err)
	}
	return string(document)
}

// run runs the commands of a block in a shell that ends at the first one that fails.
func (h *documentedHost) run(t *testing.T, b *block) {
	t.Helper()
	if err := feed(base, "nft", "--file", "-"); err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc([]string{"harbinger status", "harbinger handover", "harbinger backend"}, func(asks string) bool { return strings.Contains(b.text, asks) }) {
		defer servePodIn(t, inState(t, b))()
	}
	cmd := h.shell(t, b)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if b.marker != "" && cmd.ProcessState.ExitCode() == 1 {
		err = nil // a host that is not ready
	}
	if err != nil {
		t.Errorf("%s: %v\n%s\n%s", b, err, b.text, out.String())
		return
	}
	if b.output != nil && !matches(b.output.text, out.String()) {
		t.Errorf("%s: the page says that\n%s\nis printed, but it is\n%s", b.output, b.output.text, out.String())
	}
}

// shell is what runs the commands of a block.
func (h *documentedHost) shell(t *testing.T, b *block) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/bin/sh", "-eu", "-c", h.prepared(b.text))
	cmd.Dir = h.dir
	cmd.Env = []string{"PATH=" + h.bin, "HOME=" + h.dir}
	return cmd
}

// check runs no command of a block, but asks each program whether it knows the words.
func (h *documentedHost) check(t *testing.T, b *block) {
	t.Helper()
	for _, line := range commandLines(b.text) {
		if err := checkCommand(line); err != nil {
			t.Errorf("%s: %s: %v", b, line, err)
		}
	}
}

// prepared puts the folders of the test where commands would change the machine.
func (h *documentedHost) prepared(text string) string {
	return strings.NewReplacer("/usr/local/bin", h.bin, "/var/lib/harbinger", h.dir+"/state", "/root/", h.dir+"/").Replace(text)
}

// columns are the gaps of a table, whose width depends on what is in it.
var columns = regexp.MustCompile(` {2,}`)

// matches reports whether a text is as a page says.
func matches(page, text string) bool {
	var pattern strings.Builder
	pattern.WriteString(`^`)
	for line := range strings.Lines(page) {
		if strings.TrimSpace(line) == "…" {
			pattern.WriteString(`(?:.*\n)*?`)
			continue
		}
		quoted := strings.ReplaceAll(regexp.QuoteMeta(line), "…", ".*?")
		pattern.WriteString(columns.ReplaceAllString(quoted, " +"))
	}
	pattern.WriteString(`$`)
	return regexp.MustCompile(pattern.String()).MatchString(text)
}

// read reads a file that a page shows.
func (h *documentedHost) read(t *testing.T, b *block) {
	t.Helper()
	var err error
	switch b.language {
	case "text", "mermaid":
	case "yaml":
		err = readYAML(b.text)
	case "json":
		if !json.Valid([]byte(b.text)) {
			err = errors.New("is no JSON")
		}
	case "ini":
		for line := range strings.Lines(b.text) {
			if !regexp.MustCompile(`^(\[\w[\w -]*\]|[\w.-]+ ?=.*|#.*|)\n$`).MatchString(line) {
				err = errors.Join(err, fmt.Errorf("is no line of a section: %s", line))
			}
		}
	case "nft":
		file := filepath.Join(h.dir, "block.nft")
		if err = os.WriteFile(file, []byte(b.text), 0o600); err == nil {
			var out []byte
			if out, err = exec.Command("nft", "--check", "--file", file).CombinedOutput(); err != nil {
				err = fmt.Errorf("%w: %s", err, out)
			}
		}
	default:
		err = fmt.Errorf("the language %q is none of the pages: sh, text, yaml, json, ini, nft", b.language)
	}
	if err != nil {
		t.Errorf("%s: %v\n%s", b, err, b.text)
	}
}

// readYAML reads a configuration, or a part of one, as strictly as the program does, and what else a page shows as others do.
func readYAML(text string) error {
	var fields map[string]any
	if err := yaml.UnmarshalStrict([]byte(text), &fields); err != nil {
		return err
	}
	switch version, _ := fields["apiVersion"].(string); {
	case strings.HasPrefix(version, "kubeadm.k8s.io/"):
		_, err := kubeadm.Parse([]byte(text))
		return err
	case version == "" || version == v1alpha1.GroupVersion:
		document := text
		if version == "" {
			document = "apiVersion: " + v1alpha1.GroupVersion + "\nkind: " + v1alpha1.Kind + "\n" + document
		}
		if fields["virtualAddresses"] == nil {
			document += "virtualAddresses: [192.168.238.100/24]\n"
		}
		_, err := scheme.Decode([]byte(document))
		return err
	case fields["kind"] == nil:
		return errors.New("is an object without a kind")
	}
	return nil
}

// What the page on firewalls says opens a firewall that lets nothing in: harbinger preflight, which reads the rules, finds no fault
// any more.
func TestFirewallPageOpensTheFirewall(t *testing.T) {
	const closed = "flush ruleset; add table %[1]s filter; add chain %[1]s filter %[2]s { type filter hook input priority 0; policy drop; }\n"
	host := newDocumentedHost(t, "firewall.md", t.TempDir())
	t.Cleanup(func() { _ = feed("flush ruleset\n", "nft", "--file", "-") })
	cfg := strings.ReplaceAll(readFile(t, classic+".yaml"), "ens160", "eth0")
	opened := 0
	for _, b := range blocks(t, pages+"firewall.md") {
		rules := fmt.Sprintf(closed, "inet", "input")
		switch {
		case strings.HasPrefix(b.text, "iptables -I"):
			rules = fmt.Sprintf(closed, "ip", "INPUT")
		case b.language != "nft" && !strings.HasPrefix(b.text, "nft "):
			continue
		}
		if err := feed(rules, "nft", "--file", "-"); err != nil {
			t.Fatal(err)
		}
		if found := harbinger(cfg, "preflight", "--config", "-").stdout; strings.Count(found, "[FAIL] Firewall") < 3 {
			t.Errorf("%s: a firewall that lets nothing in is no fault:\n%s", b, found)
		}
		if b.language == "nft" {
			if err := feed("flush ruleset\n"+b.text, "nft", "--file", "-"); err != nil {
				t.Fatalf("%s: %v", b, err)
			}
		} else if out, err := host.shell(t, b).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", b, err, out)
		}
		opened++
		if found := harbinger(cfg, "preflight", "--config", "-").stdout; strings.Contains(found, "[FAIL] Firewall") || strings.Contains(found, "[WARN] Firewall") {
			t.Errorf("%s does not open the firewall:\n%s", b, found)
		}
	}
	if opened != 3 {
		t.Errorf("%d ways to open the firewall were found, want 3", opened)
	}
}

// Every command that stands in a sentence or a table is one that its program knows.
func TestDocumentedInlineCommands(t *testing.T) {
	inline := regexp.MustCompile("`([^`\n]+)`")
	fenced := regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	checked := 0
	for _, page := range userPages(t) {
		for _, found := range inline.FindAllStringSubmatch(fenced.ReplaceAllString(readFile(t, page), ""), -1) {
			name, arguments, _ := strings.Cut(found[1], " ")
			if arguments == "" || !slices.Contains(append(standIns(), "nft", "iptables", "ip6tables", "make"), name) {
				continue
			}
			for _, line := range commandLines(found[1]) {
				checked++
				if err := checkCommand(line); err != nil {
					t.Errorf("%s: `%s`: %v", filepath.Base(page), line, err)
				}
			}
		}
	}
	if checked < 10 {
		t.Errorf("only %d commands found", checked)
	}
}
