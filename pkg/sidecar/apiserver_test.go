// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
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

	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/config"
)

// An apiServer is the apiserver of this host: it has the Lease, the EndpointSlices and the Events, and says whether it is
// ready.
type apiServer struct {
	mu     sync.Mutex
	unwell bool
	silent bool     // but for its readiness
	others []string // addresses beside its own in its EndpointSlices
	lease  *coordinationv1.Lease
	events []string
	stop   func() // ends it; it may be called again
}

// serveAPI runs the apiserver until the test ends.
func serveAPI(t *testing.T) *apiServer {
	t.Helper()
	a := &apiServer{}
	server := httptest.NewUnstartedServer(a)
	labtest.Must(t, server.Listener.Close())
	ln, err := net.Listen("tcp", ":6443")
	labtest.Must(t, err)
	server.Listener, server.EnableHTTP2 = ln, true
	server.StartTLS()
	a.stop = sync.OnceFunc(func() {
		server.CloseClientConnections()
		server.Close()
	})
	t.Cleanup(a.stop)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	labtest.Must(t, self.WriteFile("/etc/kubernetes/pki/ca.crt", string(ca)))
	labtest.Must(t, self.WriteFile("/etc/kubernetes/harbinger/kubeconfig", `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {certificate-authority: ../pki/ca.crt, server: "https://127.0.0.1:6443", tls-server-name: example.com}}]
users: [{name: u, user: {token: secret}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
`))
	labtest.Must(t, self.Do(func() error {
		return errors.Join(os.RemoveAll(config.StateDirectory), os.Mkdir(config.StateDirectory, 0o700))
	}))
	return a
}

// body is the end of a configuration: it elects in tenths of a second, and knows the apiserver.
func body(mode, vrrp string) string {
	return fmt.Sprintf(`election: {mode: %s, vrrp: {advertisementInterval: 100ms%s}}
healthCheck: {serverName: example.com, interval: 200ms, timeout: 100ms}
`, mode, vrrp)
}

func (a *apiServer) setUnwell(unwell bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unwell = unwell
}

// setSilent has the apiserver answer nothing but that it is ready.
func (a *apiServer) setSilent(silent bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.silent = silent
}

// reasons returns those of the Events, each with its message.
func (a *apiServer) reasons() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.events...)
}

// ServeHTTP implements http.Handler.
func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case r.URL.Path == "/readyz" && a.unwell:
		http.Error(w, "etcd failed", http.StatusInternalServerError)
	case r.URL.Path == "/readyz":
		_, _ = io.WriteString(w, "ok") // the client may have gone, here and below
	case a.silent:
		http.Error(w, "etcd failed", http.StatusServiceUnavailable)
	default:
		object, code := a.answer(r)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(object)
	}
}

func (a *apiServer) answer(r *http.Request) (object any, code int) {
	refused := func(err *apierrors.StatusError) (any, int) {
		err.ErrStatus.TypeMeta = metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}
		return err.ErrStatus, int(err.ErrStatus.Code)
	}
	leases := schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}
	switch filepath.Base(r.URL.Path) {
	case "endpointslices":
		return a.slices(), http.StatusOK
	case "events":
		e := read[*corev1.Event](r)
		a.events = append(a.events, e.Reason+": "+e.Message)
		return e, http.StatusCreated
	case "harbinger":
		if r.Method != http.MethodGet {
			l, version := read[*coordinationv1.Lease](r), 0
			if a.lease != nil {
				if l.ResourceVersion != a.lease.ResourceVersion {
					return refused(apierrors.NewConflict(leases, l.Name, errors.New("the object has been modified")))
				}
				version, _ = strconv.Atoi(a.lease.ResourceVersion)
			}
			l.UID, l.ResourceVersion = "uid", strconv.Itoa(version+1)
			l.TypeMeta = metav1.TypeMeta{Kind: "Lease", APIVersion: "coordination.k8s.io/v1"}
			a.lease = l
		}
		if a.lease != nil {
			return a.lease, http.StatusOK
		}
	}
	return refused(apierrors.NewNotFound(leases, "harbinger"))
}

// name makes the EndpointSlices name other addresses as well.
func (a *apiServer) name(others ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.others = others
}

// slices names the apiserver of this host, and others.
func (a *apiServer) slices() discoveryv1.EndpointSliceList {
	name, port := "https", int32(6443)
	slice := discoveryv1.EndpointSlice{Ports: []discoveryv1.EndpointPort{{Name: &name, Port: &port}}}
	for _, address := range append([]string{self.Address.Addr().String()}, a.others...) {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{address}})
	}
	return discoveryv1.EndpointSliceList{
		TypeMeta: metav1.TypeMeta{Kind: "EndpointSliceList", APIVersion: "discovery.k8s.io/v1"}, Items: []discoveryv1.EndpointSlice{slice},
	}
}

// read decodes the object of a request.
func read[T runtime.Object](r *http.Request) T {
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{coordinationv1.AddToScheme, corev1.AddToScheme} {
		if err := add(known); err != nil {
			panic(err)
		}
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	object, _, err := serializer.NewCodecFactory(known).UniversalDeserializer().Decode(raw, nil, nil)
	if err != nil {
		panic(err)
	}
	return object.(T)
}
