#!/usr/bin/env bash
# Copyright The Harbinger Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Hosts of a control plane as containers, and what the story in run.sh does with them. Sourced; needs docker.sh and network.sh.

NODES=(n1 n2 n3)

container() { printf 'harbinger-e2e-%s' "$1"; }
address() { printf '%s.%s' "$PREFIX" $((129 + ${1#n})); } # n1 is 192.168.238.130
address6() { printf '%s:%s' "$PREFIX6" $((129 + ${1#n})); }

# on <node> <command…> runs a command on a host.
on() {
	local node=$1
	shift
	docker exec "$(container "$node")" "$@"
}

# on_stdin is on with the caller's standard input.
on_stdin() {
	local node=$1
	shift
	docker exec --interactive "$(container "$node")" "$@"
}

# put <node> <path> writes standard input to a file on a host.
put() { on_stdin "$1" dd status=none of="$2"; }

# kube <kubectl arguments…> as the administrator, on the first host, through the VIP that admin.conf names.
kube() { on "${KUBE_NODE:-n1}" kubectl --kubeconfig /etc/kubernetes/admin.conf "$@"; }

# node_up <node> <image> starts a host: systemd, containerd, and a kubelet that waits for kubeadm.
# /var is a volume because containerd's overlay mounts cannot lie on Docker's.
# shellcheck disable=SC2153  # NETWORK is of network.sh
node_up() {
	local node=$1 image=$2 options=()
	[[ ! -d /lib/modules ]] || options+=(--volume /lib/modules:/lib/modules:ro)
	docker run --detach --name "$(container "$node")" --hostname "$node" --label "$E2E_LABEL" --pull never \
		--privileged --cgroupns private --network "$NETWORK" --ip "$(address "$node")" --ip6 "$(address6 "$node")" \
		--tmpfs /run:exec --tmpfs /tmp:exec --volume /var "${options[@]}" "$image" >/dev/null
}

node_ready() { on "$1" ctr version && on "$1" systemctl is-enabled kubelet; }

# observer_up <name> <network> <image> <command…>: a container that only looks. It has processes and a freezer of its own,
# so it keeps looking while the host beside it is frozen.
observer_up() {
	local name=$1 network=$2 image=$3
	shift 3
	docker run --detach --name "$(container "$name")" --label "$E2E_LABEL" --pull never --network "$network" \
		--entrypoint bash "$image" -c "$*" >/dev/null
}

observer_log() { docker logs "$(container "$1")" 2>/dev/null; }

# watch_addresses <node> <image> records each appearance and expiry of an address on the host, with the time.
watch_addresses() {
	# shellcheck disable=SC2016  # expanded by the observer
	observer_up "addresses-$1" "container:$(container "$1")" "$2" \
		'ip -o -4 monitor address dev eth0 | while read -r line; do printf "%s %s\n" "$EPOCHREALTIME" "$line"; done'
}

# watch_arp <image> records who announces the VIP, as another host on the network hears it.
watch_arp() {
	observer_up arp "$NETWORK" "$1" "exec tcpdump -Z root -p -i eth0 -l -n -e -tt arp and host $VIP"
}

# cni_up <node> gives the host a pod network: a veth pair per pod, addresses from the range that Kubernetes assigned to the
# node, and a route to the range of every other node. That is all that the network plugins do which cannot be had as a
# Go module.
# It comes after kube-proxy, which needs no pod network: a pod that is there before service addresses are translated sends
# its first packets for them to the default route, and repeats them for a minute.
cni_up() {
	local node=$1 range
	wait_for 120 "$node: kube-proxy's rules" service_addresses_work "$node"
	wait_for 60 "$node: a range of pod addresses" pod_range "$node"
	range=$(pod_range "$node")
	put "$node" /etc/cni/net.d/10-e2e.conflist <<-JSON
		{"cniVersion": "0.3.1", "name": "e2e", "plugins": [
		  {"type": "ptp", "ipam": {"type": "host-local", "ranges": [[{"subnet": "$range"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
		  {"type": "portmap", "capabilities": {"portMappings": true}}]}
	JSON
}

service_addresses_work() { on "$1" sh -c 'iptables-save -t nat | grep -q -- "-d 10.96.0.1/32"'; }

pod_range() { kube get node "$1" -o 'jsonpath={.spec.podCIDR}' | grep .; }

# route_pods makes the pods of each host reachable from each other host.
route_pods() {
	local node peer range
	for peer in "$@"; do
		range=$(pod_range "$peer")
		for node in "$@"; do
			[[ $node == "$peer" ]] || on "$node" ip route replace "$range" via "$(address "$peer")"
		done
	done
}

# holders prints the hosts (of those named) that have the VIP on their interface.
holders() {
	local node
	for node in "$@"; do
		[[ -z $(on "$node" ip -o -4 address show to "$VIP") ]] || printf '%s\n' "$node"
	done
}

one_holder() { [[ $(holders "$@" | wc -l) == 1 ]]; }

# harbinger_container <node>: the id of Harbinger's running container on the host.
harbinger_container() {
	# shellcheck disable=SC2016  # awk's variables
	on "$1" bash -c 'join -j 1 \
		<(ctr -n k8s.io containers ls | awk -v image="$0" "\$2 == image {print \$1}" | sort) \
		<(ctr -n k8s.io tasks ls | awk "\$3 == \"RUNNING\" {print \$1, \$2}" | sort) | cut -d" " -f1 | grep .' "$HARBINGER_E2E_IMAGE"
}

harbinger_pid() {
	local id
	id=$(harbinger_container "$1")
	on "$1" ctr -n k8s.io tasks ls | awk -v id="$id" '$1 == id {print $2}'
}

# harbinger_status <node> [flags…] asks the sidecar itself, inside its container.
harbinger_status() {
	local node=$1
	shift
	on "$node" ctr -n k8s.io tasks exec --exec-id "status-$RANDOM$RANDOM" "$(harbinger_container "$node")" \
		/harbinger status "$@"
}

# started_at <node> <pid>: when the process started, in milliseconds since 1970, to a clock tick.
started_at() {
	# shellcheck disable=SC2016  # expanded on the host
	on "$1" bash -c '
		stat=$(<"/proc/$0/stat")
		read -r -a field <<<"${stat##*) }" # the name may hold blanks; what follows it may not
		read -r uptime _ </proc/uptime
		now=${EPOCHREALTIME//[!0-9]/}
		printf "%d\n" $((now / 1000 - 10#${uptime/./} * 10 + field[19] * 1000 / $(getconf CLK_TCK)))' "$2"
}

# vip_times prints "<milliseconds> <node> + or -" for each change of the VIP on any host, oldest first; a refresh of the
# lifetime is no change.
vip_times() {
	local node
	for node in "${NODES[@]}"; do
		observer_log "addresses-$node" | awk -v node="$node" -v vip="inet $VIP/" '
			!index($0, vip) {next}
			{ms = int($1 * 1000)}
			$2 == "Deleted" {if (held) printf "%.0f %s -\n", ms, node; held = 0; next}
			!held {printf "%.0f %s +\n", ms, node; held = 1}'
	done | sort -n
}

# overlap_ms: for how long, all in all, two hosts had the VIP at once; standard input is vip_times.
overlap_ms() {
	awk '
		holders > 1 {sum += $1 - last}
		{last = $1; holders += ($3 == "+") ? 1 : -1}
		END {printf "%.0f\n", sum}'
}

# save_logs <directory> keeps what one needs to find out why.
save_logs() {
	local directory=$1 node name
	mkdir -p "$directory"
	for name in $(docker ps -a --filter "label=$E2E_LABEL" --format '{{.Names}}'); do
		docker logs "$name" >"$directory/$name.log" 2>&1 || true
	done
	docker ps -q --filter "label=$E2E_LABEL" --filter status=paused | xargs --no-run-if-empty docker unpause >/dev/null 2>&1
	for node in "${NODES[@]}"; do
		docker container inspect "$(container "$node")" >/dev/null 2>&1 || continue
		on "$node" journalctl --no-pager -o short-precise >"$directory/$node-journal.log" 2>&1 || true
		on "$node" sh -c 'ip address; ip route; ip neigh; nft list ruleset' >"$directory/$node-network.txt" 2>&1 || true
		on "$node" sh -c 'cat /etc/kubernetes/manifests/ha.yaml' >"$directory/$node-ha.yaml" 2>&1 || true
		on "$node" ctr -n k8s.io tasks ls >"$directory/$node-tasks.txt" 2>&1 || true
		harbinger_status "$node" -o json >"$directory/$node-status.json" 2>&1 || true
		mkdir -p "$directory/$node-pods"
		docker cp "$(container "$node"):/var/log/pods/." "$directory/$node-pods" 2>/dev/null || true
		# Straight to this host's API server: the VIP may be what is broken.
		on "$node" kubectl --kubeconfig /etc/kubernetes/admin.conf --server "https://$(address "$node"):6443" \
			get nodes,pods -A -o wide >"$directory/$node-kubectl.txt" 2>&1 || true
	done
}
