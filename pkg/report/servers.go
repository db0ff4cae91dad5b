// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"strings"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
)

// lookAtServers is what to do about apiservers that are unwell.
const lookAtServers = "Look at the apiserver and at etcd on those hosts."

// server is an apiserver that is unwell, in a sentence.
func (j subject) server(b v1alpha1.Backend) string {
	text := fmt.Sprintf("%s is %s", j.host(b.Address), b.State)
	if b.Reason != "" {
		text += ": " + b.Reason
	}
	return text
}

// servers are the apiservers that are unwell, in a sentence.
func (j subject) servers() string {
	var texts []string
	for _, b := range unhealthy(j.s.Balancer) {
		texts = append(texts, j.server(b))
	}
	return strings.Join(texts, "; ")
}

func sayDegraded(j subject) words {
	var accepting []string
	for _, b := range j.s.Balancer.Backends {
		if b.Accepts {
			accepting = append(accepting, j.host(b.Address))
		}
	}
	return words{
		summary: fmt.Sprintf("No apiserver is healthy: connections go to %s, which accept them all the same.", list(accepting)), detail: j.servers(),
		action: lookAtServers, commands: []string{showAPIServers, apiServerLog},
	}
}

func sayBackendAvailable(j subject) words {
	w := words{
		summary: fmt.Sprintf("No apiserver is healthy: this host refuses the clients of %s.", j.vips), detail: j.servers(),
		action: lookAtServers, commands: []string{showAPIServers, apiServerLog},
	}
	if out := orderedOut(j.s.Balancer); len(out) > 0 && len(unhealthy(j.s.Balancer)) < len(j.s.Balancer.Backends) {
		w.summary = fmt.Sprintf("No apiserver takes connections, as `harbinger backend` has taken out %s: this host refuses the clients of %s.", list(out), j.vips)
		w.action, w.commands = "Take one back on this host.", []string{"harbinger backend ready " + out[0]}
	}
	if !j.s.Balancer.Up {
		w.summary = fmt.Sprintf("The balancer of this host does not run: it refuses the clients of %s.", j.vips)
		w.action, w.commands = "It is started again by itself; if it does not stay up, the log says why.", []string{showLog}
	}
	return w
}

// orderedOut are the apiservers that somebody has taken out by hand.
func orderedOut(b v1alpha1.Balancer) (addresses []string) {
	for _, x := range b.Backends {
		if x.Admin != "" {
			addresses = append(addresses, x.Address)
		}
	}
	return addresses
}

func sayBackendsHealthy(j subject) words {
	unwell := unhealthy(j.s.Balancer)
	w := words{
		summary: fmt.Sprintf("%d of %d apiservers are not healthy: %s.", len(unwell), len(j.s.Balancer.Backends), j.server(unwell[0])),
		action:  lookAtServers, commands: []string{showAPIServers, apiServerLog},
	}
	if len(unwell) > 1 {
		w.detail = j.servers()
	}
	return w
}

func sayBackendsLeftOut(j subject) words {
	return words{
		summary: fmt.Sprintf("%d apiservers that the configuration or the API name are not used.", j.f.LeftOut.Count), detail: j.f.LeftOut.Reason,
		action: "Correct loadBalancer.backends, or the EndpointSlices of the Service default/kubernetes.", commands: []string{"kubectl get endpointslices -n default -l kubernetes.io/service-name=kubernetes"},
	}
}

func sayAPIReachable(j subject) words {
	w := words{
		summary: "The Kubernetes API does not answer: VRRP decides alone who holds " + j.vips + ".", detail: j.condition.Message,
		action: "Look at the apiservers and at etcd; the address stays where it is meanwhile.", commands: []string{showAPIServers, apiServerLog},
	}
	if ifLeaseAlone.critical(j) {
		w.summary = "The Kubernetes API does not answer: without the Lease no host can take " + j.vips + "."
		w.action = "Look at the apiservers and at etcd."
	}
	if credentials := j.s.Lease.Credentials; credentials != "" {
		w.detail, w.action = credentials, "Make credentials for the Lease on a host that has the key of the cluster's CA."
		w.commands = []string{makeAccess}
	}
	return w
}

func sayArbitrated(j subject) words {
	return words{
		summary: "The Lease does not decide: VRRP decides alone who holds " + j.vips + ".", detail: j.condition.Message,
		action: "Look at the log, and at what the apiservers answer for the Lease " + j.s.Lease.Name + ".", commands: []string{showLog},
	}
}
