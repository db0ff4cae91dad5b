// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/harbinger-ha/harbinger/pkg/apis/status/v1alpha1"
	"github.com/harbinger-ha/harbinger/pkg/election"
)

// The commands that show more on a host.
const (
	showLog        = "crictl logs $(crictl ps -a -q --name harbinger)"
	showAPIServers = "crictl ps -a --name kube-apiserver"
	apiServerLog   = "crictl logs $(crictl ps -a -q --name kube-apiserver | head -n 1)"
	renew          = "harbinger kubeconfig --renew"
	makeAccess     = "harbinger kubeconfig"
	preflight      = "harbinger preflight"
)

func sayReady(j subject) words {
	return words{
		summary: "This host is not ready: " + j.why[0] + ".", detail: strings.Join(j.why[1:], "; "),
		action: "Remove the cause; the log has more.", commands: []string{preflight, showLog},
	}
}

func saySplitSuspected(j subject) words {
	u := j.f.Loop.Election.Unheard
	w := words{
		summary:  fmt.Sprintf("%s serves %s, but this host does not hear it: advertisements are lost between the two.", j.host(u.Holder()), j.vips),
		detail:   messages(j.s.VirtualRouter.Filtered),
		action:   fmt.Sprintf("Let IP protocol 112 and TCP port %d pass between the hosts, in both directions.", j.f.Config.Status.IdentityPort),
		commands: remedies(j.s.VirtualRouter.Filtered),
	}
	if slices.ContainsFunc(j.s.VirtualRouter.Filtered, func(x v1alpha1.Filter) bool { return x.Direction == directionIn && x.Peer == u.Holder() }) {
		w.summary = fmt.Sprintf("%s serves %s, but this host does not hear it: its own firewall drops the advertisements.", j.host(u.Holder()), j.vips)
	}
	if w.detail == "" {
		w.commands = []string{firewalld(j.f.Config.Status.IdentityPort), nft("input", source(u.Peer)+"meta l4proto 112")}
	}
	return w
}

func sayFiltered(j subject) words {
	var peers []string
	for _, x := range j.s.VirtualRouter.Filtered {
		if peer := cmp.Or(j.host(x.Peer), "the other hosts"); !slices.Contains(peers, peer) {
			peers = append(peers, peer)
		}
	}
	return words{
		summary: fmt.Sprintf("A firewall keeps this host and %s from hearing each other.", list(peers)), detail: messages(j.s.VirtualRouter.Filtered),
		action: "Open the firewall that the detail names.", commands: remedies(j.s.VirtualRouter.Filtered),
	}
}

// messages says what is filtered.
func messages(all []v1alpha1.Filter) string {
	var texts []string
	for _, x := range all {
		texts = append(texts, x.Message)
	}
	return strings.Join(texts, "; ")
}

// remedies are the commands that open what is filtered, each once.
func remedies(all []v1alpha1.Filter) (commands []string) {
	for _, x := range all {
		for _, command := range x.Remedy {
			if !slices.Contains(commands, command) {
				commands = append(commands, command)
			}
		}
	}
	return commands
}

func sayConflict(j subject) words {
	r := j.s.VirtualRouter
	with := *r.ConflictWith
	who, action := "An unknown host", "Find the host by its hardware address in the tables of the switches; free the address there, or choose another one."
	if with.HardwareAddress != "" {
		who += " with the hardware address " + with.HardwareAddress
	}
	if with.Address != "" {
		who = j.host(with.Address)
		action = fmt.Sprintf("Look at the status of %s: two hosts must not serve one address.", j.names.Of(with.Address))
	}
	w := words{
		summary: fmt.Sprintf("%s has or claims %s, which this host holds too.", who, j.vips), detail: r.Conflict, action: action,
		commands: []string{"ip neighbour show dev " + j.s.Interface},
	}
	switch {
	case r.State == election.Conflict.String():
		w.summary = fmt.Sprintf("%s has %s: this host does not take it.", who, j.vips)
	case !r.Held:
		w.summary = fmt.Sprintf("%s has or claims %s.", who, j.vips)
	}
	return w
}

func sayUnreachable(j subject) words {
	f, port := j.f, j.f.Config.ControlPlane.Port
	e := f.Loop.Election
	w := words{
		summary: fmt.Sprintf("Clients would not reach TCP port %d of %s at this host.", port, j.vips),
		action:  fmt.Sprintf("Open TCP port %d in the firewall of this host; if it is open, look for a switch that has the hardware address of this host at another port.", port),
		commands: []string{
			fmt.Sprintf("firewall-cmd --permanent --add-port=%d/tcp && firewall-cmd --reload", port), nft("input", fmt.Sprintf("tcp dport %d", port)),
		},
	}
	if n := len(e.Reach.Witnesses); n > 0 {
		var who []string
		for _, peer := range e.Reach.Unreachable {
			who = append(who, j.host(peer.String()))
		}
		w.summary = fmt.Sprintf("Clients do not reach TCP port %d of %s at this host.", port, j.vips)
		w.detail = fmt.Sprintf("%d of %d peers cannot connect: %s", len(who), n, list(who))
	}
	return w
}

func sayForged(j subject) words {
	e, last := j.f.Loop.Election, j.f.Loop.Forgery
	at := "whose hardware address is not known yet"
	if last.Source == e.Forged && last.HardwareAddress != "" {
		at = "with the hardware address " + last.HardwareAddress
	}
	return words{
		summary: fmt.Sprintf("A host %s sends advertisements in the name of %s that the Lease does not confirm.", at, j.host(e.Forged.String())),
		action:  "Find the port of that hardware address in the tables of the switches, and sign the advertisements (election.vrrp.authentication).",
	}
}

func sayIsolated(j subject) words {
	reached, all := reachedPeers(j.f)
	port := j.f.Config.Status.IdentityPort
	return words{
		summary:  fmt.Sprintf("This host reaches %d of %d other hosts: it would take over from none of them.", reached, all),
		detail:   fmt.Sprintf("the gateway: %s; unreached: %s", j.f.Loop.Election.Reach.Gateway, list(j.unreached())),
		action:   fmt.Sprintf("Look at the network of this host; if it is sound, let TCP port %d and ICMP echo pass between the hosts.", port),
		commands: []string{"ip -statistics link show dev " + j.s.Interface, firewalld(port), nft("input", fmt.Sprintf("tcp dport %d", port))},
	}
}

// unreached are the peers that do not answer.
func (j subject) unreached() (names []string) {
	for _, peer := range j.f.Asked.Peers {
		if name := j.host(peer.String()); !slices.Contains(j.f.Loop.Election.Reach.Reached, peer) {
			names = append(names, name)
		}
	}
	return names
}

func sayActionsSucceed(j subject) words {
	var actions []string
	for action := range j.s.VirtualRouter.Failing {
		actions = append(actions, action)
	}
	slices.Sort(actions)
	return words{
		summary: fmt.Sprintf("What this host must do fails: %s (%s).", list(actions), j.s.VirtualRouter.Failing[actions[0]]), detail: j.condition.Message,
		action: fmt.Sprintf("Look at the interface %s, at the firewall of this host and at the log.", j.s.Interface), commands: []string{"ip -statistics link show dev " + j.s.Interface, showLog},
	}
}

func sayAuthenticated(j subject) words {
	return words{
		summary: "Signatures of advertisements are refused, or soon will be: " + first(j.condition.Message) + ".", detail: j.condition.Message,
		action: "Give every host the same keys (election.vrrp.authentication), and keep their clocks right by NTP.", commands: []string{"timedatectl timesync-status", showLog},
	}
}

func sayAdvertisementsRefused(j subject) words {
	return words{
		summary: "Some " + first(j.condition.Message) + ".", detail: j.condition.Message,
		action: "Give all hosts of this virtual router the same configuration, or another virtual router ID to the one that is not of this cluster.", commands: []string{"harbinger preflight --wire"},
	}
}

// first is the first of several reasons.
func first(message string) string {
	one, _, _ := strings.Cut(message, "; ")
	return one
}

func sayFilesCurrent(j subject) words {
	return words{
		summary: "A file of this host is not in use as it is now: " + first(j.condition.Message) + ".", detail: j.condition.Message,
		action: "Correct the file; where it was replaced, the kubelet starts the pod anew by its liveness probe.", commands: []string{showLog},
	}
}

func sayCredentialsCurrent(j subject) words {
	at := *j.s.API.Expires
	left := at.Sub(wall(j.f.Now))
	w := words{
		summary: fmt.Sprintf("The client certificate for the Lease expires in %d days, on %s.", int(left.Hours()/24), at.Format(time.DateOnly)), detail: j.condition.Message,
		action: "Renew it on this host, or on one that has the key of the cluster's CA.", commands: []string{renew},
	}
	if left <= 0 {
		w.summary = fmt.Sprintf("The client certificate for the Lease expired on %s: VRRP decides alone.", at.Format(time.DateOnly))
	}
	return w
}

func sayRedundant(j subject) words {
	gone, _ := missing(j.f, j.s.Hosts)
	others := len(j.s.Hosts) - 1
	w := words{
		summary: fmt.Sprintf("%d of %d other hosts would not take over: %s.", len(gone), others, strings.Join(gone, "; ")),
		action:  "See whether those hosts are up, and whether the pod of Harbinger runs there.", commands: []string{"crictl ps -a --name harbinger", showLog},
	}
	switch {
	case others == 0:
		w.summary, w.action = "No other host could take over: none is known.", "Add a second control-plane host, or name it (--peer)."
		w.commands = nil
	case len(gone) == others:
		w.summary = "No other host could take over: " + strings.Join(gone, "; ") + "."
	}
	return w
}
