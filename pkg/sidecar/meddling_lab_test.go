// SPDX-License-Identifier: Apache-2.0

package sidecar_test

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/labtest"
	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// dockerRules are what dockerd makes of a host with one container.
const dockerRules = `table ip nat {
	chain DOCKER { iifname "docker0" return; iifname != "docker0" tcp dport 8080 dnat to 172.17.0.2:80; }
	chain PREROUTING { type nat hook prerouting priority dstnat; policy accept; fib daddr type local jump DOCKER; }
	chain POSTROUTING { type nat hook postrouting priority srcnat; policy accept; ip saddr 172.17.0.0/16 oifname != "docker0" masquerade; }
}
table ip filter {
	chain FORWARD { type filter hook forward priority filter; policy drop; oifname "docker0" ct state established,related accept; iifname "docker0" accept; }
}
`

// rewriteServices replaces a table of many chains, as kube-proxy does in its mode nftables.
func rewriteServices(h *lab.Host) error {
	var b strings.Builder
	b.WriteString("table ip kube-proxy\ndelete table ip kube-proxy\ntable ip kube-proxy {\n")
	for i := range 500 {
		fmt.Fprintf(&b, "chain service-%d { ip daddr 172.30.%d.%d tcp dport 443 counter accept; }\n", i, i/250, i%250+1)
	}
	b.WriteString("chain nat { type nat hook prerouting priority dstnat; policy accept; }\n}\n")
	for range 3 {
		if err := h.Nft(b.String()); err != nil {
			return err
		}
	}
	return nil
}

// meddlings are what other programs do on the host of a holder.
var meddlings = []struct {
	name string
	do   func(*lab.Host) error
	away bool // the holder loses its link by it, and the addresses with that
}{
	{"flush ruleset", func(h *lab.Host) error { return labtest.Nft(h, "flush ruleset") }, false},
	{"flush table", func(h *lab.Host) error { _ = labtest.Nft(h, "flush table netdev "+fenceTable); return nil }, false}, // the kernel may refuse it
	{"delete table", func(h *lab.Host) error { _ = labtest.Nft(h, "delete table netdev "+fenceTable); return nil }, false},
	{"iptables -F", func(h *lab.Host) error { return h.Do(func() error { return exec.Command("iptables-nft", "-F").Run() }) }, false},
	{"docker", func(h *lab.Host) error { return h.Nft(dockerRules) }, false},
	{"kube-proxy", rewriteServices, false},
	{"a link made again", (*lab.Host).Replug, true},
}

// backWithin is the time within which a fence that was removed is there again.
const backWithin = time.Second

// A holder serves on whatever other programs do to the rules of its host, and its fence is there again within a second: when it is
// frozen then, it is silent.
func TestFenceBesideOthers(t *testing.T) {
	serveAPI(t)
	d := deploy(t, "VRRP", dualStack+body("VRRP", ""), vip4, peer)
	t.Cleanup(func() { labtest.Must(t, labtest.Nft(peer, "flush ruleset")) })
	for _, act := range meddlings {
		fencedOn(d, act.name, lab.Interface)
		wantAnswers(t, "before "+act.name)
		began := time.Now()
		longest, err := unanswered(began.Add(backWithin), func() error { return act.do(peer) })
		labtest.Must(t, err)
		if !act.away && longest > backWithin {
			t.Errorf("%s: no answer for %s", act.name, longest)
		}
		if act.away {
			fencedOn(d, act.name, lab.Interface)
			wantAnswers(t, "after "+act.name)
		}
		labtest.Must(t, d.processes[0].Freeze())
		pin(t, peer, lab.Interface, both...)
		wantSilence(t, d, act.name, both...)
		labtest.Must(t, d.processes[0].Thaw())
		d.until(act.name+": it has taken the addresses anew", func(s v1alpha1.HarbingerStatus) bool {
			last := s.VirtualRouter.Since
			return holding(s) && slices.ContainsFunc(s.Moves, func(m v1alpha1.Move) bool { return m.From == "Active" && last.Sub(m.Time) < patience })
		})
	}
}

// unanswered connects to the virtual address all the time while something is done, and until a moment, and returns the longest time
// without an answer.
func unanswered(until time.Time, do func() error) (longest time.Duration, err error) {
	done := make(chan error, 1)
	go func() { done <- do() }()
	last := time.Now()
	for over := false; !over || time.Now().Before(until); {
		if answers(vip4) {
			longest, last = max(longest, time.Since(last)), time.Now()
		}
		select {
		case err = <-done:
			over = true
		default:
		}
	}
	return max(longest, time.Since(last)), err
}
