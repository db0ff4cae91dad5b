// SPDX-License-Identifier: Apache-2.0

//go:build apiserver

package kubeapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"

	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
)

// TestAPIServer tries what the other tests assume against real apiservers and etcd, with the permissions as shipped.
func TestAPIServer(t *testing.T) {
	p := startPlane(t, 2)
	kubeconfig := p.kubeconfig(t)
	admin := p.client(t, p.admin)
	f := &found{}
	newClient := func() *kubeapi.Client {
		return kubeapi.New(kubeapi.Options{
			Log: testr.New(t), Kubeconfig: kubeconfig, Namespace: "kube-system", Name: "harbinger", Predecessor: "kube-system/plndr-cp-lock", Duration: 5 * time.Second, Node: "node-a",
			Backends: p.addresses, Discovery: &kubeapi.Discovery{OnEndpoints: f.add, Interval: interval, Settle: interval},
		})
	}
	client := newClient()
	run(t, client)

	t.Run("without permissions", func(t *testing.T) {
		_, err := read(t, client)
		wantUnanswered(t, err, "HTTP 403 Forbidden")
		_, err = write(t, client, mine)
		wantUnanswered(t, err, "HTTP 403 Forbidden")
	})
	for range 2 { // again is no error
		if err := kubeapi.ApplyRBAC(t.Context(), p.admin, "kube-system", "harbinger", "kube-system/plndr-cp-lock"); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the permissions are known", func() bool { _, err := read(t, client); return err == nil })

	t.Run("life", func(t *testing.T) {
		testLife(t, client, newClient(), func() { deleteLease(t, admin) })
	})
	t.Run("permissions", func(t *testing.T) { testPermissions(t, p, kubeconfig) })
	t.Run("kubectl lists them", func(t *testing.T) { testCanI(t, p, kubeconfig) })
	t.Run("predecessor", func(t *testing.T) { testPredecessor(t, client, admin) })
	t.Run("metadata of others survives", func(t *testing.T) { testMetadata(t, client, admin) })
	t.Run("discovery", func(t *testing.T) {
		var advertised []string
		for _, address := range p.addresses() {
			advertised = append(advertised, address.String())
		}
		slices.Sort(advertised)
		want := fmt.Sprint(advertised)
		until(t, "the apiservers are "+want, func() bool { return f.last() == want })
	})
	t.Run("event", func(t *testing.T) { testEvent(t, client, admin) })
	t.Run("hung apiserver", func(t *testing.T) { testHung(t, p, client) })
}

func deleteLease(t *testing.T, admin *rest.RESTClient) {
	t.Helper()
	if err := admin.Delete().AbsPath(leasePath).Do(t.Context()).Error(); err != nil {
		t.Fatal(err)
	}
}

// testPermissions tries what the user may not do.
func testPermissions(t *testing.T, p *plane, kubeconfig string) {
	user := p.client(t, kubeconfig)
	leases, _ := strings.CutSuffix(leasePath, "/harbinger")
	other := []byte(`{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"other","namespace":"kube-system"}}`)
	for _, tt := range []struct {
		verb, path string
		body       []byte
	}{
		{http.MethodGet, leases, nil},
		{http.MethodGet, leases + "/other", nil},
		{http.MethodPut, leases + "/other", other},
		{http.MethodPost, leases, other},
		{http.MethodDelete, leasePath, nil},
		{http.MethodPatch, leasePath, []byte(`{}`)},
		{http.MethodGet, strings.Replace(leasePath, "kube-system", "default", 1), nil},
		{http.MethodGet, "/api/v1/secrets", nil},
		{http.MethodGet, "/api/v1/namespaces/kube-system/secrets", nil},
		{http.MethodGet, "/api/v1/namespaces/kube-system/configmaps", nil},
		{http.MethodGet, "/api/v1/nodes", nil},
		{http.MethodGet, "/api/v1/namespaces/kube-system/pods", nil},
		{http.MethodGet, eventsPath, nil},
		{http.MethodGet, "/apis/discovery.k8s.io/v1/endpointslices", nil},
		{http.MethodGet, slicesPath + "/kubernetes", nil},
		{http.MethodGet, "/apis/rbac.authorization.k8s.io/v1/clusterroles", nil},
	} {
		request := user.Verb(tt.verb).AbsPath(tt.path)
		if tt.verb == http.MethodPatch {
			request = user.Patch("application/merge-patch+json").AbsPath(tt.path)
		}
		if tt.body != nil {
			request.SetHeader("Content-Type", "application/json").Body(tt.body)
		}
		if err := request.Do(t.Context()).Error(); !apierrors.IsForbidden(err) {
			t.Errorf("%s %s gives %v, want 403", tt.verb, tt.path, err)
		}
	}
}

// testCanI holds that the user has exactly the permissions of the manifest, besides those of everybody.
func testCanI(t *testing.T, p *plane, kubeconfig string) {
	everybody := map[string]bool{}
	list := func(namespace string) []string {
		out, err := exec.Command(p.Program("kubectl"), "--kubeconfig", kubeconfig, "auth", "can-i", "--list", "--no-headers", "-n", namespace).Output()
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for line := range strings.Lines(string(out)) {
			lines = append(lines, strings.Join(strings.Fields(line), " "))
		}
		return lines
	}
	for _, line := range list("kube-public") {
		everybody[line] = true
	}
	if len(everybody) == 0 {
		t.Fatal("kubectl lists nothing")
	}
	for namespace, want := range map[string][]string{
		"kube-system": {"events [] [] [create]", "leases.coordination.k8s.io [] [harbinger] [get create update]", "leases.coordination.k8s.io [] [plndr-cp-lock] [get update]"},
		"default":     {"endpointslices.discovery.k8s.io [] [] [list]"},
	} {
		got := slices.DeleteFunc(list(namespace), func(line string) bool { return everybody[line] })
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("namespace %s (-want +got):\n%s", namespace, diff)
		}
	}
}

// testPredecessor takes the Lease of kube-vip, which is never created.
func testPredecessor(t *testing.T, client *kubeapi.Client, admin *rest.RESTClient) {
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	if got := client.ReadPredecessor(ctx); got != (election.PredecessorDone{}) {
		t.Errorf("no lease is read as %v", got)
	}
	lease := []byte(`{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"plndr-cp-lock","namespace":"kube-system"},
		"spec":{"holderIdentity":"node-b","leaseDurationSeconds":15,"leaseTransitions":3,"renewTime":"2026-01-01T00:00:00.000000Z"}}`)
	leases, _ := strings.CutSuffix(leasePath, "/harbinger")
	if err := admin.Post().AbsPath(leases).SetHeader("Content-Type", "application/json").Body(lease).Do(ctx).Error(); err != nil {
		t.Fatal(err)
	}
	read := client.ReadPredecessor(ctx)
	if read.Lease.Holder != "node-b" || read.Lease.Duration != 15*time.Second {
		t.Errorf("read %v", read)
	}
	mine := election.PredecessorLease{Version: read.Lease.Version, Holder: "harbinger/node-a", Duration: time.Minute}
	if got := client.TakePredecessor(ctx, mine); got.Outcome != election.Answered || got.Lease.Holder != mine.Holder || got.Lease.Version == mine.Version {
		t.Errorf("taken: %v", got)
	}
	if again := client.ReadPredecessor(ctx); again.Lease.Holder != mine.Holder || again.Lease.Duration != mine.Duration {
		t.Errorf("stored %v", again)
	}
	if got := client.TakePredecessor(ctx, mine); got.Outcome != election.Refused {
		t.Errorf("an old version is taken: %v", got)
	}
}

func testMetadata(t *testing.T, client *kubeapi.Client, admin *rest.RESTClient) {
	before := mustRead(t, client)
	patch := []byte(`{"metadata":{"labels":{"team":"network"},"annotations":{"example.org/note":"keep","harbinger.dev/priority":"junk"}}}`)
	if err := admin.Patch("application/merge-patch+json").AbsPath(leasePath).Body(patch).Do(t.Context()).Error(); err != nil {
		t.Fatal(err)
	}
	wantRefused(t, client, before)
	seen := mustRead(t, client)
	if seen.Priority != 0 || seen.Holder != before.Holder {
		t.Errorf("read %+v", seen)
	}
	seen.Priority = 100
	mustWrite(t, client, seen)
	stored := &coordinationv1.Lease{}
	if err := admin.Get().AbsPath(leasePath).Do(t.Context()).Into(stored); err != nil {
		t.Fatal(err)
	}
	if stored.Labels["team"] != "network" || stored.Annotations["example.org/note"] != "keep" || stored.Annotations["harbinger.dev/priority"] != "100" {
		t.Errorf("labels are %v, annotations %v", stored.Labels, stored.Annotations)
	}
}

func testEvent(t *testing.T, client *kubeapi.Client, admin *rest.RESTClient) {
	client.Event("AddressAcquired", "node-a holds 192.168.238.100", true)
	until(t, "the event is there", func() bool {
		list := &corev1.EventList{}
		if err := admin.Get().AbsPath(eventsPath).Do(t.Context()).Into(list); err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(list.Items, func(e corev1.Event) bool {
			return e.Reason == "AddressAcquired" && e.Type == "Warning" && e.InvolvedObject.Name == "harbinger" && e.Source.Host == "node-a"
		})
	})
}

// testHung stops the first apiserver in the middle of its life. Every renewal goes on by the other one.
func testHung(t *testing.T, p *plane, client *kubeapi.Client) {
	l := mustWrite(t, client, mustRead(t, client))
	must(t, p.apiservers[0].Freeze())
	for range 5 {
		l = mustWrite(t, client, l)
	}
	// While it wakes up it may carry out the copies that it was sent: they are for versions that are gone.
	must(t, p.apiservers[0].Thaw())
	for range 20 {
		next, err := write(t, client, l)
		if errors.Is(err, kubeapi.ErrRefused) {
			t.Fatalf("the only writer was refused: %v", err)
		}
		if err != nil { // it is still waking up
			l = mustRead(t, client)
			continue
		}
		l = next
	}
	until(t, "the first apiserver answers again", func() bool {
		mustRead(t, client)
		return client.Status().Backends[0].Error == ""
	})
}
