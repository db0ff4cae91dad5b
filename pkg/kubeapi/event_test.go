// SPDX-License-Identifier: Apache-2.0

package kubeapi_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
)

// startEvents is a cluster whose client sends Events, and the second that its clock shows.
func startEvents(t *testing.T) (*cluster, time.Time, *atomic.Int64) {
	t.Helper()
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	second := &atomic.Int64{}
	c := newCluster(t, 1, func(o *kubeapi.Options) {
		o.Now = func() time.Time { return start.Add(time.Duration(second.Load()) * time.Second) }
	})
	run(t, c.Client)
	return c, start, second
}

func TestEvent(t *testing.T) {
	c, start, _ := startEvents(t)
	c.Event("AddressAcquired", "node-a holds 192.168.238.100", false)
	until(t, "the event is there", func() bool { return len(c.store.sent()) == 1 })
	want := corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: "kube-system"},
		InvolvedObject: corev1.ObjectReference{APIVersion: "coordination.k8s.io/v1", Kind: "Lease", Namespace: "kube-system", Name: "harbinger"},
		Related:        &corev1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: "node-a"},
		Reason:         "AddressAcquired", Message: "node-a holds 192.168.238.100", Type: "Normal",
		Source:              corev1.EventSource{Component: "harbinger", Host: "node-a"},
		ReportingController: "harbinger", ReportingInstance: "node-a",
		FirstTimestamp: metav1.NewTime(start), LastTimestamp: metav1.NewTime(start), Count: 1,
	}
	got := c.store.sent()[0]
	if !strings.HasPrefix(got.Name, "harbinger.") {
		t.Errorf("name is %s", got.Name)
	}
	got.TypeMeta, got.Name = metav1.TypeMeta{}, ""
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
}

// leave leaves an Event at a second.
func leave(t *testing.T, c *cluster, second *atomic.Int64, at int64, message string) {
	t.Helper()
	second.Store(at)
	c.Event("Told", message, true)
}

func TestSameEventIsCounted(t *testing.T) {
	c, _, second := startEvents(t)
	for i := range int64(6) {
		leave(t, c, second, i*20, "again") // 0 s is sent, 20 and 40 counted, 60 sent, 80 and 100 counted
	}
	leave(t, c, second, 101, "last")
	until(t, "the last one is there", func() bool { s := c.store.sent(); return len(s) > 0 && s[len(s)-1].Message == "last" })
	var counts []int32
	for _, e := range c.store.sent() {
		counts = append(counts, e.Count)
	}
	if diff := cmp.Diff([]int32{1, 3, 1}, counts); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

func TestStormOfEvents(t *testing.T) {
	c, _, second := startEvents(t)
	for i := range 1000 {
		leave(t, c, second, 0, fmt.Sprint("storm ", i))
	}
	until(t, "the budget is used", func() bool { return len(c.store.sent()) == 10 })
	second.Store(3600)
	until(t, "the storm is over", func() bool {
		c.Event("Told", "calm", false)
		s := c.store.sent()
		return s[len(s)-1].Message == "calm"
	})
	if n := len(c.store.sent()); n != 11 {
		t.Errorf("%d events", n)
	}
}

// Nothing waits for an API that is hung.
func TestEventDoesNotBlock(t *testing.T) {
	c, _, _ := startEvents(t)
	c.servers[0].set(c.servers[0].hang)
	start := time.Now()
	for i := range 1000 {
		c.Event("Told", fmt.Sprint(i), false)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("1000 events took %v", took)
	}
}
