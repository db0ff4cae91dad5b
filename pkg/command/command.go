// SPDX-License-Identifier: Apache-2.0

// Package command is how root gives commands to the sidecar of a virtual router on the same host. Commands come over the lock
// of the virtual router, an abstract unix socket: only processes of this network namespace reach it, and of them only those of
// root are heard. A port on loopback would let every local user, and every web page in a browser, move the addresses.
package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// Limits of one command.
const (
	readTimeout   = 5 * time.Second
	answerTimeout = 10 * time.Second
	maxRequest    = 4096 // bytes
	maxClients    = 16   // at a time
)

// handoverRequest asks for a planned move.
type handoverRequest struct {
	To string `json:"to,omitempty"` // name of the node; empty: whichever is the first
}

// handoverAnswer is that to a handoverRequest.
type handoverAnswer struct {
	Within time.Duration `json:"within"` // the move begins, in nanoseconds
}

// A Handover begins a planned move of the virtual addresses to a node, or to whichever is the first where to is empty. It returns
// how long transfers may delay the move. Its error is for the one who asked.
type Handover func(ctx context.Context, to string) (within time.Duration, err error)

// orderRequest takes a backend of the balancer out of service, or back.
type orderRequest struct {
	Backend netip.AddrPort     `json:"backend"`
	State   balance.AdminState `json:"state"`
	Force   bool               `json:"force,omitempty"` // also where no other backend could take connections
}

// orderAnswer is that to an orderRequest.
type orderAnswer struct {
	From balance.AdminState `json:"from"` // what was ordered of the backend before
}

// An Order takes a backend of the balancer out of service, or back, with force also where no other one could take connections. It
// returns what was ordered of the backend before. Its error is for the one who asked.
type Order func(ctx context.Context, backend netip.AddrPort, to balance.AdminState, force bool) (from balance.AdminState, err error)

// Connections returns the connections of the balancer. Its error is for the one who asked.
type Connections func(ctx context.Context) (v1alpha1.ConnectionList, error)

// Handlers do what is asked for.
type Handlers struct {
	Handover    Handover
	Order       Order
	Connections Connections
}

// Serve takes commands from a socket of Listen until ctx ends.
func Serve(ctx context.Context, ln net.Listener, do Handlers) error {
	mux := http.NewServeMux()
	handle(mux, pathHandover, func(ctx context.Context, r handoverRequest) (handoverAnswer, error) {
		within, err := do.Handover(ctx, r.To)
		return handoverAnswer{within}, err
	})
	handle(mux, pathOrder, func(ctx context.Context, r orderRequest) (orderAnswer, error) {
		from, err := do.Order(ctx, r.Backend, r.State, r.Force)
		return orderAnswer{from}, err
	})
	handle(mux, pathConnections, func(ctx context.Context, _ struct{}) (v1alpha1.ConnectionList, error) { return do.Connections(ctx) })
	server := &http.Server{Handler: mux, ReadTimeout: readTimeout, WriteTimeout: answerTimeout}
	defer socket.CloseWith(ctx, server)() // ends Serve below
	if err := server.Serve(socket.Limit(rootOnly{ln, os.Geteuid()}, maxClients, maxClients)); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve commands: %w", err)
	}
	return nil
}

// The paths of the commands.
const (
	pathHandover    = "/handover"
	pathOrder       = "/backend"
	pathConnections = "/connections"
)

// handle has requests for a path done.
func handle[Request, Answer any](mux *http.ServeMux, path string, do func(context.Context, Request) (Answer, error)) {
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		var request Request
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&request); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		answer, err := do(r.Context(), request)
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		_ = json.NewEncoder(w).Encode(answer) // a client that went away is its own concern
	})
}

// CheckHandover returns why a node in a state of the election cannot hand over to another, or nil.
func CheckHandover(e election.Status, node, to string) error {
	switch {
	case e.State != election.Active:
		return fmt.Errorf("this node is in state %s and holds nothing to hand over: ask the holder, %s", e.State, holder(e))
	case to == node:
		return fmt.Errorf("%s holds the virtual addresses already", to)
	case to != "" && !e.Arbitrated:
		return errors.New("a named node is invited by the Lease, which cannot be written now: leave out --to, and the node of the highest priority takes over")
	}
	return nil
}

func holder(e election.Status) string {
	switch {
	case e.Lease.Node != "":
		return e.Lease.Node
	case e.Holder.IsValid():
		return e.Holder.String()
	}
	return "which is not known"
}

// rootOnly accepts connections of processes of root, or of this process's own user.
type rootOnly struct {
	net.Listener
	self int // user ID
}

// Accept implements net.Listener. It closes the connections of other users.
func (l rootOnly) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		peer, err := socket.PeerOf(conn.(*net.UnixConn))
		if err == nil && trusted(peer, l.self) {
			return conn, nil
		}
		_ = conn.Close()
	}
}

// RequestHandover asks the sidecar of a virtual router on this host to hand over to a node, or to whichever is the first. It
// returns how long transfers may delay the move, or the reason why there is none.
func RequestHandover(ctx context.Context, iface string, vrid uint8, to string) (within time.Duration, err error) {
	answer, err := request[handoverAnswer](ctx, iface, vrid, pathHandover, handoverRequest{To: to})
	return answer.Within, err
}

// RequestOrder asks the sidecar of a virtual router on this host to take a backend of its balancer out of service, or back. It
// returns what was ordered of the backend before, or the reason why that stays.
func RequestOrder(ctx context.Context, iface string, vrid uint8, backend netip.AddrPort, to balance.AdminState, force bool) (from balance.AdminState, err error) {
	answer, err := request[orderAnswer](ctx, iface, vrid, pathOrder, orderRequest{backend, to, force})
	return answer.From, err
}

// RequestConnections asks the sidecar of a virtual router on this host for the connections of its balancer.
func RequestConnections(ctx context.Context, iface string, vrid uint8) (v1alpha1.ConnectionList, error) {
	return request[v1alpha1.ConnectionList](ctx, iface, vrid, pathConnections, struct{}{})
}

// request sends a question, and returns the answer to it. What was refused is an error with the reason.
func request[Answer any](ctx context.Context, iface string, vrid uint8, path string, question any) (answer Answer, err error) {
	body, err := json.Marshal(question)
	if err != nil {
		return answer, err
	}
	client := &http.Client{Timeout: answerTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dial(ctx, name(iface, vrid))
		},
	}}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://harbinger"+path, bytes.NewReader(body))
	if err != nil {
		return answer, err
	}
	response, err := client.Do(post)
	if err != nil {
		where := ""
		if path == pathHandover {
			where = ", on the node that holds the addresses"
		}
		return answer, fmt.Errorf("ask the sidecar (as root%s): %w", where, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return answer, fmt.Errorf("read the answer of the sidecar: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return answer, errors.New(strings.TrimSpace(string(text)))
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return answer, fmt.Errorf("read the answer of the sidecar: %w", err)
	}
	return answer, nil
}
