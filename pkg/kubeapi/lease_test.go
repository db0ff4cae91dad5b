// SPDX-License-Identifier: Apache-2.0

package kubeapi_test

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
)

// callTimeout is more than the 700 ms that the election gives to one question: the tests share their processors with others.
const callTimeout = 3 * time.Second

var mine = election.Lease{
	Holder: "node-a/boot/1", Epoch: 1, Node: "node-a", Address: netip.MustParseAddr("192.168.238.130"), Priority: 100, Preferred: "node-b", Known: netip.MustParseAddr("fd00:238::130"),
}

// lessor is what the election needs of a Client.
type lessor interface {
	ReadLease(context.Context) (election.Lease, error)
	WriteLease(context.Context, election.Lease) (election.Lease, error)
}

func read(t *testing.T, c lessor) (election.Lease, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
	defer cancel()
	return c.ReadLease(ctx)
}

func write(t *testing.T, c lessor, l election.Lease) (election.Lease, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
	defer cancel()
	return c.WriteLease(ctx, l)
}

// until waits for a condition.
func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	if err := lab.Until(10*time.Second, what, condition); err != nil {
		t.Fatal(err)
	}
}

func mustRead(t *testing.T, c lessor) election.Lease {
	t.Helper()
	l, err := read(t, c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustWrite(t *testing.T, c lessor, l election.Lease) election.Lease {
	t.Helper()
	written, err := write(t, c, l)
	if err != nil {
		t.Fatal(err)
	}
	if written.Version == "" || written.Version == l.Version {
		t.Fatalf("version %q was written as %q", l.Version, written.Version)
	}
	wantLease(t, written, l)
	return written
}

// wantLease compares two leases but for the version.
func wantLease(t *testing.T, got, want election.Lease) {
	t.Helper()
	want.Version = got.Version
	if got != want {
		t.Errorf("lease is %+v, want %+v", got, want)
	}
}

func wantRefused(t *testing.T, c lessor, l election.Lease) {
	t.Helper()
	if got, err := write(t, c, l); !errors.Is(err, kubeapi.ErrRefused) {
		t.Errorf("writing version %q gives %v, %v; want %v", l.Version, got, err, kubeapi.ErrRefused)
	}
}

// testLife is the life of a Lease. The real apiserver must give the same answers as the one of these tests.
func testLife(t *testing.T, a, b lessor, remove func()) {
	if got := mustRead(t, a); got != (election.Lease{}) {
		t.Fatalf("no lease is read as %+v", got)
	}
	first := mustWrite(t, a, mine)
	wantLease(t, mustRead(t, b), mine)
	wantRefused(t, b, mine) // there is one by now

	renewed := mustWrite(t, a, first)
	wantRefused(t, a, first)
	if again := mustRead(t, a); again != renewed {
		t.Errorf("read %+v after %+v", again, renewed)
	}

	taken := mustRead(t, b)
	taken.Holder, taken.Epoch, taken.Node, taken.Preferred = "node-b/boot/2", 2, "node-b", ""
	taken = mustWrite(t, b, taken)
	wantRefused(t, a, renewed)

	taken.Holder = ""
	released := mustWrite(t, b, taken)
	wantLease(t, mustRead(t, a), released)

	remove()
	wantRefused(t, b, released) // and does not bring it back
	if got := mustRead(t, a); got != (election.Lease{}) {
		t.Fatalf("the removed lease is read as %+v", got)
	}
	mustWrite(t, a, mine)
}

// The election learns three outcomes: the Lease is known, another version is stored, and nobody knows.
func TestOutcomes(t *testing.T) {
	c := newCluster(t, 1, nil)
	if done := c.Write(t.Context(), mine); done.Outcome != election.Answered || done.Lease.Holder != mine.Holder {
		t.Errorf("a first write: %+v", done)
	}
	if done := c.Read(t.Context()); done.Outcome != election.Answered || done.Lease.Holder != mine.Holder {
		t.Errorf("a read: %+v", done)
	}
	if done := c.Write(t.Context(), mine); done.Outcome != election.Refused || done.Detail == "" {
		t.Errorf("a write of another version: %+v", done)
	}
	c.servers[0].set(status(http.StatusServiceUnavailable))
	if done := c.Read(t.Context()); done.Outcome != election.Unanswered || done.Detail == "" {
		t.Errorf("a read without an answer: %+v", done)
	}
}

func TestLife(t *testing.T) {
	one := newCluster(t, 1, nil)
	other := newCluster(t, 1, nil)
	other.servers[0].store = one.store
	testLife(t, one, other, one.store.remove)
	if got := one.store.lastBody; got != "application/vnd.kubernetes.protobuf" {
		t.Errorf("bodies are %s", got)
	}
}

func TestObject(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.UTC)
	c := newCluster(t, 1, func(o *kubeapi.Options) { o.Now = func() time.Time { return now } })
	first := mustWrite(t, c, mine)
	stored, err := c.store.read()
	if err != nil {
		t.Fatal(err)
	}
	acquired := metav1.NewMicroTime(now.Truncate(time.Microsecond))
	want := coordinationv1.LeaseSpec{
		HolderIdentity: new("node-a/boot/1"), LeaseTransitions: new(int32(1)), LeaseDurationSeconds: new(int32(5)),
		AcquireTime: &acquired, RenewTime: &acquired,
	}
	if diff := cmp.Diff(want, stored.Spec); diff != "" {
		t.Errorf("spec (-want +got):\n%s", diff)
	}
	annotations := map[string]string{
		"harbinger.dev/node": "node-a", "harbinger.dev/node-address": "192.168.238.130", "harbinger.dev/priority": "100", "harbinger.dev/known-address": "fd00:238::130",
		"harbinger.dev/preferred": "node-b", "harbinger.dev/protocol": "1",
	}
	if diff := cmp.Diff(annotations, stored.Annotations); diff != "" {
		t.Errorf("annotations (-want +got):\n%s", diff)
	}

	now = now.Add(time.Second)
	second := mustWrite(t, c, first)
	stored, _ = c.store.read()
	if renewed := metav1.NewMicroTime(now.Truncate(time.Microsecond)); !stored.Spec.AcquireTime.Equal(&acquired) || !stored.Spec.RenewTime.Equal(&renewed) {
		t.Errorf("renewed: acquired at %v, renewed at %v", stored.Spec.AcquireTime, stored.Spec.RenewTime)
	}
	second.Epoch = 2
	mustWrite(t, c, second)
	if stored, _ = c.store.read(); !stored.Spec.AcquireTime.Equal(stored.Spec.RenewTime) {
		t.Errorf("a new epoch is acquired at %v, renewed at %v", stored.Spec.AcquireTime, stored.Spec.RenewTime)
	}
}

func TestForeignObjects(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*coordinationv1.Lease)
		want   election.Lease
	}{
		{"empty", func(*coordinationv1.Lease) {}, election.Lease{}},
		{"no transitions", func(l *coordinationv1.Lease) { l.Spec.HolderIdentity = new("other") }, election.Lease{Holder: "other"}},
		{"junk", func(l *coordinationv1.Lease) {
			l.Spec.LeaseTransitions = new(int32(7))
			l.Annotations = map[string]string{"harbinger.dev/node-address": "nowhere", "harbinger.dev/priority": "1000", "harbinger.dev/protocol": "x"}
		}, election.Lease{Epoch: 7}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, 1, nil)
			c.store.change(tt.change)
			got := mustRead(t, c)
			wantLease(t, got, tt.want)
			got.Holder, got.Epoch = "node-a/boot/1", got.Epoch+1
			mustWrite(t, c, got)
		})
	}
}

// What others have put into the object stays there, also if it was put there by a change that the Client has not read.
func TestForeignMetadataSurvives(t *testing.T) {
	c := newCluster(t, 1, nil)
	written := mustWrite(t, c, mine)
	c.store.change(func(l *coordinationv1.Lease) {
		l.Labels = map[string]string{"team": "network"}
		l.Annotations["example.org/note"] = "keep"
	})
	wantRefused(t, c, written)
	mustWrite(t, c, mustRead(t, c))
	stored, _ := c.store.read()
	if stored.Labels["team"] != "network" || stored.Annotations["example.org/note"] != "keep" {
		t.Errorf("labels are %v, annotations %v", stored.Labels, stored.Annotations)
	}
}

// A version that this process has not read itself is read before it is replaced.
func TestUnknownVersion(t *testing.T) {
	c := newCluster(t, 1, nil)
	c.store.change(func(l *coordinationv1.Lease) { l.Labels = map[string]string{"team": "network"} })
	l := mine
	l.Version = "1"
	mustWrite(t, c, l)
	if stored, _ := c.store.read(); stored.Labels["team"] != "network" {
		t.Errorf("labels are %v", stored.Labels)
	}
	l.Version = "77"
	wantRefused(t, c, l)
	c.store.remove()
	wantRefused(t, c, l)
}

func TestUnanswered(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*cluster)
		want   string
	}{
		{"401", func(c *cluster) { c.servers[0].set(status(401)) }, "HTTP 401 Unauthorized"},
		{"403", func(c *cluster) { c.servers[0].set(status(403)) }, "HTTP 403 Forbidden"},
		{"404 of a starting apiserver", func(c *cluster) { c.servers[0].set(plain(404)) }, "HTTP 404 Not Found"},
		{"429", func(c *cluster) { c.servers[0].set(status(429)) }, "HTTP 429 Too Many Requests"},
		{"500", func(c *cluster) { c.servers[0].set(status(500)) }, "HTTP 500 Internal Server Error"},
		{"503", func(c *cluster) { c.servers[0].set(plain(503)) }, "HTTP 503 Service Unavailable"},
		{"hung", func(c *cluster) { c.servers[0].set(c.servers[0].hang) }, "does not answer in time"},
		{"no apiserver there", func(c *cluster) { c.servers[0].Close() }, "refuses connections"},
		{"no backends", func(c *cluster) { c.servers = nil }, "no apiserver to ask"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newCluster(t, 1, nil)
			tt.change(c)
			timeout := 20 * time.Second // a busy machine takes its time to answer
			if tt.name == "hung" {
				timeout = 700 * time.Millisecond
			}
			for _, ask := range []func(context.Context) error{
				func(ctx context.Context) error { _, err := c.ReadLease(ctx); return err },
				func(ctx context.Context) error { _, err := c.WriteLease(ctx, mine); return err },
			} {
				ctx, cancel := context.WithTimeout(t.Context(), timeout)
				wantUnanswered(t, ask(ctx), tt.want)
				cancel()
			}
		})
	}
}

func wantUnanswered(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || errors.Is(err, kubeapi.ErrRefused) || !strings.Contains(err.Error(), want) {
		t.Errorf("error is %v, want %q in it", err, want)
	}
}
