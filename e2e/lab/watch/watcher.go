// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// askInterval is how often a watcher asks who has the address.
const askInterval = 10 * time.Millisecond

// An asker asks on the wire who has an address, and receives the answers.
type asker interface {
	// Ask sends one question.
	Ask() error
	// Answer waits for an answer, and returns the MAC address in it.
	Answer() (net.HardwareAddr, error)
	Close() error
}

// A Watcher records which hosts answer ARP or neighbour discovery for an address. It asks every 10 ms: two hosts answer at once if both
// have answered the same question.
type Watcher struct {
	recorder
	lab   *lab.Lab
	asker asker
	stop  chan struct{}
	once  sync.Once // closes stop
	ended sync.WaitGroup

	roundMu sync.Mutex
	round   []string // hosts that answered the last question
}

// Watch makes a host ask for an address. The host must not be one of those that may have it. Stalls of the machine that the
// control has seen do not count; it may be nil.
func Watch(control *Control, l *lab.Lab, h *lab.Host, address netip.Addr) (*Watcher, error) {
	w := &Watcher{recorder: recorder{control: control}, lab: l, stop: make(chan struct{})}
	err := h.Do(func() (err error) {
		if address.Is4() {
			w.asker, err = newARPAsker(h, address)
		} else {
			w.asker, err = newNDAsker(address)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("ask for %s from %s: %w", address, h.Name, err)
	}
	w.ended.Go(w.ask)
	w.ended.Go(w.listen)
	return w, nil
}

// ask asks until the watcher is stopped, and closes the round before.
func (w *Watcher) ask() {
	defer w.asker.Close() // ends listen
	ticker := time.NewTicker(askInterval)
	defer ticker.Stop()
	began := time.Now()
	for {
		// A question that cannot be sent has no answer.
		_ = w.asker.Ask()
		select {
		case <-w.stop:
			return
		case now := <-ticker.C:
			w.roundMu.Lock()
			w.record(due(began, now), w.round)
			w.round = nil
			w.roundMu.Unlock()
		}
	}
}

// due returns when a question was to be asked. Questions are a little late at times: one that two hosts answer counts for askInterval, and not
// for some microseconds more.
func due(began, asked time.Time) time.Time {
	return began.Add(asked.Sub(began).Round(askInterval))
}

func (w *Watcher) listen() {
	for {
		mac, err := w.asker.Answer()
		if err != nil {
			return
		}
		name := mac.String()
		if h, ok := w.lab.HostOf(mac); ok {
			name = h.Name
		}
		w.roundMu.Lock()
		if !slices.Contains(w.round, name) {
			w.round = append(w.round, name)
		}
		w.roundMu.Unlock()
	}
}

// Stop ends the watch, once. What it saw can still be read.
func (w *Watcher) Stop() {
	w.once.Do(func() { close(w.stop) })
	w.ended.Wait()
}
