// SPDX-License-Identifier: Apache-2.0

package sidecar

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

// Commands come over the lock of the virtual router: an abstract unix socket, which only processes of this host reach, and of
// them only those of root are heard. Loopback would let every local user, and every web page in a browser, move the addresses.

// handoverRequest asks for a planned move.
type handoverRequest struct {
	To string `json:"to,omitempty"` // name of the node; empty: whichever is the first
}

// serveCommands takes commands until ctx ends.
func (s *Sidecar) serveCommands(ctx context.Context, ln net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /handover", s.takeHandover)
	server := &http.Server{Handler: mux, ReadTimeout: 5 * time.Second, WriteTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // ends Serve below
	defer stop()
	if err := server.Serve(rootOnly{ln}); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve commands: %w", err)
	}
	return nil
}

func (s *Sidecar) takeHandover(w http.ResponseWriter, r *http.Request) {
	var request handoverRequest
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4096)).Decode(&request); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := s.handover(r.Context(), request.To); err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
	}
}

// handover begins a planned move of the addresses to another node.
func (s *Sidecar) handover(ctx context.Context, to string) error {
	e := s.loop.Status().Election
	switch {
	case e.State != election.Active:
		return fmt.Errorf("this node is in state %s and holds nothing to hand over: ask the holder, %s", e.State, s.holderOf(e))
	case to == s.node:
		return fmt.Errorf("%s holds the virtual addresses already", to)
	case to != "" && !e.Arbitrated:
		return errors.New("a named node is invited by the Lease, which cannot be written now: leave out --to, and the node of the highest priority takes over")
	}
	s.log.Info("Handing over", "to", to)
	s.loop.Notify(ctx, election.Handover{To: to})
	return nil
}

func (s *Sidecar) holderOf(e election.Status) string {
	switch {
	case e.Lease.Node != "":
		return e.Lease.Node
	case e.Holder.IsValid():
		return e.Holder.String()
	}
	return "which is not known"
}

// rootOnly accepts connections of root's processes.
type rootOnly struct{ net.Listener }

// Accept implements net.Listener.
func (l rootOnly) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if allowed(conn) {
			return conn, nil
		}
		_ = conn.Close() // a stranger's
	}
}

// allowed reports whether the other end is of this process's user, or of root.
func allowed(conn net.Conn) bool {
	user, err := socket.PeerUser(conn.(*net.UnixConn))
	return err == nil && (user == 0 || user == os.Geteuid())
}

// RequestHandover asks the sidecar of a virtual router on this host to hand over. It returns when the move has begun.
func RequestHandover(ctx context.Context, iface string, vrid uint8, to string) error {
	body, err := json.Marshal(handoverRequest{To: to})
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", lockName(iface, vrid))
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://harbinger/handover", bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("ask the sidecar (as root, on the node that holds the addresses): %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(strings.TrimSpace(string(answer)))
	}
	return err
}
