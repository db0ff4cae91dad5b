#!/usr/bin/env bash
# Copyright The Harbinger Authors.
# SPDX-License-Identifier: Apache-2.0
#
# No packet of the test leaves the machine, and that is counted. Sourced; needs docker.sh.
#
# A cluster that is half up sends the strangest things to its default route: service addresses before kube-proxy has its
# rules, names that CoreDNS should have known. Somebody out there may even answer. So everything that comes in by the
# bridge of the test and would go out by anything else is refused, from before the first container to after the last.

GUARD_BRIDGE=hb-e2e0 # a name of our own: the rule says nothing about other networks of the same daemon
GUARD_COMMENT=harbinger-e2e-guard

guard_rule() { # guard_rule <iptables|ip6tables> <chain> <-I|-D|-C>
	docker_netns "$1" -w "$3" "$2" -i "$GUARD_BRIDGE" ! -o "$GUARD_BRIDGE" \
		-m comment --comment "$GUARD_COMMENT" -j REJECT
}

# guard_up needs a bridge network (Docker makes the chain DOCKER-USER with the first one) and no containers. IPv6 goes into FORWARD: Docker keeps
# no chain for it unless it was told to.
guard_up() {
	need iptables iptables
	guard_down
	guard_rule iptables DOCKER-USER -I || die "cannot set the guard rule; without it no container is started"
	guard_rule ip6tables FORWARD -I 2>/dev/null || say "no IPv6 packet filter here; the network of the test has no IPv6"
}

# guard_count prints how many packets the guard refused. No rule is no proof: that fails.
guard_count() {
	local v4 v6
	v4=$(guard_packets iptables DOCKER-USER) || return 1
	v6=$(guard_packets ip6tables FORWARD) || v6=0
	printf '%s\n' "$((v4 + v6))"
}

guard_packets() {
	docker_netns "$1" -w -L "$2" -v -n -x 2>/dev/null |
		awk -v comment="$GUARD_COMMENT" 'index($0, comment) {sum += $1; seen = 1} END {if (!seen) exit 1; print sum}'
}

guard_down() {
	while guard_rule iptables DOCKER-USER -D 2>/dev/null; do :; done
	while guard_rule ip6tables FORWARD -D 2>/dev/null; do :; done
}
