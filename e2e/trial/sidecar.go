// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// A Sidecar is what runs on one node to hold the address and to balance.
type Sidecar struct {
	Keeper *lab.Process
	// Balancer is nil where it is a child of the keeper.
	Balancer *lab.Process
}

func (s *Sidecar) processes() []*lab.Process {
	if s.Balancer == nil {
		return []*lab.Process{s.Keeper}
	}
	return []*lab.Process{s.Keeper, s.Balancer}
}

// each does something to every process of the sidecar.
func (s *Sidecar) each(do func(*lab.Process) error) error {
	var errs []error
	for _, p := range s.processes() {
		errs = append(errs, do(p))
	}
	return errors.Join(errs...)
}

// Stop asks the sidecar to release the address and end.
func (s *Sidecar) Stop() error { return s.Keeper.Terminate() }

// Kill kills all processes of the sidecar.
func (s *Sidecar) Kill() error { return s.each((*lab.Process).Kill) }

// Freeze suspends the processes of the sidecar.
func (s *Sidecar) Freeze() error { return s.each((*lab.Process).Freeze) }

// Thaw resumes a frozen sidecar.
func (s *Sidecar) Thaw() error { return s.each((*lab.Process).Thaw) }

// CrashBalancer kills the balancer alone.
func (s *Sidecar) CrashBalancer() error {
	if s.Balancer != nil {
		return s.Balancer.Kill()
	}
	children := s.Keeper.Children()
	if len(children) != 1 {
		return fmt.Errorf("the keeper has %d children, want the balancer alone", len(children))
	}
	return syscall.Kill(children[0], syscall.SIGKILL)
}
