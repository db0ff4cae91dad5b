// SPDX-License-Identifier: Apache-2.0

package wild

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/harbinger-ha/harbinger/e2e/lab/guest"
	"github.com/harbinger-ha/harbinger/e2e/trial"
	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	statusv1alpha1 "github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/vrrp"
)

const (
	// leftOut is the condition of a sidecar that does not take all apiservers that are published.
	leftOut       = statusv1alpha1.ConditionBackendsLeftOut
	mostEndpoints = 64 // of all that are published, a sidecar takes
	// discoveredWithin is the time within which what is published is known everywhere.
	discoveredWithin = 6 * time.Second
)

// publishMany publishes apiservers that there are not: one that advertises, then more and more.
func (r *run) publishMany() error {
	if err := errors.Join(r.startCluster(), r.Start()); err != nil {
		return err
	}
	if err := r.arbitrated(); err != nil {
		return err
	}
	start := time.Now()
	err := errors.Join(r.publishForger(), r.publishLevels())
	r.sample(r.Sample(start))
	return errors.Join(err, r.Settle())
}

// publishForger publishes the address of a host that forges advertisements. They do not count before its apiserver has proved
// itself by a certificate of the cluster.
func (r *run) publishForger() error {
	f, err := r.opens()
	if err != nil {
		return err
	}
	defer f.forger.Close()
	holder, err := r.Holder()
	if err != nil {
		return err
	}
	if err := r.AddEndpoints("forger", trial.APIServerPort, f.host.Address.Addr()); err != nil {
		return err
	}
	if err := r.published(f.host.Address.Addr()); err != nil {
		return err
	}
	end := f.open(flood{rate: 10, from: anUnknown}, holder)
	defer func() { r.row.Fail(end()) }()
	observeFor(alarmedWithin)
	if before := f.refused(); before == 0 || f.alarms() > 0 {
		r.row.Fail(fmt.Errorf("of an apiserver that has proved nothing, %d advertisements were refused and %d alarms raised: they count", before, f.alarms()))
	}
	server, err := guest.StartAPIServer(f.host, r.CA, trial.APIServerPort)
	if err != nil {
		return err
	}
	defer func() { r.row.Fail(server.Process.Kill()) }()
	err = r.await(settleTime, "the advertisements of an apiserver that is healthy are no longer refused", func() bool {
		before := f.refused()
		time.Sleep(time.Second)
		return f.refused() == before
	})
	return errors.Join(err, r.RemoveEndpoints("forger"))
}

// published waits until every balancer has an address among its backends.
func (r *run) published(address netip.Addr) error {
	return r.await(settleTime, address.String()+" is a backend everywhere", func() bool {
		return r.Each(func(n *trial.Node) error {
			s, err := n.Status()
			for _, b := range s.Balancer.Backends {
				if b.Address == netip.AddrPortFrom(address, trial.APIServerPort).String() {
					return nil
				}
			}
			return errors.Join(err, errors.New("not yet"))
		}) == nil
	})
}

// refused returns how many advertisements all nodes have refused because their source is no peer.
func (f *floodgate) refused() (count uint64) {
	for _, n := range f.Nodes {
		if s, err := n.Status(); err == nil {
			count += s.VirtualRouter.Dropped[vrrp.Reason(vrrp.ErrSource)].Count
		}
	}
	return count
}

// publishLevels publishes a hundred endpoints, then three hundred and three thousand in all: the virtual address, the ports of
// Harbinger on every node, hosts of this subnet that are not there, and hosts of others.
func (r *run) publishLevels() error {
	own := []netip.Addr{r.VirtualAddress()}
	for _, n := range r.Nodes {
		own = append(own, n.Address.Addr())
	}
	balancers, err := r.balancers()
	if err != nil {
		return err
	}
	if err := r.AddEndpoints("own", v1alpha1.DefaultIdentityPort, own...); err != nil {
		return err
	}
	total := 0
	for i, count := range []int{100, 200, 1000, 1000, 700} {
		addresses := []netip.Addr{r.VirtualAddress()}
		for n := range count - 1 {
			addresses = append(addresses, absent(total+n))
		}
		total += count
		if err := r.AddEndpoints(fmt.Sprintf("many-%d", i), trial.APIServerPort, addresses...); err != nil {
			return err
		}
		if total%1000 == 300 && count == 1000 {
			continue // of three thousand
		}
		observeFor(discoveredWithin)
		now, err := r.balancers()
		if err != nil || !slices.Equal(now, balancers) {
			return errors.Join(err, fmt.Errorf("with %d endpoints the balancers were %v and are %v", total, balancers, now))
		}
		r.row.Fail(r.Each(func(n *trial.Node) error { return r.judgeBackends(n, total, own) }))
	}
	return nil
}

// absent returns an address at which nobody is: the first are of the subnet of the nodes.
func absent(number int) netip.Addr {
	if number < 50 {
		return netip.AddrFrom4([4]byte{192, 168, 238, byte(2 + number)})
	}
	return netip.AddrFrom4([4]byte{10, 9, byte(number >> 8), byte(number)})
}

// balancers returns the processes of all balancers.
func (r *run) balancers() (all []int, err error) {
	err = r.Each(func(n *trial.Node) error {
		pid, err := balancer(n)
		all = append(all, pid)
		return err
	})
	return all, err
}

// judgeBackends returns an error unless a node has taken few endpoints, none of which leads back to itself, and all that are real.
func (r *run) judgeBackends(n *trial.Node, total int, own []netip.Addr) error {
	s, err := n.Status()
	if err != nil {
		return err
	}
	var errs []error
	healthy := 0
	for _, b := range s.Balancer.Backends {
		address, err := netip.ParseAddrPort(b.Address)
		if errs = append(errs, err); b.Healthy {
			healthy++
		}
		if address.Addr() == r.VirtualAddress() || address.Port() != trial.APIServerPort && slices.Contains(own, address.Addr()) {
			errs = append(errs, fmt.Errorf("%s is a backend", b.Address))
		}
	}
	r.note("%d endpoints: %s has %d backends, %d of them healthy", total, n.Name, len(s.Balancer.Backends), healthy)
	if c := meta.FindStatusCondition(s.Conditions, leftOut); c == nil || c.Status != metav1.ConditionTrue {
		errs = append(errs, fmt.Errorf("the condition %s of %s is %+v, want True", leftOut, n.Name, c))
	}
	if len(s.Balancer.Backends) > mostEndpoints || healthy < len(r.Nodes) {
		errs = append(errs, fmt.Errorf("%s has %d backends, %d of them healthy; want at most %d, and %d healthy", n.Name, len(s.Balancer.Backends),
			healthy, mostEndpoints, len(r.Nodes)))
	}
	return errors.Join(errs...)
}
