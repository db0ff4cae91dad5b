// SPDX-License-Identifier: Apache-2.0

package kubeapi_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/harbinger-ha/harbinger/pkg/kubeapi"
)

const (
	leasePath  = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/harbinger"
	slicesPath = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
	eventsPath = "/api/v1/namespaces/kube-system/events"
)

var leases = schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}

// store is what the servers of one cluster have in common. It answers as a kube-apiserver does, which the test against a
// real one holds.
type store struct {
	mu       sync.Mutex
	lease    *coordinationv1.Lease
	version  int
	slices   []discoveryv1.EndpointSlice
	events   []corev1.Event
	lastBody string // content type
}

func (s *store) read() (*coordinationv1.Lease, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lease == nil {
		return nil, apierrors.NewNotFound(leases, "harbinger")
	}
	return s.lease.DeepCopy(), nil
}

func (s *store) write(l *coordinationv1.Lease) (*coordinationv1.Lease, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.lease == nil && l.UID != "", s.lease != nil && l.UID != "" && l.UID != s.lease.UID:
		return nil, apierrors.NewConflict(leases, l.Name, fmt.Errorf("UID in precondition: %s", l.UID))
	case s.lease != nil && l.ResourceVersion == "":
		fault := field.Invalid(field.NewPath("metadata").Child("resourceVersion"), 0, "must be specified for an update")
		return nil, apierrors.NewInvalid(schema.GroupKind{Group: leases.Group, Kind: leases.Resource}, l.Name, field.ErrorList{fault})
	case s.lease != nil && l.ResourceVersion != s.lease.ResourceVersion:
		return nil, apierrors.NewConflict(leases, l.Name, fmt.Errorf("the object has been modified"))
	}
	s.version++
	if s.lease == nil {
		l.UID = types.UID(fmt.Sprint("uid-", s.version))
	}
	l.ResourceVersion = strconv.Itoa(s.version)
	s.lease = l
	return l.DeepCopy(), nil
}

// change does what somebody else does to the Lease.
func (s *store) change(f func(*coordinationv1.Lease)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version++
	if s.lease == nil {
		s.lease = &coordinationv1.Lease{}
		s.lease.UID = types.UID(fmt.Sprint("uid-", s.version))
	}
	f(s.lease)
	s.lease.ResourceVersion = strconv.Itoa(s.version)
}

func (s *store) remove() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lease = nil
}

func (s *store) setSlices(all ...discoveryv1.EndpointSlice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slices = all
}

func (s *store) list(r *http.Request) (*discoveryv1.EndpointSliceList, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := r.URL.Query().Get("labelSelector"); got != "kubernetes.io/service-name=kubernetes" {
		return nil, apierrors.NewBadRequest("selector " + got)
	}
	return &discoveryv1.EndpointSliceList{Items: s.slices}, nil
}

func (s *store) addEvent(e *corev1.Event) (*corev1.Event, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, known := range s.events {
		if known.Name == e.Name {
			return nil, apierrors.NewAlreadyExists(schema.GroupResource{Resource: "events"}, e.Name)
		}
	}
	s.events = append(s.events, *e)
	return e, nil
}

func (s *store) sent() []corev1.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]corev1.Event(nil), s.events...)
}

// behaviour is what a server does to a request before it answers, if it does.
type behaviour func(w http.ResponseWriter, r *http.Request, answer http.HandlerFunc)

// server is one apiserver.
type server struct {
	*httptest.Server
	store    *store
	behave   atomic.Pointer[behaviour]
	requests atomic.Int32
	stop     chan struct{}
}

func newServer(t *testing.T, s *store) *server {
	t.Helper()
	srv := &server{store: s, stop: make(chan struct{})}
	srv.Server = httptest.NewUnstartedServer(http.HandlerFunc(srv.handle))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(func() {
		close(srv.stop)
		srv.CloseClientConnections()
		srv.Close()
	})
	return srv
}

func (s *server) address() netip.AddrPort {
	return netip.MustParseAddrPort(s.Listener.Addr().String())
}

func (s *server) set(b behaviour) { s.behave.Store(&b) }

func (s *server) handle(w http.ResponseWriter, r *http.Request) {
	s.requests.Add(1)
	if r.ProtoMajor != 2 {
		http.Error(w, "HTTP/2 only", http.StatusHTTPVersionNotSupported)
		return
	}
	if b := s.behave.Load(); b != nil && *b != nil {
		(*b)(w, r, s.answer)
		return
	}
	s.answer(w, r)
}

func (s *server) answer(w http.ResponseWriter, r *http.Request) {
	object, err := s.route(r)
	if err != nil {
		failure, ok := errors.AsType[*apierrors.StatusError](err)
		if !ok {
			failure = apierrors.NewBadRequest(err.Error())
		}
		reply(w, int(failure.ErrStatus.Code), &failure.ErrStatus)
		return
	}
	reply(w, http.StatusOK, object)
}

func reply(w http.ResponseWriter, code int, object runtime.Object) {
	kinds, _, err := scheme().ObjectKinds(object)
	if err != nil {
		panic(err) // the test's own objects
	}
	object.GetObjectKind().SetGroupVersionKind(kinds[0])
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(object) // the client may have gone
}

func (s *server) route(r *http.Request) (runtime.Object, error) {
	switch {
	case r.Method == http.MethodGet && r.URL.Path == leasePath && r.URL.RawQuery == "":
		return s.store.read()
	case r.Method == http.MethodPut && r.URL.Path == leasePath:
		l, err := body[*coordinationv1.Lease](s.store, r)
		if err != nil {
			return nil, err
		}
		return s.store.write(l)
	case r.Method == http.MethodGet && r.URL.Path == slicesPath:
		return s.store.list(r)
	case r.Method == http.MethodPost && r.URL.Path == eventsPath:
		e, err := body[*corev1.Event](s.store, r)
		if err != nil {
			return nil, err
		}
		return s.store.addEvent(e)
	}
	return nil, fmt.Errorf("%s %s is not what is expected", r.Method, r.URL)
}

func scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{coordinationv1.AddToScheme, corev1.AddToScheme, discoveryv1.AddToScheme} {
		if err := add(s); err != nil {
			panic(err)
		}
	}
	return s
}

func codecs() serializer.CodecFactory { return serializer.NewCodecFactory(scheme()) }

func body[T runtime.Object](s *store, r *http.Request) (T, error) {
	var zero T
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return zero, err
	}
	s.mu.Lock()
	s.lastBody = r.Header.Get("Content-Type")
	s.mu.Unlock()
	object, _, err := codecs().UniversalDeserializer().Decode(raw, nil, nil)
	if err != nil {
		return zero, err
	}
	typed, ok := object.(T)
	if !ok {
		return zero, fmt.Errorf("body is a %T", object)
	}
	return typed, nil
}

// The behaviours.

func (s *server) hang(_ http.ResponseWriter, r *http.Request, _ http.HandlerFunc) {
	select {
	case <-r.Context().Done():
	case <-s.stop:
	}
}

// swallow does what is asked and does not say so.
func (s *server) swallow(w http.ResponseWriter, r *http.Request, answer http.HandlerFunc) {
	answer(discard{}, r)
	s.hang(w, r, nil)
}

// slow answers late enough for another apiserver to be asked.
func slow(w http.ResponseWriter, r *http.Request, answer http.HandlerFunc) {
	select {
	case <-r.Context().Done():
	case <-time.After(2 * hedgeAfter):
		answer(w, r)
	}
}

func status(code int) behaviour {
	return func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		w.Header().Set("Retry-After", "1")
		reply(w, code, &apierrors.NewGenericServerResponse(code, "get", leases, "harbinger", "the server says so", 1, false).ErrStatus)
	}
}

// plain answers as an apiserver that does not serve the path.
func plain(code int) behaviour {
	return func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		http.Error(w, "404 page not found", code)
	}
}

// writeKubeconfig makes a kubeconfig that trusts a server.
func writeKubeconfig(t *testing.T, path string, trusted *server, token string) {
	t.Helper()
	ca := filepath.Join(filepath.Dir(path), "ca.crt")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: trusted.Certificate().Raw})
	if err := os.WriteFile(ca, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	content := strings.NewReplacer("TOKEN", token).Replace(`apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {certificate-authority: ca.crt, server: "https://192.0.2.1:6443", tls-server-name: example.com, proxy-url: "http://192.0.2.2:3128"}}]
users: [{name: u, user: {token: "TOKEN"}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`)
	next := path + ".next"
	if err := os.WriteFile(next, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Fatal(err)
	}
}

// cluster is some servers with one store, and a client of them.
type cluster struct {
	*kubeapi.Client
	store      *store
	servers    []*server
	kubeconfig string
}

func newCluster(t *testing.T, n int, change func(*kubeapi.Options)) *cluster {
	t.Helper()
	c := &cluster{store: &store{}, kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	for range n {
		c.servers = append(c.servers, newServer(t, c.store))
	}
	opts := kubeapi.Options{
		Log: testr.New(t), Kubeconfig: c.kubeconfig, Namespace: "kube-system", Name: "harbinger", Duration: 5 * time.Second, Node: "node-a",
		Backends: c.addresses,
	}
	if change != nil {
		change(&opts)
	}
	if n > 0 {
		writeKubeconfig(t, c.kubeconfig, c.servers[0], "secret")
	}
	c.Client = kubeapi.New(opts)
	return c
}

func (c *cluster) addresses() []netip.AddrPort {
	var all []netip.AddrPort
	for _, s := range c.servers {
		all = append(all, s.address())
	}
	return all
}

// warm connects to all servers.
func (c *cluster) warm(t *testing.T) {
	t.Helper()
	for range c.servers {
		mustRead(t, c)
		c.servers = append(c.servers[1:], c.servers[0])
	}
}
