// SPDX-License-Identifier: Apache-2.0

// Package kubevip converts the pod of kube-vip for a control plane.
package kubevip

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/harbinger-ha/harbinger/pkg/apis/config/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/convert"
)

// The defaults of kube-vip.
const (
	defaultPort           = 6443
	defaultLeaseName      = "plndr-cp-lock"
	defaultLeaseNamespace = "kube-system"

	defaultLeaseDuration = 5 // seconds
	defaultRenewDeadline = 3
	defaultRetryPeriod   = 1

	port16 = 65535
)

// kubevip converts one container.
type kubevip struct {
	convert.Findings
	cfg    *v1alpha1.HarbingerConfiguration
	values map[string]variable // that count, by name
	arp    bool                // vip_arp
	lb     bool                // lb_enable
}

// Convert puts what the pod of kube-vip says into a configuration: a Pod, a DaemonSet or another workload, a list of objects, a file
// with the pod in it as Cluster API and Helm have it, or the variables alone, one on a line. The mode is Hybrid: kube-vip and Harbinger
// do not elect together, but Harbinger waits until kube-vip has released its Lease.
func Convert(file convert.File, cfg *v1alpha1.HarbingerConfiguration) convert.Findings {
	k := &kubevip{cfg: cfg, values: map[string]variable{}}
	c, ok := k.choose(k.read(file))
	if !ok {
		return k.Findings
	}
	counting := k.count(c)
	for _, v := range counting {
		k.values[v.name] = v
	}
	for _, v := range counting {
		k.apply(v)
	}
	k.finish(c)
	return k.Findings
}

// apply notes what becomes of a variable.
func (k *kubevip) apply(v variable) {
	rule, known := variables[v.name]
	switch {
	case slices.Contains(etcdFlags, strings.TrimPrefix(v.name, "--")):
		if v.name != "--leaderElectionType" || v.value == "etcd" {
			k.Drop(v.statement(), ofEtcd)
		} else {
			k.Build(v.statement(), "there is always an election")
		}
	case !known:
		k.Drop(v.statement(), "not known to this command, and not a variable of kube-vip v1.0")
	case v.value == "" && v.elsewhere == "":
		k.Build(v.statement(), "empty: it has no effect")
	case rule.set != nil && v.elsewhere != "" && rule.class == convert.Taken:
		k.Refuse(v.statement(), "its value is in %s, which this command does not read: write the value itself", v.elsewhere)
	case rule.set != nil && v.elsewhere == "":
		rule.set(k, v)
	default:
		k.note(rule.class, v, rule.text)
	}
}

// note notes a variable by the class of its rule.
func (k *kubevip) note(class convert.Class, v variable, text string) {
	switch class {
	case convert.Taken:
		k.Take(v.statement(), "%s", text)
	case convert.BuiltIn:
		k.Build(v.statement(), "%s", text)
	default:
		k.Drop(v.statement(), "%s", text)
	}
}

// truth reads a variable as kube-vip does.
func (k *kubevip) truth(v variable) bool {
	on, err := strconv.ParseBool(v.value)
	if err != nil {
		k.Refuse(v.statement(), "want true or false: kube-vip does not start with it")
	}
	return on
}

// refusedIfOn is for what Harbinger cannot be.
func refusedIfOn(text string) rule {
	return rule{convert.Refused, text, func(k *kubevip, v variable) {
		if k.truth(v) {
			k.Refuse(v.statement(), "%s", text)
			return
		}
		k.Build(v.statement(), "it is off")
	}}
}

func refusal(text string) func(*kubevip, variable) {
	return func(k *kubevip, v variable) { k.Refuse(v.statement(), "%s", text) }
}

// unfilled refuses a value that a template was to fill in.
func (k *kubevip) unfilled(v variable) bool {
	found := convert.Placeholder(v.value)
	if found != "" {
		k.Refuse(v.statement(), "%q is part of a template that was not filled in: give the file that the kubelet gets", found)
	}
	return found != ""
}

// address reads the virtual addresses, with commas between them. Which of two variables counts depends on the version of kube-vip.
func address(k *kubevip, v variable) {
	if k.unfilled(v) {
		return
	}
	if v.name == "vip_address" {
		if other, both := k.values["address"]; both && other.value != "" && other.value != v.value {
			k.Refuse(v.statement(), "address is %s: which of the two counts depends on the version of kube-vip, so leave one of them", other.value)
			return
		} else if both && other.value != "" {
			k.Build(v.statement(), "address says the same")
			return
		}
	}
	for _, text := range strings.Split(v.value, ",") {
		text = strings.TrimSpace(text)
		host, _, _ := strings.Cut(text, "/")
		_, err := netip.ParseAddr(host)
		switch {
		case err == nil:
			k.cfg.VirtualAddresses = append(k.cfg.VirtualAddresses, text)
		case len(validation.IsDNS1123Subdomain(strings.ToLower(host))) == 0 && strings.ContainsAny(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"):
			k.Refuse(v.statement(), "a DNS name is no address, and Harbinger is there before a name server can be asked: write the address that %s gives", host)
			return
		default:
			k.Refuse(v.statement(), "%q is no address", text)
			return
		}
	}
	k.Take(v.statement(), "virtualAddresses")
}

// subnet reads prefix lengths, one for each family. They are put to the addresses at the end.
func subnet(k *kubevip, v variable) {
	if k.unfilled(v) {
		return
	}
	for _, text := range strings.Split(v.value, ",") {
		n, err := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(text), "/"))
		if strings.TrimSpace(text) != "auto" && (err != nil || n < 0 || n > 128) {
			k.Refuse(v.statement(), "want prefix lengths such as 24 or 32,128")
			return
		}
	}
	k.Take(v.statement(), "the prefix lengths of virtualAddresses; in the kernel the address is a /32 or /128 always")
}

// port reads a port. What it means depends on lb_enable: see finish.
func port(field string) func(*kubevip, variable) {
	return func(k *kubevip, v variable) {
		if !k.unfilled(v) && k.Number(v.statement(), v.value, 1, port16) != 0 {
			k.Take(v.statement(), "%s", field)
		}
	}
}

func backends(k *kubevip, v variable) {
	for _, text := range strings.Split(v.value, ",") {
		addr, err := netip.ParseAddrPort(strings.TrimSpace(text))
		if err != nil {
			k.Refuse(v.statement(), "want addresses with ports and commas between them, not %q", text)
			return
		}
		k.cfg.LoadBalancer.Backends = append(k.cfg.LoadBalancer.Backends, v1alpha1.Backend{Address: addr.String()})
	}
	k.Take(v.statement(), "loadBalancer.backends")
}

func healthCheckInterval(k *kubevip, v variable) {
	if d := k.Duration(v.statement(), v.value, time.Second); d.Duration != 0 {
		k.cfg.HealthCheck.Interval = d
		k.Take(v.statement(), "healthCheck.interval")
	}
}

func leasePart(k *kubevip, v variable) {
	if !k.unfilled(v) {
		k.Take(v.statement(), "election.lease.predecessor")
	}
}

// leaseTime says what a longer time than kube-vip's default was for.
func leaseTime(otherwise int32) func(*kubevip, variable) {
	return func(k *kubevip, v variable) {
		if n := k.Number(v.statement(), v.value, 1, 86400); n > otherwise {
			k.Drop(v.statement(), "longer than kube-vip's default, %d s: %s", otherwise, ofLease)
		} else if n != 0 {
			k.Build(v.statement(), "%s", ofLease)
		}
	}
}

func (k *kubevip) enabled(v variable) {
	if k.truth(v) {
		k.Build(v.statement(), "Harbinger is for the control plane")
		return
	}
	k.Refuse(v.statement(), "this pod holds no address of a control plane: give the one that does")
}

// number returns the value of a variable that is a valid port, or a default.
func (k *kubevip) number(name string, otherwise int32) int32 {
	n, err := strconv.ParseUint(k.values[name].value, 10, 16)
	if err != nil || n == 0 {
		return otherwise
	}
	return int32(n)
}

// finish completes what several variables say together.
func (k *kubevip) finish(c container) {
	apiServer := k.number("port", k.number("lb_backendport", defaultPort))
	client := apiServer
	if k.lb {
		client = k.number("lb_port", defaultPort)
	}
	k.cfg.ControlPlane.APIServerPort, k.cfg.ControlPlane.Port = apiServer, client
	k.finishAddresses(c)
	if k.Err() != nil {
		return
	}
	if off := k.values["vip_arp"]; !k.arp {
		where := c.statement()
		if off.name != "" {
			where = off.statement()
		}
		k.Fault(where, "kube-vip announces the address in no way, and ends: vip_arp is not true. Harbinger announces it by ARP and neighbour discovery")
	}
	k.Build(c.statement(), "election.vrrp.virtualRouterID is 51: nothing else on the network segment may have it")
	k.finishLease(c)
}

// finishAddresses gives the virtual addresses their prefix lengths.
func (k *kubevip) finishAddresses(c container) {
	if len(k.cfg.VirtualAddresses) == 0 {
		if k.Err() == nil {
			k.Refuse(c.statement(), "it has no address: neither address nor vip_address is set")
		}
		return
	}
	given := cmp.Or(k.values["vip_subnet"].value, k.values["vip_cidr"].value)
	for i, text := range k.cfg.VirtualAddresses {
		addr, err := netip.ParseAddr(text)
		if n := lengthOf(addr, given, len(k.cfg.VirtualAddresses) == 1); err == nil && n < addr.BitLen() {
			k.cfg.VirtualAddresses[i] = netip.PrefixFrom(addr, n).String()
		}
	}
}

// lengthOf returns the prefix length that is meant for an address: more than 32 can only be one of IPv6, and less is one of IPv4 unless
// there is no such address.
func lengthOf(addr netip.Addr, lengths string, alone bool) int {
	for _, text := range strings.Split(lengths, ",") {
		n, err := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(text), "/"))
		if err == nil && (addr.Is6() == (n > 32) || alone && addr.Is6()) {
			return n
		}
	}
	return addr.BitLen()
}

// finishLease names the Lease that kube-vip holds, so that Harbinger waits for it. Without one nobody can say who has the address.
func (k *kubevip) finishLease(c container) {
	elects := k.values["vip_leaderelection"]
	on, _ := strconv.ParseBool(elects.value)
	if elects.name != "" && !on || k.values["--leaderElectionType"].value == "etcd" {
		return
	}
	lease := cmp.Or(k.values["cp_namespace"].value, defaultLeaseNamespace) + "/" + cmp.Or(k.values["vip_leasename"].value, defaultLeaseName)
	k.cfg.Election.Lease.Predecessor = lease
	k.Take(c.statement(), "election.lease.predecessor is %s, the Lease of kube-vip: Harbinger waits for it, and takes the address over when it is released", lease)
}
