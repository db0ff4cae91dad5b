// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// askTime bounds one request to an API server.
const askTime = 3 * time.Second

// A refusal is the answer of an API server that refuses a request.
type refusal struct {
	code int // of HTTP
	text string
}

func (r *refusal) Error() string { return fmt.Sprintf("%d: %s", r.code, r.text) }

// ask sends a request to the API servers in turn, as an administrator, until one answers. It decodes the answer, unless that
// is nil.
func (p *Plane) ask(method, path string, answer any) error { return p.send(method, path, nil, answer) }

// send is ask with an object in the request, unless that is nil.
func (p *Plane) send(method, path string, object, answer any) error {
	var errs []error
	for _, n := range p.Nodes {
		err := p.sendNode(n, method, path, object, answer)
		if refused := new(refusal); err == nil || errors.As(err, &refused) {
			return err
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// askNode sends a request to the API server of one node.
func (p *Plane) askNode(n *Node, method, path string, answer any) error {
	return p.sendNode(n, method, path, nil, answer)
}

// sendNode is send for one node.
func (p *Plane) sendNode(n *Node, method, path string, object, answer any) error {
	client, err := p.admin.Client(n.Host, askTime)
	if err != nil {
		return err
	}
	var body io.Reader
	if object != nil {
		content, err := json.Marshal(object)
		if err != nil {
			return err
		}
		body = bytes.NewReader(content)
	}
	request, err := http.NewRequest(method, localAPIServer()+path, body)
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		return &refusal{response.StatusCode, string(content)}
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(content, answer)
}

// The Lease of every plane: the names are the defaults of the configuration.
const (
	leaseNamespace = "kube-system"
	leaseName      = "harbinger"

	leasePath = "/apis/coordination.k8s.io/v1/namespaces/" + leaseNamespace + "/leases/" + leaseName
)

// Lease returns the Lease of the virtual address, as the API has it now.
func (p *Plane) Lease() (*coordinationv1.Lease, error) {
	lease := new(coordinationv1.Lease)
	return lease, p.ask(http.MethodGet, leasePath, lease)
}

// slicesPath has the EndpointSlices in which apiservers publish themselves.
const slicesPath = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"

// AddEndpoints publishes addresses as apiservers of the cluster, in an EndpointSlice of its own beside the one that the apiservers
// write. A slice has room for a thousand.
func (p *Plane) AddEndpoints(name string, port uint16, addresses ...netip.Addr) error {
	number, portName := int32(port), "https"
	slice := discoveryv1.EndpointSlice{
		TypeMeta:    metav1.TypeMeta{APIVersion: discoveryv1.SchemeGroupVersion.String(), Kind: "EndpointSlice"},
		ObjectMeta:  metav1.ObjectMeta{Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: "kubernetes"}},
		AddressType: discoveryv1.AddressTypeIPv4,
		Ports:       []discoveryv1.EndpointPort{{Name: &portName, Port: &number}},
	}
	for _, a := range addresses {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{a.String()}})
	}
	return p.send(http.MethodPost, slicesPath, slice, nil)
}

// RemoveEndpoints undoes an AddEndpoints.
func (p *Plane) RemoveEndpoints(name string) error {
	return p.ask(http.MethodDelete, slicesPath+"/"+name, nil)
}

// DeleteLease deletes the Lease, as an administrator can.
func (p *Plane) DeleteLease() error { return p.ask(http.MethodDelete, leasePath, nil) }

// Where a node has the credentials of its sidecar, and of its administrator.
const (
	KubeconfigFile = "/etc/kubernetes/harbinger/kubeconfig"

	adminKubeconfigFile = "/etc/kubernetes/admin.conf"
)

// GiveCredentials makes the credentials of a node's sidecar. They allow nothing before [Harbinger.Allow].
func (x Harbinger) GiveCredentials(n *Node) error {
	_, err := x.Run(n, "kubeconfig", "--apply-rbac=false")
	return err
}

// Allow makes the credentials of a node's sidecar, and gives those of all nodes their rights.
func (x Harbinger) Allow(n *Node) error {
	_, err := x.Run(n, "kubeconfig")
	return err
}

// localAPIServer is where a node's administrator reaches its API server.
func localAPIServer() string { return fmt.Sprintf("https://127.0.0.1:%d", APIServerPort) }
