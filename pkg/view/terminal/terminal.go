// SPDX-License-Identifier: Apache-2.0

// Package terminal writes a status for people at a terminal: the worst first, in blocks, and no line wider than the window. Text of
// other hosts cannot move the cursor nor change colours.
package terminal

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/view"
)

// Options say for which terminal, and how much.
type Options struct {
	// Now is the moment that ages are of.
	Now time.Time
	// Width of the terminal, in columns. What is less than 20 counts as 20, what is more than 160 as 160.
	Width int
	// Color says that the terminal knows colours.
	Color bool
	// Wide adds what is seldom looked at.
	Wide bool
}

// screen is the text of one status that is being written.
type screen struct {
	*canvas
	Options
	s     *v1alpha1.HarbingerStatus
	names view.Names
}

// Render returns the status of a host as text. Its first three lines say the worst that is wrong, or that all is well.
func Render(s *v1alpha1.HarbingerStatus, o Options) string {
	c := &screen{canvas: newCanvas(o), Options: o, s: s, names: view.NamesOf(s)}
	c.headline(view.HeadlineOf(s))
	c.out.WriteByte('\n')
	c.address()
	c.arbiter()
	c.fence()
	c.signing()
	c.peers()
	c.balancer()
	c.backends()
	c.moves()
	c.history()
	c.findings()
	if o.Wide {
		c.details()
	}
	return c.out.String()
}

// Backends returns the backends of a host as text, by their addresses.
func Backends(s *v1alpha1.HarbingerStatus, o Options) string {
	c := &screen{canvas: newCanvas(o), Options: o, s: s}
	c.backends()
	return c.out.String()
}

// Headline returns what must be read first as text, for where there is nothing else.
func Headline(h view.Headline, o Options) string {
	c := newCanvas(o)
	c.headline(h)
	return c.out.String()
}

// headlines is how many lines the first sentences have at most where the findings repeat them.
const headlines = 3

// headline writes what is wrong, and what to do.
func (c *canvas) headline(h view.Headline) {
	mark, s := "", good
	switch h.Severity {
	case "":
	case v1alpha1.SeverityCritical:
		mark, s = "CRITICAL: ", bad
	default:
		mark, s = "WARNING: ", doubt
	}
	what, action := wrap(mark+view.Safe(h.Text), c.width), wrap(view.Safe(h.Action), c.width)
	if len(what)+len(action) > headlines { // one paragraph saves a line
		what, action = wrap(mark+view.Safe(h.Text+" "+h.Action), c.width), nil
	}
	if h.Repeated && len(what) > headlines {
		last, _ := cut(what[headlines-1], c.width-2)
		what = append(what[:headlines-1], strings.TrimRight(last, " ")+" …")
	}
	for _, line := range what {
		c.raw(cell{line, s})
	}
	for _, line := range action {
		c.raw(cell{line, strong})
	}
}

// address says where the virtual addresses are, and why.
func (c *screen) address() {
	r := &c.s.VirtualRouter
	var addresses []string
	for _, p := range c.s.VirtualAddresses {
		addresses = append(addresses, p.String())
	}
	where := ", nobody is known to hold " + either(len(addresses), "it", "them")
	holder := c.names.Holder(c.s)
	switch {
	case r.Held:
		where = ", held by this host"
	case holder != "":
		where = ", held by " + holder
	}
	c.block("ADDRESS")
	c.text(0, strong, strings.Join(addresses, ", ")+" on "+c.s.Interface+where)
	c.block("STATE")
	state := fmt.Sprintf("%s on %s for %s, priority %d", r.State, c.s.Node, view.For(c.Now, r.Since), r.Priority)
	if r.Priority != r.Configured {
		state += fmt.Sprintf(" (configured: %d)", r.Configured)
	}
	if !r.Held && holder != "" && r.HolderHeard != nil {
		state += fmt.Sprintf("; heard %s %s, priority %d", holder, view.Age(c.Now, *r.HolderHeard), r.HolderPriority)
	}
	c.text(0, plain, state)
	c.block("WHY")
	c.text(0, plain, cmp.Or(r.CurrentReason, r.Reason))
	if r.Conflict != "" {
		c.block("CONFLICT")
		text := r.Conflict
		if h := r.ConflictWith; h == nil || h.HardwareAddress == "" || !strings.Contains(text, h.HardwareAddress) {
			text += " (" + c.host(h) + ")"
		}
		c.text(0, bad, text)
	}
	if r.CouldNotAsk != "" {
		c.block("NOT ASKED")
		c.text(0, plain, r.CouldNotAsk)
	}
}

// either chooses a word for one and one for more.
func either(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// host identifies the host of a conflict.
func (c *screen) host(h *v1alpha1.Host) string {
	switch {
	case h == nil || h.HardwareAddress == "":
		return "hardware address not known"
	case h.Address == "":
		return "hardware address " + h.HardwareAddress
	}
	return "node " + c.names.Of(h.Address) + ", hardware address " + h.HardwareAddress
}

// arbiter says what decides, and what stands in the way to the API.
func (c *screen) arbiter() {
	c.block("ARBITER")
	lease := c.s.Lease
	if lease == nil {
		c.text(0, plain, c.s.VirtualRouter.Arbiter+", mode "+c.s.VirtualRouter.Mode)
		if c.s.API != nil {
			c.access("", *c.s.API)
		}
		return
	}
	text := fmt.Sprintf("Lease %s of %s, epoch %d", lease.Name, cmp.Or(lease.Node, lease.Holder, "nobody"), lease.Epoch)
	if arbiter := c.s.VirtualRouter.Arbiter; !strings.EqualFold(arbiter, "lease") {
		text = arbiter + " alone, not the " + text
	}
	answered := ", the API has never answered"
	if lease.Answered != nil {
		answered = ", answered " + view.Age(c.Now, *lease.Answered)
	}
	c.text(0, plain, text+answered)
	c.access(lease.Failure, lease.API)
}

// access says what is wrong with the API, and with which apiserver.
func (c *screen) access(failure string, api v1alpha1.API) {
	apart := slices.ContainsFunc(api.APIServers, func(server v1alpha1.APIServer) bool { return server.Failure != "" })
	if failure != "" && failure != api.Credentials && !apart {
		c.text(0, bad, failure)
	}
	if api.Credentials != "" {
		c.text(0, doubt, api.Credentials)
	}
	for _, server := range api.APIServers {
		if server.Failure == "" && !c.Wide {
			continue
		}
		answered := "has never answered"
		if server.Answered != nil {
			answered = "answered " + view.Age(c.Now, *server.Answered)
		}
		if server.Failure != "" {
			answered += ", since then: " + server.Failure
		}
		c.text(0, plain, c.endpoint(server.Address)+" "+answered)
	}
	if api.Expires != nil && (c.Wide || api.Credentials != "") {
		c.text(0, plain, "The client certificate expires "+view.Age(c.Now, *api.Expires)+".")
	}
}

// endpoint is the name of a node with the address that it is known by, or the address alone.
func (c *screen) endpoint(address string) string {
	if name := c.names.Of(address); name != view.Safe(address) {
		return name + " (" + address + ")"
	}
	return address
}
