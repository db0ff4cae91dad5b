// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/scheduling"
	"github.com/harbinger-ha/harbinger/pkg/socket"
)

// self is the ID of this process.
var self = os.Getpid()

// A prober is a Checker and whether it is in use.
type prober struct {
	address netip.AddrPort
	checker Checker
	busy    bool
}

// trust has it verify by an authority, where it verifies.
func (p *prober) trust(authority health.Authority) {
	if truster, ok := p.checker.(Truster); ok {
		truster.Trust(authority)
	}
}

// result is the outcome of a check.
type result struct {
	prober  *prober
	err     error
	took    time.Duration
	proved  bool // the check passed, and proved that the backend belongs to the cluster
	accepts bool // where the check failed: the backend accepts connections all the same
	missed  bool // the check shows nothing: this process was short of CPU, or of something else
	silent  bool // the check is still under way, and the backend does not even accept a connection
}

const (
	// acceptDelay is the part of the timeout of a check after which it is asked as well whether the backend accepts connections, and
	// askAfter when that is at the latest: a healthy apiserver has answered by then.
	acceptDelay = 2
	askAfter    = 25 * time.Millisecond
	// deafAfter is after how long without an answer to that the backend is doubted. A kernel that lives answers within a millisecond,
	// however busy the apiserver is: new connections need not wait for the end of the check.
	deafAfter = 100 * time.Millisecond
	// againAfter is when a second SYN follows the first. Without an answer to it for as long, the host is taken for dead.
	againAfter = deafAfter / 2
)

// check makes one check. Where it fails, it also finds out whether the backend accepts connections, in the time of the check where
// that has no answer: what is dead is found no later. It calls doubt, from another goroutine, as soon as the backend looks dead,
// and once more when its host does.
func (p *prober) check(ctx context.Context, timeout time.Duration, doubt func()) result {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	before, unknown := scheduling.UseOf(self)
	began := time.Now()
	accepted := make(chan bool, 1)
	wait := min(timeout/acceptDelay, askAfter)
	late := time.AfterFunc(wait, func() {
		second := make(chan bool, 1)
		again := time.AfterFunc(againAfter, func() { second <- p.deaf(ctx) })
		defer again.Stop()
		silent := time.AfterFunc(deafAfter, func() {
			counts := func(waited time.Duration) bool { // a stall of this process is no silence
				return unknown != nil || !excused(before, began, waited)
			}
			if !counts(wait + deafAfter) {
				return
			}
			doubt()
			select {
			case deaf := <-second:
				if deaf && counts(wait+againAfter+deafAfter) {
					doubt()
				}
			case <-ctx.Done():
			}
		})
		defer silent.Stop()
		accepted <- accepts(ctx, p.address)
	})
	err := p.checker.Check(ctx)
	r := result{prober: p, err: err, took: time.Since(began)}
	inTime := late.Stop()
	switch {
	case err == nil:
		prover, able := p.checker.(Prover)
		r.proved = able && prover.Proved()
	case !inTime:
		r.accepts = <-accepted
	case !unreachable(err): // it answered, or was not asked
		r.accepts = accepts(ctx, p.address)
	}
	r.missed = unknown == nil && timedOut(err) && excused(before, began, timeout) || short(err)
	return r
}

// deaf reports whether a host answers no SYN in deafAfter, and ctx has not ended.
func (p *prober) deaf(ctx context.Context) bool {
	began := time.Now()
	bounded, cancel := context.WithTimeout(ctx, deafAfter)
	defer cancel()
	conn, err := socket.Dial(bounded, p.address.String())
	if err == nil {
		conn.Close()
	}
	return ctx.Err() == nil && timedOut(err) && time.Since(began) >= deafAfter // the dial may end a moment before its context does
}

// short reports whether an error says that this host was short of something: that says nothing about the backend.
func short(err error) bool {
	return slices.ContainsFunc([]syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.EADDRNOTAVAIL,
	}, func(sign syscall.Errno) bool { return errors.Is(err, sign) })
}

// accepts reports whether a backend accepts a connection before ctx ends.
func accepts(ctx context.Context, backend netip.AddrPort) bool {
	conn, err := socket.Dial(ctx, backend.String())
	if err != nil {
		return false
	}
	conn.Close()
	return true
}

// unreachable reports whether an error shows that the other host or process does not answer at all. An unwanted answer, or a lack
// of resources on this host, is no such error.
func unreachable(err error) bool {
	if timedOut(err) {
		return true
	}
	for _, sign := range []error{
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE, syscall.EHOSTUNREACH, syscall.ENETUNREACH,
		syscall.EHOSTDOWN, io.EOF, io.ErrUnexpectedEOF,
	} {
		if errors.Is(err, sign) {
			return true
		}
	}
	return false
}

// timedOut reports whether an error says that something took too long.
func timedOut(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout) && timeout.Timeout()
}
