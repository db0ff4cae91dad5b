// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/scheme"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/validation"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/membership"
)

// reloadEvery is how often the configuration file is looked at. A file that was replaced by rename is found as well.
const reloadEvery = time.Second

// followFile applies a changed configuration file while everything runs. What is wrong with a file is logged once, and the
// configuration before it stays in force.
func (s *sidecar) followFile(ctx context.Context) error {
	ticker := time.NewTicker(reloadEvery)
	defer ticker.Stop()
	last, err := os.ReadFile(s.File)
	for logged := fmt.Sprint(err); ; {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		raw, err := os.ReadFile(s.File)
		if err == nil && bytes.Equal(raw, last) {
			continue
		}
		if err == nil {
			last = raw
			err = s.reload(raw)
		}
		if message := fmt.Sprint(err); err != nil && message != logged {
			logged = message
			s.metrics.Failed("reload")
			s.Log.Error(err, logging.MsgConfigNotApplied, logging.KeyFile, s.File)
		}
	}
}

// reload applies a document as far as that is possible while everything runs.
func (s *sidecar) reload(raw []byte) error {
	next, err := scheme.Decode(raw)
	if err != nil {
		return err
	}
	if fixed := validation.NeedsRestart(s.cfg, next); len(fixed) > 0 {
		return fmt.Errorf("a change of %s asks for a restart of the pod", strings.Join(fixed, ", "))
	}
	if v := (membership.View{Config: next, Link: s.link}); !v.NamesThisNode() {
		return errors.New("election.vrrp.peers: no address of this node is among them")
	}
	s.members.change(func(v *membership.View) { v.Config = next })
	v := next.Election.VRRP
	s.Log.Info(logging.MsgConfigChanged, logging.KeyPriority, v.Priority, logging.KeyBackends, len(next.LoadBalancer.Backends))
	return nil
}
