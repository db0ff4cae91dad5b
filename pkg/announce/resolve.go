// SPDX-License-Identifier: Apache-2.0

package announce

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"
)

const (
	// askAgain is the time after which a question is repeated: it or its answer may have been lost.
	askAgain = 100 * time.Millisecond
	// grace is how much later than the first a second host may answer.
	grace = 20 * time.Millisecond
)

// Resolve asks who has the target address and returns the hardware addresses of all hosts that answer, until ctx ends
// or shortly after the first answer. No answer is no error. Source is the address of this node to ask with.
//
// It asks the last known owner directly as well as all hosts: a fabric that suppresses broadcasts answers those itself,
// even for a host that is dead. Somebody who answers for others, such as a gateway with proxy ARP, is among the answers
// and proves nothing.
func (a *Announcer) Resolve(ctx context.Context, target, source netip.Addr) ([]net.HardwareAddr, error) {
	link, _ := a.current()
	r, err := newReceiver(ctx, link, protocolOf(target), claimOf(target))
	if err != nil {
		return nil, err
	}
	defer r.close()
	var answers []net.HardwareAddr
	for len(answers) == 0 && ctx.Err() == nil {
		if err := a.ask(target, source); err != nil {
			return nil, err
		}
		if answers, err = a.collect(r); err != nil {
			return nil, err
		}
	}
	return answers, nil
}

// ask asks all neighbours who has the target, and its last owner apart.
func (a *Announcer) ask(target, source netip.Addr) error {
	receivers := []net.HardwareAddr{nil}
	if owner := a.owner(target); owner != nil {
		receivers = append(receivers, owner)
	}
	link, _ := a.current()
	for _, to := range receivers {
		frame, err := question(link.MAC, source, target, to)
		if err != nil {
			return fmt.Errorf("ask for %s: %w", target, err)
		}
		if err := a.send(frame); err != nil {
			return err
		}
	}
	return nil
}

// collect returns the different answers to a question. None within the time of a repetition is no error.
func (a *Announcer) collect(r *receiver) ([]net.HardwareAddr, error) {
	var answers []net.HardwareAddr
	for end := time.Now().Add(askAgain); ; {
		s, err := r.next(end)
		if errors.Is(err, os.ErrDeadlineExceeded) || r.ctx.Err() != nil {
			return answers, nil
		}
		if err != nil {
			return nil, err
		}
		a.see(s)
		if len(answers) == 0 {
			end = time.Now().Add(grace)
		}
		if !slices.ContainsFunc(answers, func(mac net.HardwareAddr) bool { return slices.Equal(mac, s.mac) }) {
			answers = append(answers, s.mac)
		}
	}
}
