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
	"os"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/election"
	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// Limits of one command.
const (
	readTimeout   = 5 * time.Second
	answerTimeout = 10 * time.Second
	maxRequest    = 4096 // bytes
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

// Serve takes commands from a socket of Listen until ctx ends.
func Serve(ctx context.Context, ln net.Listener, handover Handover) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /handover", func(w http.ResponseWriter, r *http.Request) {
		var request handoverRequest
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxRequest)).Decode(&request); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		within, err := handover(r.Context(), request.To)
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		_ = json.NewEncoder(w).Encode(handoverAnswer{within}) // a client that went away is its own concern
	})
	server := &http.Server{Handler: mux, ReadTimeout: readTimeout, WriteTimeout: answerTimeout}
	defer socket.CloseWith(ctx, server)() // ends Serve below
	if err := server.Serve(rootOnly{ln, os.Geteuid()}); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve commands: %w", err)
	}
	return nil
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
	body, err := json.Marshal(handoverRequest{To: to})
	if err != nil {
		return 0, err
	}
	client := &http.Client{Timeout: answerTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dial(ctx, name(iface, vrid))
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://harbinger/handover", bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, fmt.Errorf("ask the sidecar (as root, on the node that holds the addresses): %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, fmt.Errorf("read the answer of the sidecar: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return 0, errors.New(strings.TrimSpace(string(text)))
	}
	var answer handoverAnswer
	if err := json.Unmarshal(text, &answer); err != nil {
		return 0, fmt.Errorf("read the answer of the sidecar: %w", err)
	}
	return answer.Within, nil
}
