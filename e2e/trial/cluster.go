// SPDX-License-Identifier: Apache-2.0

package trial

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/e2e/lab"
	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
)

// clusterTime is the time within which a real cluster is ready on a busy machine.
const clusterTime = 2 * time.Minute

// binaries is the script that builds the programs of a cluster, or finds them in its cache.
const binaries = "hack/e2e/build-binaries.sh"

// BuildKubernetes builds the programs of a cluster, or finds them in their cache, from the root of the repository. It returns
// the directory that has them, which the variable HARBINGER_KUBE_BINARIES can name.
func BuildKubernetes() (string, error) {
	if dir := os.Getenv("HARBINGER_KUBE_BINARIES"); dir != "" {
		return dir, nil
	}
	build := exec.Command(binaries, "etcd", "kube-apiserver", "kubectl")
	build.Stderr = os.Stderr
	out, err := build.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", binaries, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// prepareCluster gives every node its keys and certificates.
func (p *Plane) prepareCluster() (err error) {
	p.Cluster, err = guest.NewKubernetes(p.Config.Kubernetes, p.CA, p.hosts(), p.VirtualAddress())
	if err != nil {
		return err
	}
	if p.admin, err = p.CA.User("kubernetes-admin", "system:masters"); err != nil {
		return err
	}
	for _, n := range p.Nodes {
		if err := p.Cluster.Prepare(n.Host); err != nil {
			return err
		}
		if err := n.WriteFile(adminKubeconfigFile, p.admin.Kubeconfig(localAPIServer())); err != nil {
			return err
		}
	}
	return nil
}

// StartCluster runs etcd and API server of every node, and waits until all are ready.
func (p *Plane) StartCluster() error {
	return errors.Join(p.Each(p.StartEtcd), p.StartAPIServers())
}

// StartEtcd runs the member of one node, for the first time or again.
func (p *Plane) StartEtcd(n *Node) (err error) {
	n.Etcd, err = p.Cluster.StartEtcd(n.Host)
	return err
}

// StartAPIServers runs every node's API server and waits until all are ready.
func (p *Plane) StartAPIServers() error {
	return errors.Join(p.Each(p.StartAPIServer), p.AwaitCluster())
}

// Each does something to every node, and goes on where it fails on one.
func (p *Plane) Each(do func(*Node) error) error {
	var errs []error
	for _, n := range p.Nodes {
		errs = append(errs, do(n))
	}
	return errors.Join(errs...)
}

// AwaitCluster waits until every API server is ready.
func (p *Plane) AwaitCluster() error { return p.Each(p.AwaitAPIServer) }

// AwaitAPIServer waits until the API server of a node is ready. One that has ended is started again, as a kubelet does: where several start
// at once, a real one may give up its check of allocated addresses, and ends with that.
func (p *Plane) AwaitAPIServer(n *Node) error {
	var last error
	err := lab.Until(clusterTime, fmt.Sprintf("the API server of %s is ready", n.Name), func() bool {
		select {
		case <-n.APIServer.Done():
			if last = p.StartAPIServer(n); last != nil {
				return false
			}
		default:
		}
		for _, path := range []string{"/readyz", "/api/v1/namespaces/kube-system", "/api/v1/namespaces/default"} {
			if last = p.askNode(n, http.MethodGet, path, nil); last != nil {
				time.Sleep(pause) // leave the processor to the server that starts
				return false
			}
		}
		return true
	})
	if err != nil {
		return fmt.Errorf("%w: %w\n%s\n%s", err, last, lastLines(n.Etcd), lastLines(n.APIServer))
	}
	return nil
}

// pause is between two questions to a server that is not ready.
const pause = 200 * time.Millisecond

// lastLines returns what a process wrote last.
func lastLines(p *lab.Process) string {
	if p == nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(p.Output()), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "\n")
}

// PowerOff takes the power from a node: none of its processes runs, and it is not reached.
func (p *Plane) PowerOff(n *Node) error {
	errs := []error{n.Blackhole(), n.CutBackplane()}
	for _, process := range append(n.Sidecar.processes(), n.APIServer, n.Etcd) {
		errs = append(errs, process.Kill())
	}
	return errors.Join(errs...)
}

// PowerOn starts a node again, and all that ran on it. It does not have the virtual address then.
func (p *Plane) PowerOn(n *Node) error {
	if err := p.removeAddress(n); err != nil {
		return err
	}
	if err := errors.Join(n.Unblackhole(), n.JoinBackplane(), p.StartEtcd(n), p.StartAPIServer(n)); err != nil {
		return err
	}
	if p.Cluster != nil { // the generator looks at who has its port
		if err := p.AwaitAPIServer(n); err != nil {
			return err
		}
	}
	return p.StartSidecar(n)
}

// removeAddress removes the virtual address from a node that has it still.
func (p *Plane) removeAddress(n *Node) error {
	if !slices.Contains(p.Holders.Now(), n.Name) {
		return nil
	}
	return n.DeleteAddress(p.VirtualAddresses[0])
}

// AddNode adds a control-plane node with an API server and nothing else. It is none of the plane's nodes.
func (p *Plane) AddNode() (*Node, error) {
	number := len(p.Nodes) + 1
	h, err := p.Lab.AddHost(fmt.Sprintf("node%d", number), uint8(lab.FirstNode+number-1))
	if err != nil {
		return nil, err
	}
	if err := p.Cluster.Prepare(h); err != nil {
		return nil, err
	}
	n := &Node{Host: h}
	return n, p.StartAPIServer(n)
}
