// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/validation"
	"github.com/harbinger-ha/harbinger/pkg/hostfile"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/membership"
)

// followFile applies a changed configuration file while everything runs. What is wrong with a file is logged once, and the
// configuration before it stays in force. A change counts when it was found twice alike: a reader may come while the file is
// written, or between its removal and its return.
func (s *sidecar) followFile(ctx context.Context) error {
	ticker := time.NewTicker(filesEvery)
	defer ticker.Stop()
	type found struct{ content, problem string }
	look := func() found {
		raw, err := hostfile.Read(s.File)
		if err != nil {
			return found{problem: err.Error()}
		}
		return found{content: string(raw)}
	}
	done := look()
	inForce := done.content
	for before := done; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now := look()
		switch {
		case now == done || now != before:
		case now.problem == "" && now.content == inForce: // it is back as it was
			done = now
			s.files.remember(s.File, nil)
		default:
			done = now
			if s.applyFile(now.content, now.problem) {
				inForce = now.content
			}
		}
		before = now
	}
}

// applyFile uses what was found in the configuration file, and reports whether it is in force now.
func (s *sidecar) applyFile(content, problem string) bool {
	err := errors.New(problem)
	if problem == "" {
		err = s.reload([]byte(content))
	}
	if s.files.remember(s.File, err) {
		s.metrics.Failed("reload")
		s.Log.Error(err, logging.MsgConfigNotApplied, logging.KeyFile, s.File)
	}
	return err == nil
}

// reload applies a document as far as that is possible while everything runs.
func (s *sidecar) reload(raw []byte) error {
	next, err := scheme.Decode(raw)
	if err != nil {
		return err
	}
	if next, err = withPassword(next); err != nil {
		return err
	}
	keys, err := loadKeys(next.Election.VRRP)
	if err != nil {
		return err
	}
	if fixed := validation.NeedsRestart(s.cfg, next); len(fixed) > 0 {
		return fmt.Errorf("a change of %s asks for a restart of the pod", strings.Join(fixed, ", "))
	}
	if v := (membership.View{Config: next, Link: s.members.link()}); !v.NamesThisNode() {
		return errors.New("election.vrrp.peers: no address of this node is among them")
	}
	if err := s.changeKeys(next.Election.VRRP, keys); err != nil {
		return err
	}
	s.members.change(func(v *membership.View) { v.Config = next })
	v := next.Election.VRRP
	s.Log.Info(logging.MsgConfigChanged, logging.KeyPriority, v.Priority, logging.KeyBackends, len(next.LoadBalancer.Backends))
	return nil
}
