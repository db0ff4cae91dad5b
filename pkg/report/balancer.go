// SPDX-License-Identifier: Apache-2.0

package report

import (
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/health"
	"github.com/harbinger-ha/harbinger/pkg/proxy"
)

func balancer(f Facts) v1alpha1.Balancer {
	p := f.Balancer
	b := v1alpha1.Balancer{
		Up: p.PID != 0, PID: p.PID, Keeps: p.Kept, Restarts: p.Restarts, Mode: passedBy(f.KernelMode), Steering: "none", Steered: f.Steered,
		Degraded: p.Degraded(), Active: p.Active, Limit: p.Limit, Lowered: p.Lowered, Peak: p.Peak, Accepted: p.Accepted, Rate: p.Rate, PeakRate: p.PeakRate, Refused: p.Refused,
		Received: p.Received, Sent: p.Sent, LeftOut: f.LeftOut.Count, Frontends: []string{}, Backends: []v1alpha1.Backend{},
	}
	for why, count := range p.RefusedBy {
		if b.RefusedByReason == nil {
			b.RefusedByReason = map[string]uint64{}
		}
		b.RefusedByReason[why.String()] = count
	}
	if f.Node.Steering != "" {
		b.Steering = f.Node.Steering
	}
	for _, frontend := range f.Node.Frontends {
		b.Frontends = append(b.Frontends, frontend.String())
	}
	for _, x := range p.Backends {
		b.Backends = append(b.Backends, apiserver(x))
	}
	return b
}

func apiserver(x proxy.BackendStatus) v1alpha1.Backend {
	b := v1alpha1.Backend{
		Address: x.Address.String(), Backup: x.Backup, State: x.State.String(), Since: wall(x.Since), Healthy: x.Healthy, Proved: x.Proved, Accepts: x.Accepts,
		Connections: x.Connections, Peak: x.Peak, Total: x.Total, Failures: x.Failures, Sent: x.Sent, Received: x.Received,
		Checked: known(x.Checked), CheckFailure: x.Failure, Downs: x.Downs,
	}
	if !x.Admin.Takes() {
		b.Admin = string(x.Admin)
	}
	if x.State != health.Healthy {
		b.Reason = x.Reason
	}
	if b.Checked != nil {
		b.CheckTook = x.Took.Round(10 * time.Microsecond).String()
	}
	if x.Downtime > 0 {
		b.Downtime = x.Downtime.Round(time.Millisecond).String()
	}
	return b
}
