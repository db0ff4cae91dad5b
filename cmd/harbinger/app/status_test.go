// SPDX-License-Identifier: Apache-2.0

package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/cmd/harbinger/app"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

const statusDocument = `{"node": "node1", "interface": "eth0", "virtualAddresses": ["192.168.238.100/24"], "ready": false,
  "notReady": ["no healthy backend"],
  "findings": [{"condition": "BackendAvailable", "severity": "Critical", "summary": "No apiserver is healthy.", "action": "Start one.", "commands": ["crictl ps -a"]}],
  "virtualRouter": {"vrid": 51, "version": 3, "state": "Backup", "currentReason": "hears 192.168.238.131", "holder": "192.168.238.131", "holderPriority": 100,
    "arbiter": "vrrp", "holderHeard": "2026-01-01T00:00:00Z", "couldNotAsk": "identity port (no route to host)",
    "conflict": "a foreign host claims it", "conflictWith": {"hardwareAddress": "02:00:00:00:09:09"},
    "signing": {"mode": "Permissive", "activeKey": 2, "peers": [{"address": "192.168.238.131", "signed": "2026-01-01T00:00:00Z", "key": 1, "skew": "3s", "unsigned": 4}, {"address": "192.168.238.132"}]},
    "dropped": {"checksum": {"count": 7, "from": "192.168.238.9"}}},
  "balancer": {"up": true, "pid": 42, "backends": [{"address": "192.168.238.130:6443", "state": "NotReady", "reason": "etcd failed"},
    {"address": "192.168.238.131:6443", "state": "Suspect", "reason": "connection refused", "healthy": true}]},
  "conditions": [{"type": "FilesCurrent", "status": "False", "reason": "FileReplaced", "message": "/etc/kubernetes/pki/ca.crt was replaced on the host"}],
  "moves": [{"from": "Initialize", "to": "Backup", "reason": "started"}]}`

// serveStatus answers as a sidecar does, with what document returns, and returns where.
func serveStatus(t *testing.T, document func() string) (address string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/status" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		_, _ = w.Write([]byte(document()))
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// contains fails for each text that is not in an output.
func contains(t *testing.T, what, output string, wanted ...string) {
	t.Helper()
	for _, text := range wanted {
		if !strings.Contains(output, text) {
			t.Errorf("%s: no %q in\n%s", what, text, output)
		}
	}
}

func TestStatus(t *testing.T) {
	address := serveStatus(t, func() string { return statusDocument })
	table := []string{
		"CRITICAL: No apiserver is healthy.\nStart one.\n", "held by 192.168.238.131", "priority 100", "NOT ASKED identity port (no route to host)",
		"a foreign host claims it (hardware address 02:00:00:00:09:09)", "WHY       hears 192.168.238.131", "ARBITER   vrrp",
		"SIGNED    Permissive, key 2", "192.168.238.131: key 1 ", "clock 3s ahead, 4 unsigned", "192.168.238.132: not heard signed", "process 42",
		"192.168.238.130:6443  NotReady ", " etcd failed\n", "192.168.238.131:6443  Suspect ", "Initialize → Backup: started",
		"BackendAvailable (critical", "crictl ps -a\n",
	}
	for output, wanted := range map[string][]string{
		"table": table,
		"wide":  append([]string{"checksum: 7 packets", "FilesCurrent", "/etc/kubernetes/pki/ca.crt was replaced on the host"}, table...),
		"json":  {`"node": "node1"`, `"state": "Backup"`},
		"yaml":  {"node: node1", "state: Backup"},
	} {
		r := harbinger("", "status", "--address", address, "-o", output)
		if r.want(t, 1); r.stderr != "" {
			t.Errorf("-o %s: the output has said it, and stderr does again: %s", output, r.stderr)
		}
		contains(t, output, r.stdout, wanted...)
		for line := range strings.Lines(r.stdout) {
			if output == "table" && len([]rune(line)) > 81 {
				t.Errorf("a line is wider than 80 columns: %s", line)
			}
		}
	}
	if r := harbinger("", "status", "--address", address, "--color", "always"); !strings.HasPrefix(r.stdout, "\x1b[1;31mCRITICAL") {
		t.Errorf("--color=always begins with %.40q", r.stdout)
	}
}

func TestStatusIsRefused(t *testing.T) {
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"-o", "xml"}, `--output "xml": use table, wide, json or yaml`},
		{[]string{"--color", "blue"}, `--color "blue"`},
		{[]string{"--wait", "-1s"}, "--wait -1s: must be 0 or more"},
		{[]string{"--wait", "1s", "--watch"}, "--wait: goes without --watch only"},
		{[]string{"--address", "a b:1"}, `--address "a b:1"`},
		{[]string{"--address", "a b:1", "--watch"}, `--address "a b:1"`},
	} {
		harbinger("", append([]string{"status"}, tt.args...)...).want(t, 2, tt.want)
	}
}

// What does not answer as the sidecar does is said in words, with what to do.
func TestStatusWithoutASidecar(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	r := harbinger("", "status", "--address", closed.Addr().String())
	r.want(t, 1, "error: the sidecar of this host does not answer on "+closed.Addr().String()+": it refuses", "crictl ps -a --name harbinger")
	if strings.Contains(r.stderr, "dial") || strings.Contains(r.stderr, "connect:") {
		t.Errorf("stderr has an error of the language: %s", r.stderr)
	}
	other := serveStatus(t, func() string { return "<html>" })
	harbinger("", "status", "--address", other).want(t, 1, "the answer of "+other+" is no status", "--address")
	missing := httptest.NewServer(http.NotFoundHandler())
	defer missing.Close()
	harbinger("", "status", "--address", missing.Listener.Addr().String()).want(t, 1, "answers 404 Not Found instead of the status")
}

func TestStatusWaits(t *testing.T) {
	var asked atomic.Int32
	address := serveStatus(t, func() string {
		return fmt.Sprintf(`{"node": "node1", "ready": %t, "virtualRouter": {"state": "Active", "held": true}}`, asked.Add(1) > 2)
	})
	r := harbinger("", "status", "--address", address, "--wait", "1m")
	r.want(t, 0)
	if asked.Load() != 3 || !strings.HasPrefix(r.stdout, "Well: node1 holds") {
		t.Errorf("asked %d times, then printed\n%s", asked.Load(), r.stdout)
	}
	never := serveStatus(t, func() string { return `{"node": "node1"}` })
	r = harbinger("", "status", "--address", never, "--wait", "300ms")
	r.want(t, 1)
	contains(t, "--wait", r.stdout, "CRITICAL: This host is not ready")
}

// identity answers at an address as the identity port of a host, and returns its port.
func identity(t *testing.T, host, line string) string {
	t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = fmt.Fprintln(conn, line)
			conn.Close()
		}
	}()
	return listener.Addr().String()
}

// hostsDocument is the status of node1, which knows of two other hosts.
func hostsDocument(second, third string) string {
	return fmt.Sprintf(`{"node": "node1", "ready": true, "virtualRouter": {"state": "Active", "held": true}, "hosts": [
	  {"node": "node1", "address": "127.0.0.1", "identity": "127.0.0.1:1", "self": true, "answered": "2026-01-01T00:00:00Z", "state": "Active", "held": true, "ready": true},
	  {"node": "node2", "address": "127.0.0.2", "identity": %q, "state": "Active", "ready": false},
	  {"node": "node3", "address": "127.0.0.3", "identity": %q, "state": "Backup", "ready": true, "answered": "2026-01-01T00:00:00Z"}]}`, second, third)
}

// With --all each host is asked anew: what this one knew of them is not what is shown.
func TestStatusOfAllHosts(t *testing.T) {
	const ready = `{"cluster": "c", "node": %q, "incarnation": "b/1", "state": "backup", "priority": 100, "version": "v0.2.0", "ready": true, "sinceMs": 180000}`
	second, third := identity(t, "127.0.0.2", fmt.Sprintf(ready, "node2")), identity(t, "127.0.0.3", fmt.Sprintf(ready, "node3"))
	address := serveStatus(t, func() string { return hostsDocument(second, third) })
	r := harbinger("", "status", "--all", "--address", address)
	r.want(t, 0)
	contains(t, "--all", r.stdout, "Well: node1 holds the virtual addresses, 2 hosts could take over.\n", "node2    127.0.0.2  Backup  3m", "v0.2.0", "now")
	r = harbinger("", "status", "--all", "--address", address, "-o", "json")
	var hosts []v1alpha1.HostSummary
	if err := json.Unmarshal([]byte(r.stdout), &hosts); err != nil || len(hosts) != 3 || hosts[1].State != "Backup" || !hosts[1].Ready || hosts[1].Answered == nil {
		t.Errorf("-o json prints %s (%v)", r.stdout, err)
	}
}

func TestStatusOfAllHostsIsBadWhereOneIs(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.3:0")
	if err != nil {
		t.Fatal(err)
	}
	silent.Close()
	unready := identity(t, "127.0.0.2", `{"cluster": "c", "node": "node2", "incarnation": "b/1", "state": "backup", "version": "v0.2.0", "finding": "BackendAvailable", "severity": "Critical"}`)
	address := serveStatus(t, func() string { return hostsDocument(unready, silent.Addr().String()) })
	r := harbinger("", "status", "--all", "--address", address)
	r.want(t, 1)
	contains(t, "--all", r.stdout, "CRITICAL: node3 does not answer.\n", silent.Addr().String()+" refuses connections", "BackendAvailable")
	alone := serveStatus(t, func() string { return `{"ready": true}` })
	harbinger("", "status", "--all", "--address", alone).want(t, 1, "knows of no host yet")
}

// watched runs harbinger status --watch until each of these documents was shown.
func watched(t *testing.T, out *os.File, documents []string, args ...string) (stderr string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var asked atomic.Int32
	address := serveStatus(t, func() string {
		n := int(asked.Add(1))
		if n > len(documents) {
			cancel()
			return ""
		}
		return documents[n-1]
	})
	var faults bytes.Buffer
	if code := app.Main(ctx, append([]string{"status", "--watch", "--address", address}, args...), strings.NewReader(""), out, &faults); code != 0 {
		t.Errorf("exit code is %d, stderr %q", code, faults.String())
	}
	return faults.String()
}

// On a terminal the status is drawn again where it was, and the terminal is as before in the end.
func TestStatusWatchesOnATerminal(t *testing.T) {
	tty, screen := terminal(t, 80, 10)
	t.Setenv("NO_COLOR", "yes")
	watched(t, tty, []string{statusDocument, statusDocument})
	drawn := screen()
	if !strings.HasPrefix(drawn, "\x1b[?1049h\x1b[?25l\x1b[HCRITICAL: No apiserver is healthy.\x1b[K") || !strings.HasSuffix(drawn, "\x1b[?25h\x1b[?1049l") {
		t.Errorf("the screen is not taken and given back: %q", drawn)
	}
	pages := strings.Split(strings.TrimSuffix(drawn, "\x1b[?25h\x1b[?1049l"), "\x1b[H")
	if len(pages) != 3 {
		t.Fatalf("drawn %d times: %q", len(pages)-1, drawn)
	}
	for _, page := range pages[1:] {
		if n := strings.Count(page, "\n"); n != 9 || !strings.Contains(page, "lines more\x1b[J") {
			t.Errorf("a page of %d lines on a screen of 10: %q", n+1, page)
		}
	}
}

// Elsewhere the documents follow each other, and a sidecar that does not answer for a moment ends nothing.
func TestStatusWatchesInAFile(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	stderr := watched(t, file, []string{statusDocument, "<html>", statusDocument}, "-o", "json")
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	documents := 0
	for ; decoder.More(); documents++ {
		var s v1alpha1.HarbingerStatus
		if err := decoder.Decode(&s); err != nil || s.Node != "node1" {
			t.Fatalf("document %d: %+v (%v)", documents, s, err)
		}
	}
	if documents != 2 {
		t.Errorf("%d documents in\n%s", documents, text)
	}
	if strings.Count(stderr, "is no status") != 1 {
		t.Errorf("a sidecar that does not answer for a moment: %q", stderr)
	}
}

// terminal returns a terminal, and what returns all that was written to it.
func terminal(t *testing.T, columns, rows uint16) (tty *os.File, screen func() string) {
	t.Helper()
	control, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(control.Fd())
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns}); err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	written := make(chan string)
	go func() {
		var all []byte
		buffer := make([]byte, 4096)
		for {
			n, err := control.Read(buffer) // fails when the terminal is closed
			all = append(all, buffer[:n]...)
			if err != nil {
				control.Close()
				written <- strings.ReplaceAll(string(all), "\r\n", "\n")
				return
			}
		}
	}()
	return tty, func() string {
		tty.Close()
		select {
		case text := <-written:
			return text
		case <-time.After(10 * time.Second):
			t.Fatal("the terminal does not end")
			return ""
		}
	}
}
