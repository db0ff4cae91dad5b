// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"path"
	"strconv"
	"sync"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"

	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
)

// leaseStore is the Leases of a cluster whose API servers are stand-ins in the process of the test.
type leaseStore struct {
	mu      sync.Mutex
	version int
	leases  map[string]*coordinationv1.Lease // by namespace and name
}

// errConflict says that another version is stored.
var errConflict = errors.New("the object has been modified")

// read returns a Lease, nil if there is none.
func (s *leaseStore) read(name string) *coordinationv1.Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leases[name].DeepCopy()
}

// write stores a Lease if its version is the stored one; with an empty version, if there is none.
func (s *leaseStore) write(name string, l *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stored := s.leases[name]; stored != nil && stored.ResourceVersion != l.ResourceVersion || stored == nil && l.ResourceVersion != "" {
		return nil, errConflict
	}
	s.version++
	l = l.DeepCopy()
	l.UID, l.ResourceVersion = "uid", strconv.Itoa(s.version)
	s.leases[name] = l
	return l.DeepCopy(), nil
}

func (s *leaseStore) remove(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.leases, name)
}

// holder returns who holds a Lease.
func (s *leaseStore) holder(name string) string {
	if l := s.read(name); l != nil && l.Spec.HolderIdentity != nil {
		return *l.Spec.HolderIdentity
	}
	return ""
}

// serveLeases replaces the API servers of a plane by stand-ins that have Leases in common.
func serveLeases(t *testing.T, p *Plane) *leaseStore {
	t.Helper()
	s := &leaseStore{leases: map[string]*coordinationv1.Lease{}}
	for _, n := range p.Nodes {
		must(t, n.APIServer.Kill())
		pem, err := n.ReadFile("/etc/kubernetes/pki/apiserver.pem")
		must(t, err)
		certificate, err := tls.X509KeyPair([]byte(pem), []byte(pem))
		must(t, err)
		ln, err := n.Listen(":" + strconv.Itoa(APIServerPort))
		must(t, err)
		server := &http.Server{
			Handler:   http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set(guest.NodeHeader, n.Name); s.serve(w, r) }),
			TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2", "http/1.1"}},
			ErrorLog:  log.New(io.Discard, "", 0), // the client of the plane asks in plain HTTP
		}
		done := make(chan struct{})
		go func() { defer close(done); _ = server.ServeTLS(ln, "", "") }() // ends with Close
		t.Cleanup(func() { _ = server.Close(); <-done })
	}
	return s
}

func (s *leaseStore) serve(w http.ResponseWriter, r *http.Request) {
	object, code := s.answer(r)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(object) // the client may have gone
}

func (s *leaseStore) answer(r *http.Request) (object any, code int) {
	leases := schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}
	kind, name := path.Base(path.Dir(r.URL.Path)), path.Base(r.URL.Path)
	switch {
	case r.URL.Path == "/readyz":
		return "ok", http.StatusOK
	case name == "endpointslices":
		return discoveryv1.EndpointSliceList{TypeMeta: metav1.TypeMeta{Kind: "EndpointSliceList", APIVersion: "discovery.k8s.io/v1"}}, http.StatusOK
	case name == "events":
		return decoded(r), http.StatusCreated
	case kind != "leases":
		return refused(apierrors.NewForbidden(leases, name, errors.New("the stand-in has Leases alone")))
	}
	id := path.Base(path.Dir(path.Dir(r.URL.Path))) + "/" + name
	l := s.read(id)
	if r.Method == http.MethodPut {
		var err error
		if l, err = s.write(id, decoded(r).(*coordinationv1.Lease)); err != nil {
			return refused(apierrors.NewConflict(leases, name, err))
		}
	}
	if l == nil {
		return refused(apierrors.NewNotFound(leases, name))
	}
	l.TypeMeta = metav1.TypeMeta{Kind: "Lease", APIVersion: "coordination.k8s.io/v1"}
	return l, http.StatusOK
}

func refused(err *apierrors.StatusError) (any, int) {
	err.ErrStatus.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
	return err.ErrStatus, int(err.ErrStatus.Code)
}

// decoded returns the object of a request.
func decoded(r *http.Request) runtime.Object {
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{coordinationv1.AddToScheme, corev1.AddToScheme} {
		if err := add(known); err != nil {
			panic(err) // of the test's own types
		}
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	object, _, err := serializer.NewCodecFactory(known).UniversalDeserializer().Decode(raw, nil, nil)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return object
}
