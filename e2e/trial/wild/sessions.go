// SPDX-License-Identifier: Apache-2.0

package wild

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/fault"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/trial"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
)

// How many sessions a holder has that moves, and within what each must have learnt of the move.
const (
	watches   = 200
	downloads = 50
	told      = time.Second
	drained   = v1alpha1.DefaultDrainTimeout // downloads that end within it end well
)

// A session is one request of a client on a connection of its own.
type session struct {
	conn net.Conn
	done chan struct{} // closed at its end

	// Valid once it has ended.
	end  time.Time
	read int64
	err  error
}

// open makes a request through the virtual address, and reads what comes until the end. It returns once the answer has begun.
func (r *run) open(path string) (*session, error) {
	ctx, cancel := context.WithTimeout(context.Background(), openTime)
	defer cancel()
	raw, err := r.ClientHost().Dial(ctx, "tcp", r.Endpoint().String())
	if err != nil {
		return nil, err
	}
	s := &session{conn: tls.Client(raw, &tls.Config{RootCAs: r.CA.Pool(), ServerName: "kubernetes"}), done: make(chan struct{})}
	if err := errors.Join(raw.SetDeadline(time.Now().Add(openTime)), s.ask(path)); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return s, nil
}

// openTime bounds the begin of an answer, on a busy machine.
const openTime = 20 * time.Second

// ask sends the request, reads the header of the answer, and leaves the rest to a goroutine, which ends with the connection.
func (s *session) ask(path string) error {
	if _, err := fmt.Fprintf(s.conn, "GET %s HTTP/1.1\r\nHost: kubernetes\r\n\r\n", path); err != nil {
		return err
	}
	answer, err := http.ReadResponse(bufio.NewReader(s.conn), nil)
	if err != nil {
		return err
	}
	if err := s.conn.SetDeadline(time.Time{}); err != nil {
		return err
	}
	go func() {
		defer close(s.done)
		s.read, s.err = io.Copy(io.Discard, answer.Body)
		s.end = time.Now()
	}()
	return nil
}

// ended reports whether the session has ended by a moment.
func (s *session) ended(by time.Time) bool {
	timer := time.NewTimer(time.Until(by))
	defer timer.Stop()
	select {
	case <-s.done:
		return !s.end.After(by)
	case <-timer.C:
		return false
	}
}

// openAll opens so many sessions, some at the same time.
func (r *run) openAll(path string, count int) ([]*session, error) {
	const workers = 20
	all, errs := make([]*session, count), make([]error, count)
	var opening sync.WaitGroup
	for w := range workers {
		opening.Go(func() {
			for i := w; i < count; i += workers {
				all[i], errs[i] = r.open(path)
			}
		})
	}
	opening.Wait()
	return all, errors.Join(errs...)
}

// closeAll ends sessions.
func closeAll(all []*session) {
	for _, s := range all {
		if s != nil {
			s.conn.Close()
			<-s.done
		}
	}
}

// moves is the course of a planned move of a holder that has sessions.
func moves(move func(*run, *trial.Node) error) course {
	return func(r *run) error {
		if err := r.Start(); err != nil {
			return err
		}
		for range r.cfg.Runs {
			if err := r.moveSessions(move); err != nil {
				return err
			}
		}
		return nil
	}
}

// moveSessions opens sessions, moves the address, and looks at what became of them.
func (r *run) moveSessions(move func(*run, *trial.Node) error) error {
	holder, err := r.Holder()
	if err != nil {
		return err
	}
	idle, err := r.openAll(guest.WatchPath, watches)
	defer func() { closeAll(idle) }()
	if err != nil {
		return err
	}
	loads, err := r.openAll(guest.DownloadPath, downloads)
	defer func() { closeAll(loads) }()
	if err != nil {
		return err
	}
	start := time.Now()
	if err := move(r, holder); err != nil {
		return err
	}
	err = r.Control.Until(moveTime, "another host has the address alone", func() bool {
		now := r.Holders.Now()
		return len(now) == 1 && now[0] != holder.Name
	})
	moved := time.Now()
	if err != nil {
		return err
	}
	r.row.Fail(r.judgeSessions(idle, loads, start, moved))
	r.sample(r.Sample(start))
	if r.fault.Act == fault.StopSessions {
		err = errors.Join(holder.Sidecar.Keeper.Wait(moveTime), r.StartSidecar(holder))
	}
	return errors.Join(err, r.Settle(), r.Control.Until(moveTime, "every host is ready", func() bool { return r.Each(ready) == nil }))
}

// ready returns an error unless the status of a host says that it is ready.
func ready(n *trial.Node) error {
	s, err := n.Status()
	if err == nil && !s.Ready {
		err = fmt.Errorf("%s is not ready: %v", n.Name, s.NotReady)
	}
	return err
}

// moveTime bounds a planned move: downloads get the time to drain before it.
const moveTime = 20 * time.Second

// judgeSessions returns what was broken: each watch ends soon after the move, and no download is cut off.
func (r *run) judgeSessions(idle, loads []*session, start, moved time.Time) error {
	deaf, cut := 0, 0
	last := start
	for _, s := range idle {
		if !s.ended(moved.Add(told)) {
			deaf++
		} else if s.end.After(last) {
			last = s.end
		}
	}
	var why error
	for _, s := range loads {
		if !s.ended(start.Add(drained)) {
			cut, why = cut+1, errors.New("it lasts still")
		} else if s.err != nil || s.read != guest.DownloadSize {
			cut, why = cut+1, fmt.Errorf("%d of %d bytes: %w", s.read, guest.DownloadSize, s.err)
		}
	}
	r.note("the address moved %.3f s after it was asked to; %d watches ended, the last %.3f s after the move", moved.Sub(start).Seconds(),
		len(idle)-deaf, last.Sub(moved).Seconds())
	var errs []error
	if deaf > 0 {
		errs = append(errs, fmt.Errorf("%d of %d watches did not learn of the move within %v", deaf, len(idle), told))
	}
	if cut > 0 {
		errs = append(errs, fmt.Errorf("%d of %d downloads did not end well: %w", cut, len(loads), why))
	}
	return errors.Join(errs...)
}

// handOver asks a holder to hand the address over; it goes on meanwhile.
func (r *run) handOver(holder *trial.Node) error {
	_, err := holder.Start(r.cfg.System.Command("handover"))
	return err
}

// stop asks a holder to stop, as the kubelet does.
func (r *run) stop(holder *trial.Node) error { return holder.Sidecar.Stop() }
