// SPDX-License-Identifier: Apache-2.0

package kubeapi_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
)

// succeeding is a cluster whose one Lease is that of kube-vip.
func succeeding(t *testing.T) *cluster {
	return newCluster(t, 1, func(o *kubeapi.Options) { o.Predecessor = "kube-system/harbinger" })
}

// kubeVIP writes as client-go's leader election does. An empty holder releases.
func kubeVIP(holder string, seconds int32) func(*coordinationv1.Lease) {
	return func(l *coordinationv1.Lease) {
		now := metav1.NowMicro()
		l.Name, l.Namespace, l.Annotations = "harbinger", "kube-system", map[string]string{"kube-vip.io/some": "thing"}
		l.Spec = coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &seconds, RenewTime: &now, AcquireTime: &now, LeaseTransitions: new(int32(4))}
	}
}

func readPredecessor(t *testing.T, c *cluster) election.PredecessorDone {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
	defer cancel()
	return c.ReadPredecessor(ctx)
}

func takePredecessor(t *testing.T, c *cluster, l election.PredecessorLease) election.PredecessorDone {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), callTimeout)
	defer cancel()
	return c.TakePredecessor(ctx, l)
}

// The Lease of kube-vip is read and taken as one of its own candidates would, over the version that was read and no other, and is
// never created.
func TestPredecessor(t *testing.T) {
	c := succeeding(t)
	mine := election.PredecessorLease{Holder: "harbinger/node-a", Duration: 15 * time.Second}
	if got := readPredecessor(t, c); got != (election.PredecessorDone{}) {
		t.Errorf("no lease is read as %v", got)
	}
	if got := takePredecessor(t, c, mine); got.Outcome != election.Refused || c.store.version != 0 {
		t.Errorf("no lease is taken: %v", got)
	}
	c.store.change(kubeVIP("node-b", 5))
	got := readPredecessor(t, c)
	if want := (election.PredecessorLease{Version: "1", Holder: "node-b", Duration: 5 * time.Second}); got.Lease != want {
		t.Errorf("read %+v, want %+v", got.Lease, want)
	}
	c.store.change(kubeVIP("", 1))
	mine.Version = got.Lease.Version
	if got := takePredecessor(t, c, mine); got.Outcome != election.Refused {
		t.Errorf("an old version is taken: %v", got)
	}
	got = readPredecessor(t, c)
	mine.Version = got.Lease.Version
	before := time.Now().Add(-time.Second)
	got = takePredecessor(t, c, mine)
	if got.Outcome != election.Answered || got.Lease != (election.PredecessorLease{Version: "3", Holder: mine.Holder, Duration: mine.Duration}) {
		t.Errorf("taken: %+v", got)
	}
	stored := c.store.lease
	if s := stored.Spec; *s.HolderIdentity != mine.Holder || *s.LeaseTransitions != 5 || *s.LeaseDurationSeconds != 15 || s.AcquireTime.Time.Before(before) || s.RenewTime.Time.Before(before) {
		t.Errorf("stored %+v", s)
	}
	if stored.Annotations["kube-vip.io/some"] != "thing" {
		t.Errorf("what kube-vip put there is gone: %v", stored.Annotations)
	}
	mine.Version = got.Lease.Version
	acquired := *stored.Spec.AcquireTime
	if got = takePredecessor(t, c, mine); got.Outcome != election.Answered || *c.store.lease.Spec.LeaseTransitions != 5 || !c.store.lease.Spec.AcquireTime.Equal(&acquired) {
		t.Errorf("renewed: %+v, stored %+v", got, c.store.lease.Spec)
	}
}

// What has no answer says why, and is neither a refusal nor a lease that is not there.
func TestPredecessorWithoutAnswer(t *testing.T) {
	c := succeeding(t)
	c.store.change(kubeVIP("node-b", 5))
	read := readPredecessor(t, c)
	c.servers[0].set(status(http.StatusForbidden))
	for what, got := range map[string]election.PredecessorDone{"read": readPredecessor(t, c), "take": takePredecessor(t, c, read.Lease)} {
		if got.Outcome != election.Unanswered || !strings.Contains(got.Detail, "HTTP 403") {
			t.Errorf("%s: %v", what, got)
		}
	}
	none := newCluster(t, 0, func(o *kubeapi.Options) { o.Predecessor = "kube-system/harbinger" })
	if got := readPredecessor(t, none); got.Outcome != election.Unanswered || got.Detail == "" {
		t.Errorf("without credentials: %v", got)
	}
}
