// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
)

// A Load is the number of requests of the sidecars to the API servers in a time.
type Load struct {
	Writes, Reads int // of Leases
	Other         map[string]int
}

// An auditEvent is the part of an audit record that is counted.
type auditEvent struct {
	Stage                    string    `json:"stage"`
	Verb                     string    `json:"verb"`
	RequestURI               string    `json:"requestURI"`
	RequestReceivedTimestamp time.Time `json:"requestReceivedTimestamp"`
	ObjectRef                *struct {
		Resource string `json:"resource"`
		APIGroup string `json:"apiGroup"`
	} `json:"objectRef"`
}

// Load returns the requests of the sidecars since a time, from the audit records of the API servers, which have every
// request of an authenticated user but those of the administrator and the servers.
func (p *Plane) Load(since time.Time) (Load, error) {
	load := Load{Other: map[string]int{}}
	for _, n := range p.Nodes {
		records, err := n.ReadFile(guest.AuditFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return load, err
		}
		for line := range strings.Lines(records) {
			var event auditEvent
			if json.Unmarshal([]byte(line), &event) == nil && event.RequestReceivedTimestamp.After(since) {
				load.add(event)
			}
		}
	}
	return load, nil
}

// add counts a request once: at the stage that ends it, or that starts a watch.
func (l *Load) add(event auditEvent) {
	watch := event.Verb == "watch"
	if watch != (event.Stage == "ResponseStarted") {
		return
	}
	if event.ObjectRef == nil {
		l.Other[event.Verb+" "+event.RequestURI]++
		return
	}
	switch isLease := event.ObjectRef.APIGroup == "coordination.k8s.io" && event.ObjectRef.Resource == "leases"; {
	case !isLease:
		l.Other[event.Verb+" "+event.ObjectRef.Resource]++
	case event.Verb == "get" || event.Verb == "list" || watch:
		l.Reads++
	default:
		l.Writes++
	}
}

// rightsList returns what kubectl says that the user of a kubeconfig may do in a namespace: a line for each right.
func (p *Plane) rightsList(n *Node, kubeconfig, namespace string, flags ...string) ([]string, error) {
	kubectl, err := n.Host.Start(lab.Command{
		Path: p.Cluster.Program("kubectl"),
		Args: append([]string{"--kubeconfig", kubeconfig, "auth", "can-i", "--list", "--no-headers", "--namespace", namespace}, flags...),
		Env:  []string{"HOME=/run"}, // of its cache of the API
	})
	if err != nil {
		return nil, err
	}
	if err := kubectl.Wait(30 * time.Second); err != nil {
		return nil, fmt.Errorf("kubectl auth can-i --list: %w\n%s", err, kubectl.Output())
	}
	var rights []string
	for line := range strings.Lines(kubectl.Output()) {
		rights = append(rights, strings.Join(strings.Fields(line), " "))
	}
	return rights, nil
}

// grants are the rights that a sidecar needs, by their namespace.
var grants = map[string][]string{
	leaseNamespace: {
		"events [] [] [create]",
		"leases.coordination.k8s.io [] [" + leaseName + "] [get create update]",
	},
	"default": {"endpointslices.discovery.k8s.io [] [] [list]"},
}

// Rights returns the rights of a node's credentials that not every user has, in the namespaces of the grants and one other,
// and which of them are no grants. kubectl's warning of an incomplete list counts as a right.
func (p *Plane) Rights(n *Node) (own, excess []string, err error) {
	for _, namespace := range []string{leaseNamespace, "default", "kube-public"} {
		rights, err := p.rightsList(n, KubeconfigFile, namespace)
		if err != nil {
			return nil, nil, err
		}
		everybody, err := p.rightsList(n, adminKubeconfigFile, namespace, "--as=everybody", "--as-group=system:authenticated")
		if err != nil {
			return nil, nil, err
		}
		for _, right := range rights {
			if slices.Contains(everybody, right) {
				continue
			}
			own = append(own, namespace+": "+right)
			if !slices.Contains(grants[namespace], right) {
				excess = append(excess, namespace+": "+right)
			}
		}
	}
	return own, excess, nil
}
