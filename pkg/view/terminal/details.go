// SPDX-License-Identifier: Apache-2.0

package terminal

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/view"
)

// details are what is seldom looked at.
func (c *screen) details() {
	r := &c.s.VirtualRouter
	c.block("VRRP")
	c.text(0, plain, fmt.Sprintf("version %d, virtual router %d, every %s, mode %s, epoch %d", r.Version, r.VRID, view.DurationOf(r.Interval), r.Mode, r.Epoch))
	c.block("DROPPED")
	for _, reason := range slices.Sorted(maps.Keys(r.Dropped)) {
		d := r.Dropped[reason]
		c.text(0, plain, fmt.Sprintf("%s: %s, the last one %s from %s", reason, view.Count(d.Count, "packet", "packets"), view.Age(c.Now, d.Last),
			cmp.Or(c.names.Of(d.From), "an unknown source")))
	}
	c.block("REACH")
	if len(c.s.Hosts) > 0 {
		c.reach()
	}
	if r.Reach != nil {
		c.text(0, plain, fmt.Sprintf("gateway %s: %s, asked %s", cmp.Or(r.Reach.Gateway.Address, "none"), r.Reach.Gateway.Finding, view.Age(c.Now, r.Reach.Asked)))
	}
	if w := r.Witness; w != nil {
		text := fmt.Sprintf("this host reaches the virtual addresses at %s, tried %s", c.names.Of(w.Holder), view.Age(c.Now, w.Checked))
		if w.Failures > 0 {
			text = fmt.Sprintf("this host does not reach the virtual addresses at %s: %s, the last one %s", c.names.Of(w.Holder), view.Count(w.Failures, "failure", "failures"), view.Age(c.Now, w.Checked))
		}
		c.text(0, plain, text)
	}
	if f := r.Forged; f != nil {
		c.block("FORGED")
		c.text(0, plain, fmt.Sprintf("from %s, hardware address %s, %s", c.names.Of(f.Source), cmp.Or(f.HardwareAddress, "not known"), view.Age(c.Now, f.Last)))
	}
	c.block("FAILING")
	for _, action := range slices.Sorted(maps.Keys(r.Failing)) {
		c.text(0, bad, action+": "+r.Failing[action])
	}
	c.conditions()
	c.block("PROCESS")
	c.text(0, plain, fmt.Sprintf("%s, cluster %s, incarnation %s, started %s", c.s.Version, c.s.Cluster, c.s.Incarnation, view.Age(c.Now, c.s.Started)))
}

// fence says what keeps the addresses off the wire when the process ends.
func (c *screen) fence() {
	f := c.s.VirtualRouter.Fence
	if f == nil {
		return
	}
	c.block("FENCE")
	text := strings.ToLower(f.State)
	if len(f.Interfaces) > 0 {
		text += " on " + strings.Join(f.Interfaces, ", ") + fmt.Sprintf(", closes %s after its last renewal", view.DurationOf(f.Timeout))
	}
	style := plain
	if f.Reason != "" {
		text, style = text+": "+f.Reason, doubt
	}
	if f.PutBack > 0 {
		text += ", put back " + view.Count(f.PutBack, "time", "times")
	}
	c.text(0, style, text)
	if c.Wide {
		c.text(0, plain, "nft list table netdev "+f.Table)
	}
}

// signing says whether each peer was heard with a signature: before mode Enforce, each must have been.
func (c *screen) signing() {
	s := c.s.VirtualRouter.Signing
	if s == nil {
		return
	}
	c.block("SIGNED")
	text := fmt.Sprintf("%s, key %d", s.Mode, s.ActiveKey)
	if s.EveryPeerSigned {
		text += "; every peer was heard signed"
	}
	c.text(0, plain, text)
	for _, p := range s.Peers {
		if s.EveryPeerSigned && !p.Skewed && p.Unsigned == 0 && !c.Wide {
			continue
		}
		heard := "not heard signed"
		if p.Signed != nil {
			heard = fmt.Sprintf("key %d %s, clock %s ahead", p.Key, view.Age(c.Now, *p.Signed), view.DurationOf(p.Skew))
		}
		if p.Unsigned > 0 {
			heard += ", " + view.Number(p.Unsigned) + " unsigned"
		}
		c.text(0, plain, c.names.Of(p.Address)+": "+heard)
	}
}

var conditionColumns = []column{{title: "CONDITION"}, {title: "STATUS"}, {title: "FOR", spare: 1}, {title: "REASON", spare: 2}}

// conditions are all of them, good or bad.
func (c *screen) conditions() {
	c.block("ALL")
	var rows []row
	for _, x := range c.s.Conditions {
		r := row{cells: []cell{{x.Type, strong}, {string(x.Status), plain}, {view.For(c.Now, x.LastTransitionTime.Time), plain}, {x.Reason, plain}}}
		if x.Message != "" {
			r.notes = []cell{{x.Message, plain}}
		}
		rows = append(rows, r)
	}
	c.table(conditionColumns, rows)
}
