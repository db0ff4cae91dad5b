// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"sync"
)

// Traffic names packets in the words of nft.
type Traffic string

// The traffic that a [Drop] can name. ARP includes neighbour discovery.
const (
	Everything Traffic = ""
	VRRP       Traffic = "meta l4proto 112"
	ARP        Traffic = "ether type arp"
	ND         Traffic = "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert }"
)

// TCP names the packets to and from a TCP port.
func TCP(port uint16) Traffic {
	return Traffic(fmt.Sprintf("tcp sport . tcp dport { 0-65535 . %[1]d, %[1]d . 0-65535 }", port))
}

// A Drop is traffic that the switch does not pass on.
type Drop struct {
	Traffic  Traffic
	From, To *Host // nil: any host
	Percent  int   // how many of the packets, at random; 0 means all
}

// rule returns the drop as a rule of nft. The name of a port is its host's.
func (d Drop) rule() string {
	var match []string
	if d.From != nil {
		match = append(match, fmt.Sprintf("iifname %q", d.From.Name))
	}
	if d.To != nil {
		match = append(match, fmt.Sprintf("oifname %q", d.To.Name))
	}
	if d.Traffic != Everything {
		match = append(match, string(d.Traffic))
	}
	if d.Percent != 0 {
		match = append(match, fmt.Sprintf("numgen random mod 100 < %d", d.Percent))
	}
	return strings.Join(append(match, "counter drop"), " ")
}

// filter is the traffic that the switch drops now.
type filter struct {
	wire *Netns

	mu    sync.Mutex
	drops []Drop
}

// Drop makes the switch drop traffic, in addition to what it drops already.
func (l *Lab) Drop(drops ...Drop) error {
	return l.filter.change(func(old []Drop) []Drop { return append(old, drops...) })
}

// Pass ends every [Lab.Drop].
func (l *Lab) Pass() error {
	return l.filter.change(func([]Drop) []Drop { return nil })
}

// change replaces the table in the switch by that of the new drops, in one transaction.
func (f *filter) change(with func([]Drop) []Drop) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	drops := with(slices.Clone(f.drops))
	if err := f.wire.Do(func() error { return load(drops) }); err != nil {
		return err
	}
	f.drops = drops
	return nil
}

func load(drops []Drop) error {
	var table strings.Builder
	table.WriteString("table bridge lab\ndelete table bridge lab\n")
	table.WriteString("table bridge lab {\nchain forward {\ntype filter hook forward priority 0\n")
	for _, d := range drops {
		table.WriteString(d.rule() + "\n")
	}
	table.WriteString("}\n}\n")
	return runNft(table.String())
}

// Firewall replaces the firewall of the host by tables in the language of nft; without one it passes everything.
func (h *Host) Firewall(tables string) error {
	return h.Nft("flush ruleset\n" + tables)
}

// Nft carries a script out in the language of nft, beside what the host has.
func (h *Host) Nft(script string) error { return h.Do(func() error { return runNft(script) }) }

// runNft carries out a script in the namespace of the calling thread.
func runNft(script string) error {
	path, err := FindProgram("nft")
	if err != nil {
		return err
	}
	nft := exec.Command(path, "-f", "-")
	nft.Stdin = strings.NewReader(script)
	if out, err := nft.CombinedOutput(); err != nil {
		return fmt.Errorf("filter with nft: %w\n%s", err, out)
	}
	return nil
}
