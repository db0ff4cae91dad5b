#!/usr/bin/env bash
# Copyright The Harbinger Authors.
# SPDX-License-Identifier: Apache-2.0
#
# No packet of the test leaves the machine, and that is counted. Sourced; needs docker.sh.
#
# A cluster that is half up sends the strangest things to its default route: service addresses before kube-proxy has its
# rules, names that CoreDNS should have known. Somebody out there may even answer. So everything that comes in by the
# bridge of the test and would go out by anything else is refused, in IPv4 and in IPv6, from before the first container to
# after the last.

GUARD_BRIDGE=hb-e2e0 # a name of our own: the rule says nothing about other networks of the same daemon
GUARD_COMMENT=harbinger-e2e-guard
GUARD_FAMILIES=(iptables ip6tables)

guard_rule() { # guard_rule <iptables|ip6tables> <chain> <-I|-D>
	docker_netns "$1" -w "$3" "$2" -i "$GUARD_BRIDGE" ! -o "$GUARD_BRIDGE" \
		-m comment --comment "$GUARD_COMMENT" -j REJECT
}

# guard_chain <iptables|ip6tables> prints the first chain that a forwarded packet meets: Docker's for its users, where it
# keeps one. It does for IPv4 since the first bridge; for IPv6 only if it filters that at all.
guard_chain() {
	if docker_netns "$1" -w -n -L DOCKER-USER >/dev/null 2>&1; then
		printf 'DOCKER-USER\n'
	else
		printf 'FORWARD\n'
	fi
}

# guard_up needs a bridge network and no containers.
guard_up() {
	local family
	need iptables iptables
	guard_down
	for family in "${GUARD_FAMILIES[@]}"; do
		guard_rule "$family" "$(guard_chain "$family")" -I ||
			die "cannot set the guard rule of $family; without it no container is started"
	done
}

# guard_count prints how many packets the guard refused. No rule of a family is no proof: that fails.
guard_count() {
	local family packets sum=0
	for family in "${GUARD_FAMILIES[@]}"; do
		packets=$(guard_packets "$family") || return 1
		sum=$((sum + packets))
	done
	printf '%s\n' "$sum"
}

guard_packets() {
	docker_netns "$1" -w -L "$(guard_chain "$1")" -v -n -x 2>/dev/null |
		awk -v comment="$GUARD_COMMENT" 'index($0, comment) {sum += $1; seen = 1} END {if (!seen) exit 1; print sum}'
}

guard_down() {
	local family chain
	for family in "${GUARD_FAMILIES[@]}"; do
		for chain in DOCKER-USER FORWARD; do
			while guard_rule "$family" "$chain" -D 2>/dev/null; do :; done
		done
	done
}
