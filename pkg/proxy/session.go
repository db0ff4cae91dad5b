// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"net"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/balance"
)

// A route is where connections go: a pool, the servers that its indices name, and how to treat them. It never changes.
type route struct {
	pool     *balance.Pool
	servers  []*server
	limit    int // of all connections
	perLimit int // of those to one server
	timeouts Timeouts
}

// active returns the number of connections that server i has.
func (r *route) active(i int) int { return int(r.servers[i].active.Load()) }

// dialFailure reports that a server could not be reached.
type dialFailure struct {
	server *server
	err    error
}

// A dispatcher serves accepted connections. Its methods are called by any number of goroutines.
type dispatcher struct {
	log      logr.Logger
	route    atomic.Pointer[route]
	failures chan dialFailure

	turn     atomic.Uint64
	active   atomic.Int64
	accepted atomic.Uint64
	refused  atomic.Uint64
}

func newDispatcher(log logr.Logger) *dispatcher {
	return &dispatcher{log: log, failures: make(chan dialFailure, 64)} // failures beyond these say the same
}

// admit counts a connection in, or resets it where there are too many.
func (d *dispatcher) admit(client *net.TCPConn) bool {
	d.accepted.Add(1)
	if d.active.Add(1) > int64(d.route.Load().limit) {
		d.active.Add(-1)
		d.refuse(client, "connection limit")
		return false
	}
	return true
}

func (d *dispatcher) refuse(client *net.TCPConn, reason string) {
	d.refused.Add(1)
	d.log.V(1).Info("Connection refused", "address", client.RemoteAddr().String(), "reason", reason)
	reset(client)
}

// serve relays an admitted connection until its end, or resets it where no backend takes it.
func (d *dispatcher) serve(ctx context.Context, client *net.TCPConn) {
	defer d.active.Add(-1)
	route := d.route.Load()
	if err := keepAlive(client, route.timeouts.KeepAlive); err != nil {
		d.refuse(client, err.Error())
		return
	}
	backend, server := d.connect(ctx, route, client)
	if backend == nil {
		d.refuse(client, "no backend")
		return
	}
	defer server.leave()
	server.total.Add(1)
	stop := context.AfterFunc(server.sessions(), func() {
		reset(client)
		reset(backend)
	})
	defer stop()
	if err := relay(client, backend, route.timeouts.HalfClosed); err != nil {
		d.log.V(1).Info("Connection broken", "address", client.RemoteAddr().String(), "backend", server.address.String(), "reason", err.Error())
	}
}

// connect dials one server after another, each once, until one accepts. It returns nothing where none does.
func (d *dispatcher) connect(ctx context.Context, route *route, client *net.TCPConn) (*net.TCPConn, *server) {
	request := balance.Request{
		Now: time.Now(), Client: client.RemoteAddr().(*net.TCPAddr).AddrPort().Addr(), Turn: d.turn.Add(1), Active: route.active,
	}
	for ctx.Err() == nil {
		i, ok := route.pool.Pick(request)
		if !ok {
			return nil, nil
		}
		request.Tried = append(request.Tried, i)
		server := route.servers[i]
		if !server.join(route.perLimit) {
			continue
		}
		conn, err := server.dial(server.sessions(), route.timeouts)
		if err == nil {
			return conn, server
		}
		server.leave()
		d.failed(server, err)
	}
	return nil, nil
}

// failed reports what traffic shows about a server. A dial that was cancelled shows nothing.
func (d *dispatcher) failed(server *server, err error) {
	server.failures.Add(1)
	if !unreachable(err) {
		d.log.V(1).Info("Dial failed", "backend", server.address.String(), "reason", err.Error())
		return
	}
	select {
	case d.failures <- dialFailure{server, err}:
	default:
	}
}
