// SPDX-License-Identifier: Apache-2.0

//go:build linux

package trial

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
)

// askTime bounds one request to an API server.
const askTime = 3 * time.Second

// A Refusal is the answer of an API server that refuses a request.
type Refusal struct {
	Code int // of HTTP
	Text string
}

// Error returns the answer.
func (r *Refusal) Error() string { return fmt.Sprintf("%d: %s", r.Code, r.Text) }

// Ask sends a request to the API servers in turn, as an administrator, until one
// answers. The bodies are objects of the API; nil stands for none.
func (p *Plane) Ask(method, path string, body, answer any) error {
	var errs []error
	for _, n := range p.Nodes {
		err := p.askNode(n, method, path, body, answer)
		if refusal := new(Refusal); err == nil || errors.As(err, &refusal) {
			return err
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// askNode asks the API server of one node.
func (p *Plane) askNode(n *Node, method, path string, body, answer any) error {
	client, err := p.admin.Client(n.Host, askTime)
	if err != nil {
		return err
	}
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequest(method, localAPIServer()+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	content, err = io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return &Refusal{response.StatusCode, string(content)}
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(content, answer)
}

// The Lease of every plane: the names are the defaults of the configuration.
const (
	LeaseNamespace = "kube-system"
	LeaseName      = "harbinger"

	leasesPath = "/apis/coordination.k8s.io/v1/namespaces/" + LeaseNamespace + "/leases"
	leasePath  = leasesPath + "/" + LeaseName
)

// Lease returns the Lease of the virtual address, as the API has it now.
func (p *Plane) Lease() (*coordinationv1.Lease, error) {
	lease := new(coordinationv1.Lease)
	return lease, p.Ask(http.MethodGet, leasePath, nil, lease)
}

// DeleteLease deletes the Lease, as an administrator can.
func (p *Plane) DeleteLease() error { return p.Ask(http.MethodDelete, leasePath, nil, nil) }

// Epoch returns how often the Lease has changed hands, 0 while there is none.
func Epoch(lease *coordinationv1.Lease) int32 {
	if lease == nil || lease.Spec.LeaseTransitions == nil {
		return 0
	}
	return *lease.Spec.LeaseTransitions
}
