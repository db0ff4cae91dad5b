// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
	"github.com/harbinger-ha/harbinger/pkg/vrrp/keyed"
	"github.com/harbinger-ha/harbinger/pkg/vrrpconn"
)

const (
	firstSecret  = "correct-horse-battery-staple-238"
	secondSecret = "another-horse-battery-staple-239"
)

// signedBy returns a sidecar whose configuration names one key file.
func signedBy(log *labtest.Log, path string) *sidecar {
	cfg := &config.HarbingerConfiguration{}
	v := &cfg.Election.VRRP
	v.Version, v.VirtualRouterID, v.Authentication.Type = 3, 51, vrrp.AuthenticationHMAC
	v.HMAC = config.HMAC{Keys: []config.KeyFile{{ID: 1, File: path}}, ActiveKey: 1, Mode: keyed.Enforce, AntiReplay: keyed.Time, TimeWindow: 5 * time.Second}
	return newSidecar(cfg, Options{Log: log.Logger()})
}

// A keeper waits for each key, which only root can read, and uses what the files have: but nothing that is no key, or is half-written.
func TestKeyFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "1")
	log := &labtest.Log{}
	s := signedBy(log, path)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.awaitSecrets(ctx) }() // ends with the keys or its context
	logged := func(text string) {
		t.Helper()
		labtest.Until(t, 10*time.Second, "the log has "+text, func() bool { return log.Count(text) > 0 })
	}
	logged("no such file")
	labtest.Must(t, os.WriteFile(path, []byte("short\n"), 0o600))
	logged("has 5 bytes: must have 32 to 64")
	labtest.Must(t, os.WriteFile(path, []byte(firstSecret+"\n"), 0o600))
	labtest.Must(t, os.Chmod(path, 0o640))
	logged("has mode 0640")
	labtest.Must(t, os.Chmod(path, 0o600))
	labtest.Must(t, <-done)
	for _, step := range []struct{ content, inUse, problem string }{
		{firstSecret, firstSecret, ""}, {secondSecret, firstSecret, ""}, {firstSecret, firstSecret, ""}, {secondSecret, firstSecret, ""}, {secondSecret, secondSecret, ""},
		{"", secondSecret, "has 0 bytes"}, {firstSecret[:31], secondSecret, "has 31 bytes"}, {firstSecret, secondSecret, ""}, {firstSecret, firstSecret, ""},
	} {
		labtest.Must(t, os.WriteFile(path, []byte(step.content), 0o600))
		s.followKeys()
		if got := string(s.signing.keys[0].Secret); got != step.inUse {
			t.Errorf("with %q in the file %q is in use, want %q", step.content, got, step.inUse)
		}
		if got, _ := s.files.state(); !strings.Contains(got[path], step.problem) || (step.problem == "") != (len(got) == 0) {
			t.Errorf("%q: %q, want %q", step.content, got, step.problem)
		}
	}
	if n := log.Count("Keys changed"); n != 2 || log.Count("horse") > 0 {
		t.Errorf("%d lines say that the keys changed, want 2, and none has a key:\n%s", n, log)
	}
}

// A new configuration brings its keys; one whose keys cannot be used changes nothing, and never leads to no keys at all.
func TestKeysOfANewConfiguration(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "1"), filepath.Join(dir, "2")
	for path, secret := range map[string]string{first: firstSecret, second: secondSecret} {
		labtest.Must(t, os.WriteFile(path, []byte(secret), 0o600))
	}
	log := &labtest.Log{}
	s := signedBy(log, first)
	labtest.Must(t, s.awaitSecrets(t.Context()))
	next := s.cfg.Election.VRRP
	next.HMAC.Keys = []config.KeyFile{{ID: 1, File: first}, {ID: 2, File: second}}
	keys, err := loadKeys(next)
	labtest.Must(t, err)
	labtest.Must(t, s.changeKeys(next, keys))
	labtest.Must(t, s.changeKeys(next, keys))
	if n := log.Count("Keys changed"); n != 1 || len(s.signing.keys) != 2 {
		t.Errorf("%d lines, keys %v", n, s.signing.keys)
	}
	for _, wrong := range []func(*config.HMAC){
		func(h *config.HMAC) { h.ActiveKey = 3 }, func(h *config.HMAC) { h.Keys = nil },
		func(h *config.HMAC) { h.Keys = []config.KeyFile{{ID: 1, File: first}, {ID: 1, File: second}} },
		func(h *config.HMAC) { h.Keys = []config.KeyFile{{ID: 1, File: filepath.Join(dir, "none")}} },
	} {
		v := next
		wrong(&v.HMAC)
		keys, err := loadKeys(v)
		if err == nil {
			t.Errorf("%+v is loaded", v.HMAC)
		}
		if err := s.changeKeys(v, keys); err == nil || len(s.signing.keys) != 2 || !s.signing.vrrp.Signed() {
			t.Errorf("%+v is used: %v", v.HMAC, err)
		}
	}
	s.files.used(first, os.ErrNotExist)
	next.HMAC.Keys, next.HMAC.ActiveKey = next.HMAC.Keys[1:], 2
	labtest.Must(t, s.changeKeys(next, keys[1:]))
	if unusable, _ := s.files.state(); len(unusable) > 0 || len(s.signing.keys) != 1 {
		t.Errorf("a file that is no longer named is a fault: %q, keys %v", unusable, s.signing.keys)
	}
}

// What a process has written is what the next one reads; what is foreign, broken or readable by others is not used, and said.
func TestSigningState(t *testing.T) {
	log, vip := &labtest.Log{}, netip.MustParseAddr("192.168.238.100")
	labtest.Must(t, os.RemoveAll(config.RuntimeDirectory))
	t.Cleanup(func() { _ = os.RemoveAll(config.RuntimeDirectory) })
	f := newStateFile(log.Logger(), "eth0", 51)
	want := vrrpconn.SigningState{Reserved: 7<<32 + 1, Marks: []keyed.Mark{{Source: netip.MustParseAddr("192.168.238.11"), Sequence: 1<<63 + 5}}}
	labtest.Must(t, f.write(map[netip.Addr]vrrpconn.SigningState{vip: want}))
	if info, err := os.Stat(f.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	got := newStateFile(log.Logger(), "eth0", 51).before[vip]
	if got.Reserved != want.Reserved || len(got.Marks) != 1 || got.Marks[0] != want.Marks[0] || log.Count("State") > 0 {
		t.Errorf("%+v, want %+v\n%s", got, want, log)
	}
	content, err := os.ReadFile(f.path)
	labtest.Must(t, err)
	for i, broken := range []string{"", "{}", "null", "[1]", strings.Replace(string(content), "51", "52", 1), strings.Replace(string(content), "/v1", "/v2", 1),
		strings.Replace(string(content), `{"kind"`, `{"more":1,"kind"`, 1), strings.Replace(string(content), "192.168.238.11", "vip", 1), string(content[:40])} {
		labtest.Must(t, os.WriteFile(f.path, []byte(broken), 0o600))
		if next := newStateFile(log.Logger(), "eth0", 51); next.before != nil || log.Count("State of the signatures not read") != i+1 {
			t.Errorf("%q is read as %+v\n%s", broken, next.before, log)
		}
	}
	labtest.Must(t, os.WriteFile(f.path, content, 0o600))
	labtest.Must(t, os.Chmod(f.path, 0o644))
	if next := newStateFile(log.Logger(), "eth0", 51); next.before != nil || log.Count("has mode 0644") != 1 {
		t.Errorf("a file that others can read is read: %+v", next.before)
	}
	labtest.Must(t, os.RemoveAll(config.RuntimeDirectory))
	labtest.Must(t, os.WriteFile(config.RuntimeDirectory, nil, 0o600)) // no directory
	for range 2 {
		if f.write(nil) == nil {
			t.Error("it is written where it cannot be")
		}
	}
	if n := log.Count("State of the signatures not kept"); n != 1 {
		t.Errorf("%d lines, want 1:\n%s", n, log)
	}
}

// A refusal is logged once until there was none for a minute, a clock once until it is right again.
func TestReportOfSignatures(t *testing.T) {
	log := &labtest.Log{}
	r := &reporter{log: log.Logger()}
	at := func(d time.Duration) time.Time { return time.Unix(1_800_000_000, 0).Add(d) }
	router := func(last time.Duration, skewed bool) v1alpha1.VirtualRouter {
		return v1alpha1.VirtualRouter{
			Dropped: map[string]v1alpha1.Drop{"hmac_invalid": {Last: at(last), From: "192.0.2.9"}, "checksum": {Last: at(last)}},
			Signing: &v1alpha1.Signing{ClockUnsynchronised: skewed, Peers: []v1alpha1.SigningPeer{{Address: "192.0.2.2", Skewed: skewed, Skew: "3s"}, {Address: "192.0.2.3"}}},
		}
	}
	var before v1alpha1.VirtualRouter
	for _, now := range []v1alpha1.VirtualRouter{
		router(0, true), router(0, true), router(time.Second, true), router(30*time.Second, false), router(100*time.Second, true), router(100*time.Second, false),
	} {
		r.reportSigning(before, now)
		before = now
	}
	r.reportSigning(before, v1alpha1.VirtualRouter{})
	for text, want := range map[string]int{"Signature refused": 2, "hmac_invalid": 2, "checksum": 0, "Clock of a peer differs": 2, "192.0.2.3": 0, "Clock not synchronised": 2} {
		if n := log.Count(text); n != want {
			t.Errorf("%d lines have %q, want %d:\n%s", n, text, want, log)
		}
	}
}
