// SPDX-License-Identifier: Apache-2.0

// Package kubeapi is the client of the Kubernetes API: it reads and writes the Lease of the election, discovers the apiservers
// of the cluster, creates Events, and makes the credentials for all that. It dials the apiservers by the addresses it is given,
// never the virtual addresses, whose election depends on it, and needs neither an apiserver nor credentials to start. It decides
// nothing: package election does.
//
// It is one package because the Lease, discovery and the Events ask through the same client: they share its credentials, the
// question to two apiservers in parallel, and the record of which apiserver answers.
package kubeapi

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"

	"github.com/harbinger-ha/harbinger/pkg/guard"
)

// Options configure a Client.
type Options struct {
	Log logr.Logger
	// Kubeconfig is the file with the credentials. It need not exist yet, and is followed when it changes.
	Kubeconfig string
	// Namespace and Name are those of the Lease.
	Namespace, Name string
	// Predecessor is the namespace and the name of kube-vip's Lease, with a slash between them. Empty: there is none.
	Predecessor string
	// Duration is written into the Lease, for those who read it: whole seconds, at least one.
	Duration time.Duration
	// Node is the name of this node, for Events.
	Node string
	// Backends returns the apiservers to ask, in this order: the local one, then the other healthy ones. Several goroutines
	// call it, once for each request.
	Backends func() []netip.AddrPort
	// Discovery finds the apiservers of the cluster. Nil: they are not discovered.
	Discovery *Discovery
	// Now reads the clock. Nil: time.Now.
	Now func() time.Time
	// CredentialsInterval is how often Kubeconfig is read. 0: every 2 s, so that a change is used well within 10 s.
	CredentialsInterval time.Duration
}

const defaultCredentialsInterval = 2 * time.Second

// Client is the access of one node to the API. Several goroutines may use it, whether Run runs or not.
type Client struct {
	opts   Options
	log    logr.Logger
	events chan event

	mu      sync.Mutex
	session *session // nil: there are no credentials
	problem string   // with the credentials
	missing int      // how often in a row the kubeconfig was
	warned  time.Time
	seen    []*coordinationv1.Lease // the last versions of the Lease, the newest last
	// predecessor is the Lease of the predecessor as it was last read or written.
	predecessor *coordinationv1.Lease
}

// New returns a Client with the credentials that are there. It starts nothing.
func New(opts Options) *Client {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.CredentialsInterval == 0 {
		opts.CredentialsInterval = defaultCredentialsInterval
	}
	c := &Client{opts: opts, log: opts.Log, events: make(chan event, eventQueue)}
	c.loadCredentials()
	return c
}

// Run follows the credentials, finds apiservers and sends Events until the context ends. Then it closes the connections.
func (c *Client) Run(ctx context.Context) error {
	g, ctx := guard.WithContext(ctx)
	g.Go(func() error { return c.followCredentials(ctx) })
	g.Go(func() error { return c.sendEvents(ctx) })
	if c.opts.Discovery != nil {
		g.Go(func() error { return c.discover(ctx) })
	}
	err := g.Wait()
	if s := c.currentSession(); s != nil {
		s.close()
	}
	return err
}

// Status describes the access to the API.
type Status struct {
	// CredentialsProblem says why the credentials cannot be used, or why a newer file is not. Empty: all is well.
	CredentialsProblem string
	// Expires is when the client certificate does. Zero: there is none.
	Expires time.Time
	// Backends are in the order in which they are asked.
	Backends []BackendStatus
}

// BackendStatus describes one apiserver as of the last request to it.
type BackendStatus struct {
	Address netip.AddrPort
	// OKAt is when it answered last. Zero: never.
	OKAt time.Time
	// Error says what went wrong since. Empty: nothing.
	Error string
}

// Status returns what is known. It makes no request.
func (c *Client) Status() Status {
	c.mu.Lock()
	s, status := c.session, Status{CredentialsProblem: c.problem}
	c.mu.Unlock()
	if s == nil {
		return status
	}
	status.Expires = s.credentials.expires
	if status.CredentialsProblem == "" && s.credentials.expired(c.opts.Now()) {
		status.CredentialsProblem = c.expiredProblem(s.credentials)
	}
	status.Backends = s.status(c.opts.Backends())
	return status
}

func (c *Client) currentSession() *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}
