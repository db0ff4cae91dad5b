// SPDX-License-Identifier: Apache-2.0

package sidecar

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/harbinger-ha/harbinger/pkg/apis/config"
	"github.com/harbinger-ha/harbinger/pkg/control"
	"github.com/harbinger-ha/harbinger/pkg/fault"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/hostfile"
	"github.com/harbinger-ha/harbinger/pkg/logging"
	"github.com/harbinger-ha/harbinger/pkg/probe"
	"github.com/harbinger-ha/harbinger/pkg/proxy"
)

// filesEvery is how often the files of the host are looked at.
const filesEvery = time.Second

// files knows which files of the host are in use as they are there, and which are not.
type files struct {
	log    logr.Logger
	mounts hostfile.Mounts // of one goroutine at a time, as the two below
	ca     probe.CAFile
	known  health.Authority // as it was seen last

	mu       sync.Mutex
	unusable map[string]string // why, by path
	replaced []string          // on the host, which the pod does not see
	since    time.Time         // of the first of them
	harm     bool              // the old one has made a balancer distrust a backend
}

// followFiles looks at the files that the host has for this process, but for the configuration file and the kubeconfig, which
// are followed by those who use them.
func (s *sidecar) followFiles(ctx context.Context) error {
	ticker := time.NewTicker(filesEvery)
	defer ticker.Stop()
	for {
		s.followAuthority()
		s.files.notice(s.balancing.supervisor.Status())
		s.followPassword()
		s.followKeys()
		s.followScrape()
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// followAuthority notifies the balancer of whom the CA file vouches for, where that is another than before.
func (s *sidecar) followAuthority() {
	s.applying.Lock() // what the balancer gets follows the members
	defer s.applying.Unlock()
	if authority, changed := s.files.look(s.members.now().Config, s.File); changed {
		s.balancing.supervisor.Trust(authority)
	}
}

// look finds out whether the files that a configuration names can be used, and whether the pod sees those of the host. It returns
// whom the CA file vouches for, which the balancer may not read, and whether that is another than before.
func (f *files) look(cfg *config.HarbingerConfiguration, configFile string) (authority health.Authority, changed bool) {
	paths := []string{cfg.Election.Lease.Kubeconfig}
	if configFile != "" {
		paths = append(paths, configFile)
	}
	ca := cfg.HealthCheck.CAFile
	if cfg.HealthCheck.Scheme == health.HTTPS && ca != "" {
		var err error
		authority, err = f.ca.Look(ca)
		f.used(ca, err)
		paths = append(paths, ca)
	}
	if replaced, err := f.mounts.Replaced(paths...); err == nil { // without /proc nothing else would work either
		f.sees(replaced)
		authority.Replaced = slices.Contains(replaced, ca)
	}
	changed = !reflect.DeepEqual(authority, f.known)
	f.known = authority
	return authority, changed
}

// used remembers whether a file can be used as it is now, and logs what is wrong with it, once until that changes.
func (f *files) used(path string, err error) {
	if f.remember(path, err) {
		logging.Warn(f.log, logging.MsgFileUnusable, logging.KeyFile, path, logging.KeyReason, err.Error())
	}
}

// remember reports whether what is wrong with a file is something new.
func (f *files) remember(path string, err error) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil {
		delete(f.unusable, path)
		return false
	}
	if f.unusable == nil {
		f.unusable = map[string]string{}
	}
	why := fault.Words(err)
	fresh := f.unusable[path] != why
	f.unusable[path] = why
	return fresh
}

// sees remembers which files of the host the pod does not see, and logs it once.
func (f *files) sees(replaced []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(replaced) > 0 && len(f.replaced) == 0 {
		f.since = time.Now()
		f.log.Error(nil, logging.MsgFileReplaced, logging.KeyFile, strings.Join(replaced, ", "), logging.KeyRemedy, remountRemedy)
	}
	f.replaced = replaced
}

const remountRemedy = "write ha.yaml anew with harbinger manifest, which mounts the directory of the file; until then each replacement asks for a restart of the pod"

// notice remembers whether an old file does harm: a balancer that knows that its CA file is old goes on without it after that.
func (f *files) notice(balancer proxy.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.harm = len(f.replaced) > 0 && (f.harm || distrusts(balancer))
}

// state returns which files cannot be used, with the reasons, and which were replaced.
func (f *files) state() (unusable map[string]string, replaced []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.unusable), f.replaced
}

// restart returns an error while this process should be started anew, so that it sees the files of the host.
func (f *files) restart(now time.Time, node string, loop control.Status) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.replaced) == 0 {
		return nil
	}
	if after, ok := restartAfter(node, loop.Held, f.harm); !ok || now.Sub(f.since) < after {
		return nil
	}
	return fmt.Errorf("%s was replaced on the host, and this pod sees the old one until it is started anew", strings.Join(f.replaced, ", "))
}

// The waits before a restart for the sake of a file: each node has its own part of slots, so that they do not stop at once.
const (
	restartSoon  = 5 * time.Second  // where the old file did harm
	restartLater = time.Minute      // where it does none yet, and for the holder after the others
	restartSlots = 30 * time.Second // over which the nodes spread
)

// restartAfter says how long after the replacement of a file a node is started anew, and whether it is at all. The holder waits
// for the others, and goes only where the old file did harm: what cannot be read again, because it was removed and not replaced,
// must not stop the node that serves.
func restartAfter(node string, holds, harm bool) (time.Duration, bool) {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(node)) // never fails
	after := restartSoon + time.Duration(hash.Sum32()%uint32(restartSlots/time.Millisecond))*time.Millisecond
	if holds || !harm {
		after += restartLater
	}
	return after, harm || !holds
}

// distrusts reports whether the certificate of a backend is refused.
func distrusts(balancer proxy.Status) bool {
	for _, b := range balancer.Backends {
		if b.State != health.Healthy && strings.Contains(b.Reason, "x509: ") {
			return true
		}
	}
	return false
}

// alive returns why the kubelet should start this process anew, or nil.
func (r *reporter) alive() error {
	if !r.loop.Alive() {
		return errors.New("the control loop does not turn")
	}
	return r.files.restart(time.Now(), r.node.Name, r.loop.Status())
}
