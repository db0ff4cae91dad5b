// SPDX-License-Identifier: Apache-2.0

package wild

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/trial"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

// settleTime is the time within which every node knows what has changed.
const settleTime = 20 * time.Second

// await waits for a condition that is not cheap to look at.
func (r *run) await(timeout time.Duration, what string, condition func() bool) error {
	return r.Control.Until(timeout, what, func() bool {
		if condition() {
			return true
		}
		time.Sleep(50 * time.Millisecond)
		return false
	})
}

// get asks a sidecar for a page of its status server.
func get(n *trial.Node, path string) (code int, body string, err error) {
	client := http.Client{Transport: &http.Transport{DialContext: n.Dial, DisableKeepAlives: true}, Timeout: 2 * time.Second}
	response, err := client.Get("http://" + v1alpha1.DefaultStatusBindAddress + path)
	if err != nil {
		return 0, "", fmt.Errorf("ask %s for %s: %w", n.Name, path, err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return response.StatusCode, string(content), err
}

// alarmsOf returns how often a node has raised an alarm of a kind, by its metrics. One that does not answer has raised none.
func alarmsOf(n *trial.Node, kind string) int {
	_, metrics, err := get(n, "/metrics")
	if err != nil {
		return 0
	}
	count := 0
	for _, found := range regexp.MustCompile(`(?m)^harbinger_alarms_total\{.*kind="`+kind+`".*\} (\d+)$`).FindAllStringSubmatch(metrics, -1) {
		each, _ := strconv.Atoi(found[1])
		count += each
	}
	return count
}

// alarmLines returns what a node has written of alarms of a kind.
func alarmLines(n *trial.Node, kind string) (all []string) {
	for line := range strings.Lines(n.Output()) {
		if strings.Contains(line, "Alarm raised") && strings.Contains(line, kind) {
			all = append(all, line)
		}
	}
	return all
}

// kindForged is the alarm of an advertisement that the Lease does not confirm.
const kindForged = "Forged"

// alarms returns how many alarms Forged all nodes have raised.
func (f *floodgate) alarms() (count int) {
	for _, n := range f.Nodes {
		count += alarmsOf(n, kindForged)
	}
	return count
}

// alarmed waits until somebody raises the alarm about a flood, and the log names who sent it.
func (f *floodgate) alarmed(fl flood, holder *trial.Node, before int, within time.Duration) error {
	start := time.Now()
	if err := f.await(within, "the alarm Forged is raised", func() bool { return f.alarms() > before }); err != nil {
		return fmt.Errorf("%s: %w", fl, err)
	}
	f.note("%s: alarm after %.2f s", fl, f.Control.Between(start, time.Now()).Seconds())
	wanted := []string{f.host.MAC.String()}
	if fl.from != changing {
		wanted = append(wanted, f.source(fl.from, holder).String())
	}
	if err := f.await(alarmedAgain, "the log names who forges", func() bool {
		for _, n := range f.Nodes {
			for _, line := range alarmLines(n, kindForged) {
				if containsAll(line, wanted...) {
					return true
				}
			}
		}
		return false
	}); err != nil {
		return fmt.Errorf("%s: %w: no alarm Forged has all of %q", fl, err, wanted)
	}
	return nil
}

func containsAll(text string, wanted ...string) bool {
	for _, w := range wanted {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// counted waits until every node has counted what it refuses for its source.
func (f *floodgate) counted(fl flood, holder *trial.Node) error {
	reason := vrrp.Reason(vrrp.ErrSource)
	err := f.await(alarmedWithin, "every node counts what it refuses", func() bool {
		return f.Each(func(n *trial.Node) error {
			s, err := n.Status()
			if drop := s.VirtualRouter.Dropped[reason]; err == nil && (drop.Count == 0 || fl.from == anUnknown && drop.From != f.source(fl.from, holder).String()) {
				err = errors.New("not counted")
			}
			return err
		}) == nil
	})
	if err != nil {
		return fmt.Errorf("%s: %w", fl, err)
	}
	return nil
}

// keepsLease reads the Lease again and again for a time, and returns an error where its holder has changed or released it.
func (r *run) keepsLease(holder string, d time.Duration) error {
	for end := time.Now().Add(d); time.Now().Before(end); observeFor(200 * time.Millisecond) {
		lease, err := r.Lease()
		if err != nil {
			return err
		}
		if now := lease.Spec.HolderIdentity; now == nil || *now != holder {
			return fmt.Errorf("the Lease was %q's and is %v", holder, now)
		}
	}
	return nil
}

// loads returns what the processes of each sidecar take.
func (r *run) loads() (map[string]lab.Usage, error) {
	all := map[string]lab.Usage{}
	err := r.Each(func(n *trial.Node) error {
		var sum lab.Usage
		for _, pid := range append(n.Sidecar.Keeper.Children(), n.Sidecar.Keeper.PID()) {
			one, err := lab.UsageOf(pid)
			if err != nil {
				return fmt.Errorf("the sidecar of %s: %w", n.Name, err)
			}
			sum.Resident += one.Resident
			sum.Busy += one.Busy
		}
		all[n.Name] = sum
		return nil
	})
	return all, err
}

// judgeLoad compares what the sidecars take with what they took before a flood.
func (f *floodgate) judgeLoad(fl flood, before map[string]lab.Usage, length time.Duration) error {
	after, err := f.loads()
	if err != nil {
		return err
	}
	var grown int64
	var busy float64
	for name, l := range after {
		grown = max(grown, l.Resident-before[name].Resident)
		busy = max(busy, (l.Busy-before[name].Busy).Seconds()/length.Seconds())
	}
	f.note("%s: memory %+.1f MB, %.0f %% of a processor at most", fl, float64(grown)/(1<<20), 100*busy)
	if grown > mostGrown {
		f.row.Fail(fmt.Errorf("%s: the memory of a sidecar has grown by %d bytes, want at most %d", fl, grown, mostGrown))
	}
	if busy > mostBusy {
		f.row.Fail(fmt.Errorf("%s: a sidecar took %.2f of a processor, want at most %.2f", fl, busy, mostBusy))
	}
	return nil
}
