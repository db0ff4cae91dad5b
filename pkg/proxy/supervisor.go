// SPDX-License-Identifier: Apache-2.0

package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/balance"
	"github.com/harbinger-ha/harbinger/pkg/guard"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/logging"
)

// SupervisorConfig describes a Supervisor.
type SupervisorConfig struct {
	Log       logr.Logger
	Command   []string // starts a balancer process
	Listeners []*Listener
	Settings  Settings
	// OnStatus is called when a balancer process came or went, or the state of a backend changed, by one goroutine. It
	// must not block.
	OnStatus func(Status)
}

// A Supervisor keeps one balancer process running: it starts the next one when one ends, and kills one that hangs.
// The listening sockets stay open meanwhile, so that connections wait instead of being refused.
type Supervisor struct {
	cfg     SupervisorConfig
	changed chan struct{} // holds a signal when there is something new to command
	cut     chan struct{} // closed when a drain has taken too long
	done    chan struct{} // closed when Run has returned

	// Of the goroutine that watches the process.
	kept   string // privileges that it does not need
	warned string // what the log said of that last

	mu      sync.Mutex
	command command
	status  Status
	heard   time.Time                // when the newest report came
	news    chan struct{}            // closed at the next change of the status
	list    *v1alpha1.ConnectionList // that the newest question for one was answered with, while somebody asks
	asking  int                      // how many ask for one
}

// NewSupervisor returns a Supervisor that has started nothing yet.
func NewSupervisor(cfg SupervisorConfig) *Supervisor {
	return &Supervisor{
		cfg:     cfg,
		changed: make(chan struct{}, 1), // one signal is as good as many
		cut:     make(chan struct{}),
		done:    make(chan struct{}),
		news:    make(chan struct{}),
		command: command{Version: protocolVersion, Settings: cfg.Settings},
	}
}

// SetListeners gives the sockets to serve, where they were not open when the Supervisor was made. Run has not been called yet.
func (s *Supervisor) SetListeners(listeners []*Listener) { s.cfg.Listeners = listeners }

// Apply changes the settings. Established connections stay. What was ordered of a backend that is none any more is forgotten.
func (s *Supervisor) Apply(settings Settings) {
	var before balance.Orders
	var forgotten []netip.AddrPort
	s.setCommand(func(c *command) {
		before, c.Settings = c.Orders, settings
		c.Orders, forgotten = c.Orders.Only(settings.Backends)
	})
	for _, backend := range forgotten {
		s.logOrder(backend, before.Of(backend), balance.Ready, "it is no backend any more")
	}
}

// Trust changes the authority by which backends are verified.
func (s *Supervisor) Trust(authority health.Authority) {
	s.setCommand(func(c *command) { c.Settings.Authority = authority })
}

// Doubt makes the backends of a host suspect until a check has passed, as something shows that the host may be dead. reason is for
// the log.
func (s *Supervisor) Doubt(host netip.Addr, reason string) {
	s.setCommand(func(c *command) { c.Doubt = doubt{Number: c.Doubt.Number + 1, Host: host, Reason: reason} })
}

// Settle waits until no session of the virtual addresses that existed at its begin transfers anything, or ctx is done. It is the
// time that a planned move of the addresses grants.
func (s *Supervisor) Settle(ctx context.Context) {
	number := s.number(func(c *command) *int { return &c.Settle })
	s.await(ctx, func(status Status) bool { return status.Settle >= number && status.Settling == 0 })
}

// EndSessions resets all sessions of the virtual addresses, and returns when that is done, or ctx is. It comes before the
// addresses leave this host, as nothing can be sent from them afterwards.
func (s *Supervisor) EndSessions(ctx context.Context) {
	number := s.number(func(c *command) *int { return &c.End })
	s.await(ctx, func(status Status) bool { return status.End >= number })
}

// number gives a command its next number.
func (s *Supervisor) number(of func(*command) *int) (number int) {
	s.setCommand(func(c *command) {
		*of(c)++
		number = *of(c)
	})
	return number
}

// await waits until a status is as it should be, no balancer process is left, or ctx is done.
func (s *Supervisor) await(ctx context.Context, done func(Status) bool) {
	for {
		s.mu.Lock()
		status, news := s.status, s.news
		s.mu.Unlock()
		if status.PID == 0 || done(status) {
			return
		}
		select {
		case <-news:
		case <-s.done:
			return
		case <-ctx.Done():
			return
		}
	}
}

// Drain stops accepting connections for good, and returns when the last one has ended, or ctx is done and they have been
// cut. Then Run, which has to be running, returns as well. Drain may be called once.
func (s *Supervisor) Drain(ctx context.Context) error {
	err := s.refuse()
	s.setCommand(func(c *command) { c.Drain = true })
	select {
	case <-s.done:
		return err
	case <-ctx.Done():
		close(s.cut)
	}
	<-s.done
	return errors.Join(err, ctx.Err())
}

// Status returns the newest status.
func (s *Supervisor) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Limits of a balancer process that fails.
const (
	firstDelay   = 100 * time.Millisecond // before the second restart in a row; the first comes at once
	longestDelay = time.Second
	stableAfter  = 10 * time.Second // a process that lived so long has failed for a new reason
	refuseAfter  = 5 * time.Second  // without a process that works, waiting connections are refused
	silentAfter  = 2 * time.Second  // without a report, a process that is stopped or asleep hangs
	spinAfter    = 10 * time.Second // of CPU time without a report, a process hangs that does use its CPU time
	startTime    = 5 * time.Second  // for the first report of a process
)

// Run keeps a balancer process running until ctx is cancelled or Drain has finished. Its error is a panic: what a process does is
// no reason to end.
func (s *Supervisor) Run(ctx context.Context) error {
	defer close(s.done)
	s.mu.Lock()
	s.heard = time.Now()
	s.mu.Unlock()
	for delay := time.Duration(0); ; {
		started := time.Now()
		err := s.runProcess(ctx)
		if ctx.Err() != nil || s.wanted().Drain {
			return nil
		}
		s.lost(err)
		if guard.Stack(err) != "" {
			return err
		}
		if time.Since(started) > stableAfter {
			delay = 0
		}
		select {
		case <-time.After(delay):
		case <-s.changed: // a drain, or settings that may help
		case <-ctx.Done():
			return nil
		}
		delay = min(max(firstDelay, 2*delay), longestDelay)
	}
}

// lost notes that the balancer process is gone.
func (s *Supervisor) lost(err error) {
	logging.Warn(s.cfg.Log, logging.MsgBalancerLost, logging.KeyReason, fmt.Sprint(err))
	s.update(func(status *Status) {
		*status = status.gone()
		status.Restarts++
	})
	s.mu.Lock()
	silence := time.Since(s.heard)
	s.mu.Unlock()
	if silence > refuseAfter {
		if err := s.refuse(); err != nil {
			s.cfg.Log.Error(err, logging.MsgRefusingFailed)
		}
	}
}

// runProcess runs one balancer process until its end and returns why it ended.
func (s *Supervisor) runProcess(ctx context.Context) error {
	p, err := startProcess(s.cfg.Command, s.cfg.Listeners)
	if err != nil {
		return err
	}
	group, ctx := guard.WithContext(ctx)
	stop := context.AfterFunc(ctx, func() {
		_ = p.conn.SetDeadline(time.Unix(1, 0)) // fails only when it is closed, as wanted
	})
	defer stop()
	reports := make(chan report)
	group.Go(func() error { return receive(ctx, p.conn, reports) })
	group.Go(func() error { return s.sendCommands(ctx, p.conn) })
	group.Go(func() error { return s.watch(ctx, p, reports) })
	err = group.Wait()
	_ = p.kill()
	return fmt.Errorf("%w (%s)", err, p.cmd.ProcessState)
}

// sendCommands sends the process what is wanted, at first and whenever that changes.
func (s *Supervisor) sendCommands(ctx context.Context, conn *net.UnixConn) error {
	for {
		if err := send(conn, s.wanted()); err != nil {
			return err
		}
		select {
		case <-s.changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

var (
	errSilent   = errors.New("the balancer process hangs: it sent no report in time, and was stopped or asleep")
	errSpinning = errors.New("the balancer process hangs: it sent no report, and used its CPU time for nothing")
	errCut      = errors.New("draining took too long")
)

// watch takes the reports of the process, and fails when none come although it had the CPU time for them.
func (s *Supervisor) watch(ctx context.Context, p *process, reports <-chan report) error {
	missing := time.NewTimer(heartbeat) // a report that comes in time wakes the keeper, and no timer does
	defer missing.Stop()
	h, o, slow := hang{limit: startTime}, observer{pid: p.cmd.Process.Pid}, time.Time{}
	for {
		select {
		case r := <-reports:
			missing.Reset(heartbeat + heartbeat/2)
			if h.limit == startTime { // its first one
				s.examine(p)
			}
			h, o.before = hang{limit: silentAfter}, nil
			s.reported(r)
			if !slow.IsZero() {
				s.cfg.Log.Info(logging.MsgBalancerReports, logging.KeyLasted, time.Since(slow).Round(time.Millisecond).String())
				slow = time.Time{}
			}
		case <-missing.C:
			missing.Reset(heartbeat)
			switch h.take(o.look()) {
			case stuck:
				return errSilent
			case spinning:
				return errSpinning
			case starved:
				s.works()
				if slow.IsZero() && h.limit == silentAfter {
					slow = time.Now()
					logging.Warn(s.cfg.Log, logging.MsgBalancerSlow, logging.KeyProcess, o.pid)
				}
			case patient:
			}
		case <-s.cut:
			return errCut
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// examine finds out what a process may do that it does not need, and says so once until that is something else.
func (s *Supervisor) examine(p *process) {
	s.kept = p.kept()
	if s.kept != "" && s.kept != s.warned {
		logging.Warn(s.cfg.Log, logging.MsgBalancerUnconfined, logging.KeyReason, s.kept)
	}
	s.warned = s.kept
}

// reported takes a report of the process.
func (s *Supervisor) reported(r report) {
	s.update(func(status *Status) {
		r.Status.Restarts, r.Status.Kept = status.Restarts, s.kept
		*status = r.Status
		s.heard = time.Now()
		if r.List != nil && s.asking > 0 {
			s.list = r.List
		}
	})
}

// works notes that the process does what it can, although it does not report.
func (s *Supervisor) works() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = time.Now()
}

// update changes the status, and reports it where it says something new.
func (s *Supervisor) update(change func(*Status)) {
	s.mu.Lock()
	before := s.status
	change(&s.status)
	status := s.status
	close(s.news)
	s.news = make(chan struct{})
	s.mu.Unlock()
	if s.cfg.OnStatus != nil && differs(before, status) {
		s.cfg.OnStatus(status)
	}
}

// differs reports whether two statuses differ in more than numbers.
func differs(a, b Status) bool {
	return a.PID != b.PID || a.Limit != b.Limit || !slices.EqualFunc(a.Backends, b.Backends, func(a, b BackendStatus) bool {
		return a.Address == b.Address && a.State == b.State && a.Backup == b.Backup && a.Admin == b.Admin && a.Accepts == b.Accepts && a.Proved == b.Proved && a.Deaf == b.Deaf
	})
}

// setCommand changes what is wanted, and has it sent.
func (s *Supervisor) setCommand(change func(*command)) {
	s.mu.Lock()
	change(&s.command)
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

func (s *Supervisor) wanted() command {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.command
}

// refuse makes the kernel refuse connections to all listeners.
func (s *Supervisor) refuse() error {
	var failed error
	for _, l := range s.cfg.Listeners {
		failed = errors.Join(failed, refuse(l))
	}
	return failed
}
