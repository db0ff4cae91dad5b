// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/control"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/proxy"
)

// The nodes are started anew one after the other: those that hold nothing first, the holder only where the old file does harm.
func TestRestartForAFile(t *testing.T) {
	var soon []time.Duration
	for i := range 30 {
		node := fmt.Sprint("node", i)
		after := func(holds, distrusts bool) time.Duration {
			d, ok := restartAfter(node, holds, distrusts)
			if !ok {
				return -1
			}
			return d
		}
		if d := after(true, false); d != -1 {
			t.Errorf("%s holds, all is well: restart after %v", node, d)
		}
		backup, later, holder := after(false, true), after(false, false), after(true, true)
		if backup < restartSoon || backup >= restartSoon+restartSlots {
			t.Errorf("%s was harmed: restart after %v", node, backup)
		}
		if later != backup+restartLater || holder != backup+restartLater {
			t.Errorf("%s: without harm after %v, as the holder after %v, want %v", node, later, holder, backup+restartLater)
		}
		soon = append(soon, backup)
	}
	slices.Sort(soon)
	if spread := soon[len(soon)-1] - soon[0]; spread < restartSlots/2 {
		t.Errorf("30 nodes are started anew within %v", spread)
	}
}

// mountedFile gives the pod one file of the host, as old manifests do: the path on the host, and the one in the pod.
func mountedFile(t *testing.T, content string) (host, pod string) {
	t.Helper()
	dir := t.TempDir()
	host, pod = filepath.Join(dir, "host.crt"), filepath.Join(dir, "ca.crt")
	labtest.Must(t, os.WriteFile(host, []byte(content), 0o600))
	labtest.Must(t, os.WriteFile(pod, nil, 0o600))
	labtest.Must(t, unix.Mount(host, pod, "", unix.MS_BIND, ""))
	t.Cleanup(func() { labtest.Must(t, unix.Unmount(pod, unix.MNT_DETACH)) })
	return host, pod
}

func moveOver(t *testing.T, path, content string) {
	t.Helper()
	labtest.Must(t, os.WriteFile(path+".new", []byte(content), 0o600))
	labtest.Must(t, os.Rename(path+".new", path))
}

func TestReplacedFileIsNoticed(t *testing.T) {
	host, pod := mountedFile(t, "old")
	log := &labtest.Log{}
	f := files{log: log.Logger()}
	cfg := &config.HarbingerConfiguration{HealthCheck: health.Config{Scheme: health.HTTPS, CAFile: pod}}
	refusal := proxy.Status{Backends: []proxy.BackendStatus{{State: health.NotReady, Reason: "tls: failed to verify certificate: x509: unknown authority"}}}
	failing := func(after time.Duration, loop control.Status) bool {
		return f.restart(time.Now().Add(after), "node1", loop) != nil
	}

	f.look(cfg, "")
	labtest.Must(t, os.WriteFile(host, []byte("in place"), 0o600))
	f.look(cfg, "")
	f.notice(refusal)
	if unusable, replaced := f.state(); len(replaced) > 0 || !strings.Contains(unusable[pod], "no certificate in") || failing(time.Hour, control.Status{}) {
		t.Errorf("written in place: replaced %q, unusable %q", replaced, unusable)
	}
	moveOver(t, host, "moved over")
	for range 3 {
		f.look(cfg, "")
	}
	if _, replaced := f.state(); !slices.Equal(replaced, []string{pod}) {
		t.Errorf("moved over: replaced %q, want %s", replaced, pod)
	}
	if n := log.Count("File replaced on the host"); n != 1 {
		t.Errorf("%d lines say so, want 1", n)
	}
	if n := log.Count("File not usable"); n != 1 {
		t.Errorf("%d lines say that there is no certificate in the file, want 1", n)
	}
	backup, holder := control.Status{}, control.Status{Held: true}
	fine := proxy.Status{Backends: []proxy.BackendStatus{{State: health.Healthy, Reason: refusal.Backends[0].Reason}}}
	for _, tt := range []struct {
		what     string
		balancer proxy.Status
		after    time.Duration
		loop     control.Status
		want     bool
	}{
		{"a backup that trusts", fine, restartSoon + restartSlots, backup, false},
		{"a backup that trusts, later", fine, restartLater + restartSoon + restartSlots, backup, true},
		{"a holder that trusts", fine, 24 * time.Hour, holder, false},
		{"at once", refusal, 0, backup, false},
		{"a backup that distrusts", refusal, restartSoon + restartSlots, backup, true},
		{"a holder that distrusts", refusal, restartSoon + restartSlots, holder, false},
		{"a holder that distrusts, later", refusal, restartLater + restartSoon + restartSlots, holder, true},
		{"a holder that distrusted", fine, restartLater + restartSoon + restartSlots, holder, true},
	} {
		f.notice(tt.balancer)
		if got := failing(tt.after, tt.loop); got != tt.want {
			t.Errorf("%s: fails liveness %v, want %v", tt.what, got, tt.want)
		}
	}
}

// A problem is logged once until it is another one or was gone in between.
func TestFileProblemIsLoggedOnce(t *testing.T) {
	log := &labtest.Log{}
	f := files{log: log.Logger()}
	for _, err := range []error{errors.New("a"), errors.New("a"), errors.New("b"), nil, nil, errors.New("b")} {
		f.used("/file", err)
	}
	if n := log.Count("File not usable"); n != 3 {
		t.Errorf("%d lines, want 3:\n%s", n, log)
	}
}

// A keeper waits for a password that only root can read, and notices a new one.
func TestPasswordFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	log := &labtest.Log{}
	cfg := &config.HarbingerConfiguration{}
	cfg.Election.VRRP.PasswordFile = path
	s := &sidecar{Options: Options{Log: log.Logger()}, cfg: cfg, files: files{log: log.Logger()}}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.awaitSecrets(ctx) }() // ends with the password or its context
	logged := func(text string) {
		t.Helper()
		labtest.Until(t, 10*time.Second, "the log has "+text, func() bool { return log.Count(text) > 0 })
	}
	logged("no such file")
	labtest.Must(t, os.WriteFile(path, []byte("s3cret\n"), 0o644))
	logged("has mode 0644")
	labtest.Must(t, os.Chmod(path, 0o600))
	labtest.Must(t, <-done)
	if a := s.cfg.Election.VRRP.Authentication; a.Password != "s3cret" || a.Type != "Password" || cfg.Election.VRRP.Authentication.Password != "" {
		t.Fatalf("authentication is %+v", a)
	}
	for _, step := range []struct{ content, problem string }{
		{"s3cret", ""}, {"other", "another password"}, {"", "the password is empty"}, {"123456789", "9 bytes"}, {"s3cret\n", ""},
	} {
		labtest.Must(t, os.WriteFile(path, []byte(step.content), 0o600))
		s.followPassword()
		if got, _ := s.files.state(); !strings.Contains(got[path], step.problem) || (step.problem == "") != (len(got) == 0) {
			t.Errorf("%q: %q, want %q", step.content, got, step.problem)
		}
	}
	if log.Count("s3cret") > 0 {
		t.Errorf("the log has the password:\n%s", log)
	}
}
