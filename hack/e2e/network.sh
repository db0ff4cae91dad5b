#!/usr/bin/env bash
# Copyright The Harbinger Authors.
# SPDX-License-Identifier: Apache-2.0
#
# The network of the test, with the addresses of the classic recipe. Sourced; needs guard.sh.

NETWORK=harbinger-e2e
PREFIX=192.168.238 # hosts of the test choose their addresses; Docker gives away .192 to .223 by itself
PREFIX6=fd00:238:

network_up() {
	# No masquerading: even without the guard a packet that left would have an address that nobody can answer.
	docker network create --label "$E2E_LABEL" --driver bridge --subnet "$PREFIX.0/24" --ip-range "$PREFIX.192/27" \
		--ipv6 --subnet "$PREFIX6:/64" --opt "com.docker.network.bridge.name=$GUARD_BRIDGE" \
		--opt com.docker.network.bridge.enable_ip_masquerade=false "$NETWORK" >/dev/null
}

# watch_strays <image with tcpdump> records what the hosts send to the outside, for when the guard has counted something: a
# container on the daemon's side of the bridge. Its label is another one than that of the hosts, whom a story may remove.
watch_strays() {
	docker run --detach --name "$E2E_LABEL-strays" --label "$E2E_LABEL-environment" --pull never --network host --entrypoint tcpdump "$1" \
		-Z root -p -i "$GUARD_BRIDGE" -l -n -tt \
		"not arp and not dst net $PREFIX.0/24 and not dst net $PREFIX6:/64 and not multicast and not broadcast" >/dev/null ||
		warn "what the guard refuses will be counted, but not recorded: no tcpdump in $1"
}

strays() { docker logs "$E2E_LABEL-strays" 2>/dev/null; }
