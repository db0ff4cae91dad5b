// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	statusv1alpha1 "github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// statusTimeout bounds one question to the sidecar of this host.
const statusTimeout = 2 * time.Second

const defaultStatusAddress = v1alpha1.DefaultStatusBindAddress

type statusOptions struct {
	address string
	output  string
	watch   bool
}

func newStatusCommand(s streams) *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show who holds the virtual addresses and why, the backends, and the last moves",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.run(cmd.Context(), s.out)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.address, "address", defaultStatusAddress, "address at which the sidecar of this host serves its status (status.bindAddress)")
	flags.StringVarP(&o.output, "output", "o", "table", "table, json or yaml")
	flags.BoolVar(&o.watch, "watch", false, "print the status every second until interrupted")
	return cmd
}

func (o statusOptions) run(ctx context.Context, out io.Writer) error {
	show, ok := statusPrinters[o.output]
	if !ok {
		return usageError(fmt.Errorf("--output %q: use table, json or yaml", o.output))
	}
	for {
		status, err := o.ask(ctx)
		if err != nil {
			return err
		}
		if err := show(out, status); err != nil || !o.watch {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

func (o statusOptions) ask(ctx context.Context) (*statusv1alpha1.HarbingerStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+o.address+"/status", nil)
	if err != nil {
		return nil, usageError(fmt.Errorf("--address %q: %w", o.address, err))
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("the sidecar of this host does not answer on %s: %w (is the pod running? crictl ps --name harbinger shows it)", o.address, err)
	}
	defer response.Body.Close()
	var status statusv1alpha1.HarbingerStatus
	if err := json.NewDecoder(response.Body).Decode(&status); err != nil {
		return nil, fmt.Errorf("read the status from %s: %w", o.address, err)
	}
	return &status, nil
}

var statusPrinters = map[string]func(io.Writer, *statusv1alpha1.HarbingerStatus) error{
	"table": printStatus,
	"json": func(w io.Writer, s *statusv1alpha1.HarbingerStatus) error {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(s)
	},
	"yaml": func(w io.Writer, s *statusv1alpha1.HarbingerStatus) error {
		text, err := yaml.Marshal(s)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "---\n%s", text)
		return err
	},
}

func printStatus(w io.Writer, s *statusv1alpha1.HarbingerStatus) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(cells ...any) { fmt.Fprintln(t, strings.TrimRight(fmt.Sprintln(cells...), "\n")) }
	r, b := s.VirtualRouter, s.Balancer
	line("NODE\t" + s.Node + "\t" + readiness(s))
	line("VIP\t" + joinPrefixes(s) + " on " + s.Interface + "\t" + held(r.Held))
	line(fmt.Sprintf("STATE\t%s for %s\t%s", r.State, since(r.Since), r.CurrentReason))
	line(fmt.Sprintf("HOLDER\t%s\t%s", holder(r), "arbiter "+r.Arbiter))
	if s.Lease != nil {
		line(fmt.Sprintf("LEASE\t%s\t%s", leaseHolder(s.Lease), leaseAccess(s.Lease)))
	}
	line(fmt.Sprintf("VRRP\tv%d router %d, every %s\tpriority %d (configured %d)", r.Version, r.VRID, r.Interval, r.Priority, r.Configured))
	line(fmt.Sprintf("BALANCER\t%s\t%d connections, %d accepted, %d refused", balancerState(b), b.Active, b.Accepted, b.Refused))
	for _, x := range b.Backends {
		line(fmt.Sprintf("BACKEND\t%s %s\t%d connections, %d opened, %d failed", x.Address, backendState(x), x.Connections, x.Total, x.Failures))
	}
	printFaults(line, s)
	for _, reason := range slices.Sorted(maps.Keys(r.Dropped)) {
		d := r.Dropped[reason]
		line(fmt.Sprintf("DROPPED\t%d packets: %s\tlast %s ago from %s", d.Count, reason, since(d.Last), cmp.Or(d.From, "an unknown source")))
	}
	for _, m := range s.Moves {
		line(fmt.Sprintf("MOVE\t%s  %s → %s\t%s", m.Time.Format(time.RFC3339), m.From, m.To, m.Reason))
	}
	return t.Flush()
}

// printFaults prints what is wrong, a line for each fault.
func printFaults(line func(...any), s *statusv1alpha1.HarbingerStatus) {
	r := s.VirtualRouter
	if r.Conflict != "" {
		line("CONFLICT\t" + r.Conflict + "\t" + host(r.ConflictWith))
	}
	if r.SplitSuspected {
		line("SPLIT\tsuspected: the holder serves but is not heard\tis protocol 112 filtered?")
	}
	for _, x := range r.Filtered {
		line(fmt.Sprintf("FILTERED\t%s, %s\t%s", x.Protocol, x.Direction, x.Message))
		for _, command := range x.Remedy {
			line("\t\t" + command)
		}
	}
	if r.CouldNotAsk != "" {
		line("NOT ASKED\t" + r.CouldNotAsk)
	}
	if c := meta.FindStatusCondition(s.Conditions, statusv1alpha1.ConditionFilesCurrent); c != nil && c.Status == metav1.ConditionFalse {
		line("FILES\t" + c.Message)
	}
}

func readiness(s *statusv1alpha1.HarbingerStatus) string {
	if s.Ready {
		return "ready"
	}
	return "not ready: " + strings.Join(s.NotReady, "; ")
}

func joinPrefixes(s *statusv1alpha1.HarbingerStatus) string {
	var all []string
	for _, p := range s.VirtualAddresses {
		all = append(all, p.String())
	}
	return strings.Join(all, ", ")
}

func held(h bool) string {
	if h {
		return "held here"
	}
	return "not held here"
}

func holder(r statusv1alpha1.VirtualRouter) string {
	switch {
	case r.Holder == "":
		return "none heard"
	case r.HolderHeard == nil:
		return r.Holder
	}
	return fmt.Sprintf("%s (priority %d), heard %s ago", r.Holder, r.HolderPriority, since(*r.HolderHeard))
}

// host identifies the host of a conflict.
func host(h *statusv1alpha1.Host) string {
	switch {
	case h == nil || h.HardwareAddress == "":
		return "hardware address not known"
	case h.Address == "":
		return "hardware address " + h.HardwareAddress
	}
	return "node " + h.Address + ", hardware address " + h.HardwareAddress
}

func leaseHolder(l *statusv1alpha1.Lease) string {
	return fmt.Sprintf("%s of %s, epoch %d", l.Name, cmp.Or(l.Node, l.Holder, "nobody"), l.Epoch)
}

// leaseAccess says what stands in the way to the Lease.
func leaseAccess(l *statusv1alpha1.Lease) string {
	access := "never answered"
	if l.Answered != nil {
		access = "answered " + since(*l.Answered) + " ago"
	}
	if problem := cmp.Or(l.Credentials, l.Failure); problem != "" {
		access += ": " + problem
	}
	return access
}

func balancerState(b statusv1alpha1.Balancer) string {
	state := "down"
	if b.Up {
		state = fmt.Sprintf("process %d", b.PID)
	}
	if b.Steered {
		state += ", steered by " + b.Steering
	}
	return state
}

func backendState(b statusv1alpha1.Backend) string {
	state := b.State + " for " + since(b.Since)
	if b.Reason != "" {
		state += ": " + b.Reason
	}
	return state
}

func since(t time.Time) string { return time.Since(t).Round(100 * time.Millisecond).String() }
