// SPDX-License-Identifier: Apache-2.0

package kubeapi

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"

	"github.com/harbinger-ha/harbinger/pkg/version"
)

// The timeouts of a connection. A dial goes on after the request that began it has given up: a busy apiserver may need long
// for a handshake, and the next request uses the connection.
const (
	connectTimeout   = time.Second
	handshakeTimeout = 3 * time.Second
	// readIdleTimeout and pingTimeout close a connection whose other end has vanished silently, before further renewals wait
	// for it in vain.
	readIdleTimeout = time.Second
	pingTimeout     = time.Second
	idleTimeout     = 30 * time.Second
)

// session is one set of credentials and the connections made with them.
type session struct {
	credentials *credentials

	mu       sync.Mutex
	backends map[netip.AddrPort]*backend
}

func newSession(c *credentials) *session {
	return &session{credentials: c, backends: map[netip.AddrPort]*backend{}}
}

// pick returns the backends with the addresses, and closes all others.
func (s *session) pick(addresses []netip.AddrPort) ([]*backend, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for address, b := range s.backends {
		if !slices.Contains(addresses, address) {
			b.close()
			delete(s.backends, address)
		}
	}
	var picked []*backend
	for _, address := range addresses {
		b := s.backends[address]
		if b == nil {
			var err error
			if b, err = newBackend(s.credentials.config, address); err != nil {
				return nil, err
			}
			s.backends[address] = b
		}
		if !slices.Contains(picked, b) {
			picked = append(picked, b)
		}
	}
	return picked, nil
}

func (s *session) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.backends {
		b.close()
	}
}

func (s *session) status(addresses []netip.AddrPort) []BackendStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []BackendStatus
	for _, address := range addresses {
		status := BackendStatus{Address: address}
		if b := s.backends[address]; b != nil {
			status = b.status()
		}
		all = append(all, status)
	}
	return all
}

// backend is one apiserver.
type backend struct {
	address   netip.AddrPort
	transport *http.Transport
	client    *rest.RESTClient

	mu     sync.Mutex
	okAt   time.Time
	failed string
}

// newBackend returns a backend that is reached by its address only: neither the server of the kubeconfig nor a proxy of the
// environment is used. The server's name is what its certificate is checked for.
func newBackend(credentials *rest.Config, address netip.AddrPort) (*backend, error) {
	config := rest.CopyConfig(credentials)
	config.NegotiatedSerializer = codecs.WithoutConversion()
	config.ContentType = runtime.ContentTypeProtobuf
	config.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	config.UserAgent = "harbinger/" + version.Get().Version
	config.QPS = -1 // no limit: the callers have their own
	config.WarningHandler = rest.NoWarnings{}
	tlsConfig, err := rest.TLSConfigFor(config)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: connectTimeout}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", address.String())
		},
		TLSClientConfig:     tlsConfig,
		TLSHandshakeTimeout: handshakeTimeout,
		IdleConnTimeout:     idleTimeout,
		ForceAttemptHTTP2:   true,
		HTTP2:               &http.HTTP2Config{SendPingTimeout: readIdleTimeout, PingTimeout: pingTimeout},
	}
	authenticated, err := rest.HTTPWrappersForConfig(config, transport)
	if err != nil {
		return nil, err
	}
	client, err := rest.UnversionedRESTClientForConfigAndClient(config, &http.Client{Transport: authenticated})
	if err != nil {
		return nil, err
	}
	return &backend{address: address, transport: transport, client: client}, nil
}

// close closes the idle connections. The others close soon after their last request.
func (b *backend) close() { b.transport.CloseIdleConnections() }

func (b *backend) status() BackendStatus {
	b.mu.Lock()
	defer b.mu.Unlock()
	return BackendStatus{Address: b.address, OKAt: b.okAt, Error: b.failed}
}

func (b *backend) record(now time.Time, failure error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case failure == nil:
		b.okAt, b.failed = now, ""
	case !errors.Is(failure, context.Canceled): // the caller has given up
		b.failed = short(failure)
	}
}

// codecs know the few kinds that this package uses.
var codecs = serializer.NewCodecFactory(newScheme())

func newScheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	for group, kinds := range map[schema.GroupVersion][]runtime.Object{
		coordinationv1.SchemeGroupVersion: {&coordinationv1.Lease{}},
		discoveryv1.SchemeGroupVersion:    {&discoveryv1.EndpointSlice{}, &discoveryv1.EndpointSliceList{}},
		corev1.SchemeGroupVersion:         {&corev1.Event{}},
	} {
		scheme.AddKnownTypes(group, kinds...)
		metav1.AddToGroupVersion(scheme, group)
	}
	return scheme
}
