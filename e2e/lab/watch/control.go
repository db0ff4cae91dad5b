// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
)

// delay is how late an answer may be on a machine that schedules every process in time. On others the election promises
// nothing.
const delay = 50 * time.Millisecond

// ErrStalled says that the machine stalled for most of a measurement, which shows nothing then.
var ErrStalled = errors.New("nothing was measured")

// A Control asks a server that no fault is done to, while and as a client asks what is measured. While no answer comes from
// that server, the machine has no time for any process: it stalls. Measurements leave out the stalls, so that they show the
// behaviour of what is measured and not that of the machine.
//
// A nil Control knows of no stall.
type Control struct{ client *Client }

// StartControl makes a host ask a server with the configuration of the client that measures, and returns once the server
// answers.
func StartControl(h *lab.Host, server netip.AddrPort, measured ClientConfig) (*Control, error) {
	measured.Target = server
	c := &Control{StartClient(h, measured)}
	if err := lab.Until(30*time.Second, "the control is answered", func() bool { return c.client.Served(100 * time.Millisecond) }); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

// Stalled returns for how long the machine stalled from one moment to another, with the delay after which it showed the
// second.
func (c *Control) Stalled(from, to time.Time) time.Duration {
	return to.Sub(from) - c.Between(from, to)
}

// Between returns how long it is from one moment to another, without stalls.
func (c *Control) Between(from, to time.Time) time.Duration {
	if c == nil {
		return to.Sub(from)
	}
	to = c.happened(to)
	return max(0, to.Sub(from)-c.pauses(from, to))
}

// happened returns when an event happened that was seen at a moment: it is as late as the answer that the control awaits at
// that moment.
func (c *Control) happened(seen time.Time) time.Time {
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	happened := seen
	for _, a := range slices.Backward(c.client.attempts) {
		if a.End().Before(seen) {
			break
		}
		if onTime := a.Start.Add(delay); onTime.Before(happened) {
			happened = onTime
		}
	}
	return happened
}

// pauses returns for how long no answer came. A pause lasts from when an answer was due to when one came.
func (c *Control) pauses(from, to time.Time) (paused time.Duration) {
	answers := append(c.answers(from, to), time.Now())
	for i, answer := range answers[1:] {
		if due := answers[i].Add(c.client.cfg.Interval); answer.Sub(due) > delay {
			paused += overlap(due, answer, from, to)
		}
	}
	return paused
}

// Pause returns the longest time between two answers from one moment to another, less the time after which the next one was due. What
// is shorter than that in a measurement may be the machine's. Only longer ones than a busy machine has are stalls, and left out.
func (c *Control) Pause(from, to time.Time) (longest time.Duration) {
	answers := c.answers(from, to)
	for i, answer := range answers {
		if i > 0 {
			longest = max(longest, answer.Sub(answers[i-1])-c.client.cfg.Interval)
		}
	}
	return longest
}

// answers returns when the answers came, from the last before one time to the first after another.
func (c *Control) answers(from, to time.Time) []time.Time {
	c.client.mu.Lock()
	defer c.client.mu.Unlock()
	var answers []time.Time
	for _, a := range slices.Backward(c.client.attempts) {
		if !a.OK {
			continue
		}
		if a.End().After(to) {
			answers = answers[:0]
		}
		answers = append(answers, a.End())
		if a.End().Before(from) {
			break
		}
	}
	slices.SortFunc(answers, time.Time.Compare) // attempts may change places at their end
	return answers
}

// overlap returns the length of what two spans of time have in common.
func overlap(from, to, from2, to2 time.Time) time.Duration {
	if from.Before(from2) {
		from = from2
	}
	if to.After(to2) {
		to = to2
	}
	return max(0, to.Sub(from))
}

// Check returns an error if the machine stalled for most of the time since a moment: the measurement then shows nothing.
func (c *Control) Check(since time.Time) error {
	now := time.Now()
	length, stalled := now.Sub(since), c.Stalled(since, now)
	if stalled > length/2 {
		return fmt.Errorf("%w: the machine stalled for %v of %v", ErrStalled, stalled.Round(time.Millisecond), length.Round(time.Millisecond))
	}
	return nil
}

// patience is how many times longer than without stalls a wait may take.
const patience = 3

// Until waits for a condition, like [lab.Until], but for a time without stalls.
func (c *Control) Until(timeout time.Duration, what string, condition func() bool) error {
	start := time.Now()
	var met bool
	err := lab.Until(patience*timeout, what, func() bool {
		met = condition()
		return met || time.Since(start) > timeout && c.Between(start, time.Now()) > timeout
	})
	if err == nil && !met {
		err = fmt.Errorf("waited %v until %s", timeout, what)
	}
	return err
}

// Stop ends the control. What it saw can still be read.
func (c *Control) Stop() { c.client.Stop() }
