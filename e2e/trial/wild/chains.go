// SPDX-License-Identifier: Apache-2.0

package wild

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// How the work of others is measured on a host with the fence and on one without: in pairs, whose order changes, so that what else the
// machine does hits both alike; the medians count.
const (
	pairs      = 15
	mostSlowed = 1.3 // times as long
)

// chainsFile is where a host has the rules that are loaded.
const chainsFile = "/run/chains.nft"

// chainsOf returns how many chains others have: 5,000, and 20,000 in the long matrix.
func (r *run) chainsOf() int {
	if r.cfg.Long {
		return 20_000
	}
	return chains
}

// slowOthers measures how long other programs take to list and to replace thousands of chains, on the holder and on a host that has no
// sidecar.
func (r *run) slowOthers() error {
	if err := r.Start(); err != nil {
		return err
	}
	holder, err := r.Holder()
	if err != nil {
		return err
	}
	plain, err := r.UnknownHost()
	if err != nil {
		return err
	}
	hosts, script := []*lab.Host{holder.Host, plain}, chainsScript(r.chainsOf())
	for _, h := range hosts {
		if err := errors.Join(h.WriteFile(chainsFile, script), h.Nft(script)); err != nil {
			return err
		}
	}
	start := time.Now()
	for _, work := range [][]string{{"list", "ruleset"}, {"-f", chainsFile}} {
		if err := r.compare(hosts, work); err != nil {
			return err
		}
	}
	r.sample(r.Sample(start))
	return nil
}

// compare has nft do the same on both hosts again and again, and expects that it takes no longer on the first.
func (r *run) compare(hosts []*lab.Host, work []string) error {
	took := make([][]time.Duration, len(hosts))
	for pair := range pairs {
		for i := range hosts {
			i = (i + pair) % len(hosts)
			d, err := timed(hosts[i], work)
			if err != nil {
				return err
			}
			took[i] = append(took[i], d)
		}
	}
	beside, without := median(took[0]), median(took[1])
	ratio := beside.Seconds() / without.Seconds()
	r.note("nft %s with %d chains: %.3f s beside the fence, %.3f s without: %.2f times ≤ %.1f", strings.Join(work, " "), r.chainsOf(),
		beside.Seconds(), without.Seconds(), ratio, mostSlowed)
	if ratio > mostSlowed {
		r.row.Fail(fmt.Errorf("nft %s takes %.2f times as long beside the fence, want at most %.1f", strings.Join(work, " "), ratio, mostSlowed))
	}
	return nil
}

// timed returns how long nft takes on a host.
func timed(h *lab.Host, work []string) (time.Duration, error) {
	path, err := lab.FindProgram("nft")
	if err != nil {
		return 0, err
	}
	start := time.Now()
	p, err := h.Start(lab.Command{Path: path, Args: work})
	if err != nil {
		return 0, err
	}
	if err := p.Wait(time.Minute); err != nil {
		return 0, fmt.Errorf("nft %v: %w\n%s", work, err, p.Output())
	}
	return time.Since(start), nil
}

func median(times []time.Duration) time.Duration {
	return slices.Sorted(slices.Values(times))[len(times)/2]
}
