#!/usr/bin/env bash
# Copyright The Harbinger Authors.
# SPDX-License-Identifier: Apache-2.0
#
# The story of Harbinger on a real cluster: one command writes ha.yaml on each of three hosts, kubeadm does the rest
# through a virtual IP that was there before the first API server, and the host that holds it freezes.
#
#   hack/e2e/run.sh
#
# environment.sh lists the variables that it reads.
set -Eeuo pipefail
directory=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=hack/e2e/lib.sh
source "$directory/lib.sh"
# shellcheck source=hack/e2e/environment.sh
source "$directory/environment.sh"
# shellcheck source=hack/e2e/cluster.sh
source "$directory/cluster.sh"
# shellcheck source=hack/e2e/pod.sh
source "$directory/pod.sh"

OUT=${HARBINGER_E2E_OUT:-$REPO_DIR/out/e2e}
began=$(now_ms)
rows=()
failed=0

chapter() { printf '\n[%6s s] %s\n' "$(seconds_since "$began")" "$*" >&2; }

# result <what> <measured> <bound> <command…>: one line of the table at the end; the command decides.
result() {
	local what=$1 measured=$2 bound=$3 verdict=ok
	shift 3
	"$@" || {
		verdict=FAILED
		failed=1
	}
	rows+=("$what|$measured|$bound|$verdict")
	say "$what: $measured (bound: $bound) $verdict"
}
at_most() { [[ $1 =~ ^[0-9]+$ ]] && (($1 <= $2)); }

table() {
	local row
	printf '\n'
	while IFS='|' read -r -a row; do
		printf '%-54s %-28s %-16s %s\n' "${row[@]}"
	done < <(printf '%s\n' 'check|measured|bound|' "${rows[@]}")
}

finish() {
	local status=$? was_up=$ENVIRONMENT_IS_UP
	trap - EXIT ERR INT TERM
	set +e
	[[ $status == 0 ]] || failed=1
	if ((failed)) && [[ -n $was_up ]]; then
		chapter "it failed: saving logs to $OUT"
		save_logs "$OUT"
	fi
	chapter "taking everything down"
	environment_down
	[[ -z $was_up ]] || result "packets that tried to leave the machine" "${GUARD_REFUSED:-not counted}" 0 at_most "$GUARD_REFUSED" 0
	table
	if ((failed)); then
		printf '\nFAILED after %s s; logs: %s\n' "$(seconds_since "$began")" "$OUT"
		exit 1
	fi
	rm -rf "$OUT"
	printf '\npassed in %s s\n' "$(seconds_since "$began")"
	exit 0
}
trap finish EXIT
trap 'printf "error: line %s: %s\n" "$LINENO" "$BASH_COMMAND" >&2' ERR
trap 'exit 130' INT TERM

# --- the story ---------------------------------------------------------------------------------------------------------

manifest_path=/etc/kubernetes/manifests/ha.yaml
manifest_command=()
declare -A manifest_sums # of ha.yaml per host, when it was written

build() {
	chapter "building (cached in $HARBINGER_CACHE)"
	local size node
	environment_build "$OUT"
	node_image=$HARBINGER_E2E_NODE_IMAGE
	version=$(<"$HARBINGER_E2E_BINARIES/version")
	size=$(docker image inspect --format '{{.Size}}' "$HARBINGER_E2E_IMAGE")
	result "image of Harbinger" "$((size / 1000)) kB" "30000 kB" at_most "$size" 30000000

	manifest_command=(harbinger manifest --vip "$VIP/24" --kubeadm-config /root/init.yaml --image "$HARBINGER_E2E_IMAGE")
	for node in "${NODES[@]}"; do
		manifest_command+=(--peer "$(address "$node")" --backend "$(address "$node"):6443")
	done
}

hosts_up() {
	chapter "three hosts on $PREFIX.0/24, and a guard that lets nothing out"
	local node
	environment_up
	for node in "${NODES[@]}"; do
		node_up "$node" "$node_image"
	done
	for node in "${NODES[@]}"; do
		wait_for 120 "$node: systemd and containerd" node_ready "$node"
		host_has "$node" NET_ADMIN NET_RAW BPF SYS_NICE ||
			die "this Docker cannot make a host that can run the pod: try HARBINGER_E2E_OWN_DOCKER=1"
		put "$node" /usr/local/bin/harbinger <"$HARBINGER_E2E_PROGRAM"
		on "$node" chmod 755 /usr/local/bin/harbinger
		docker exec --interactive "$(container "$node")" ctr -n k8s.io images import - <"$HARBINGER_E2E_IMAGE_TAR" >/dev/null
		# Only the first host runs kubeadm with this file; the others have it because the command line is the same.
		sed -e "s/@ADDRESS@/$(address n1)/; s/@VIP@/$VIP/; s/@VERSION@/$version/" "$E2E_DIR/node/init.yaml" |
			put "$node" /root/init.yaml
		watch_addresses "$node" "$node_image"
	done
	rm -f "$HARBINGER_E2E_IMAGE_TAR"
	watch_arp "$node_image"
}

# write_manifest <node>: the one command, the same on every host, before kubeadm.
write_manifest() {
	on "$1" "${manifest_command[@]}" --output "$manifest_path" >"$OUT/$1-manifest.log" 2>&1 || {
		cat "$OUT/$1-manifest.log" >&2
		die "$1: harbinger manifest failed"
	}
	manifest_sums[$1]=$(manifest_sum "$1")
	say "$1: ha.yaml has sha256 ${manifest_sums[$1]}"
}

manifest_sum() { on "$1" sha256sum "$manifest_path" | cut -d' ' -f1; }

# image_writes_the_same: the program inside the image, started by containerd alone, as on a host without the program.
image_writes_the_same() {
	on n1 ctr -n k8s.io run --rm --net-host --mount type=bind,src=/root/init.yaml,dst=/root/init.yaml,options=rbind:ro \
		"$HARBINGER_E2E_IMAGE" "manifest-$RANDOM" "${manifest_command[@]}" --output - 2>/dev/null | on_stdin n1 cmp - "$manifest_path"
}

first_host() {
	chapter "n1: harbinger manifest, then kubeadm init (Kubernetes $version)"
	say "${manifest_command[*]} --output $manifest_path"
	write_manifest n1
	result "ha.yaml written from inside the image" "by containerd alone" "same bytes" image_writes_the_same

	kubeadm n1 init --config /root/init.yaml --upload-certs

	# The first pod of the first host: nobody else is there, so nothing but its own caution delays it.
	local started interface announced
	started=$(started_at n1 "$(harbinger_pid n1)")
	# awk reads to the end: a log that is cut short would be an error of whoever writes it.
	interface=$(vip_times | awk '$2 == "n1" && $3 == "+" && !seen++ {print $1}')
	announced=$(observer_log arp | awk -v vip="$VIP" '
		(index($0, "who-has " vip) && index($0, "tell " vip ",") || index($0, "Reply " vip " is-at")) && !seen++ {
			printf "%.0f\n", $1 * 1000
		}')
	result "container start to VIP on the interface, alone" "$((${interface:-0} - started)) ms" "5000 ms" \
		at_most $((${interface:-0} - started)) 5000
	result "container start to first announcement, alone" "$((${announced:-0} - started)) ms" "5000 ms" \
		at_most $((${announced:-0} - started)) 5000
	result "API credentials in the pod" "none" none no_credentials n1
	cni_up n1
}

other_hosts() {
	local node join
	# The command that kubeadm init printed for further control plane hosts, on one line.
	join=$(awk '/kubeadm join/ {found = 1}
		found {last = /--certificate-key/; sub(/\\$/, ""); printf "%s ", $0}
		last {exit}' "$OUT/n1-init.log")
	join=${join#*kubeadm }
	for node in n2 n3; do
		chapter "$node: harbinger manifest, then kubeadm join through the VIP"
		write_manifest "$node"
		# shellcheck disable=SC2086  # words, as a shell would take the printed line
		kubeadm "$node" $join
		cni_up "$node"
	done
	route_pods "${NODES[@]}"
}

# kubeadm <node> <init or join> <arguments…>: no flag to ignore anything is ours to give.
kubeadm() {
	local node=$1 start
	shift
	start=$(now_ms)
	say "$node: kubeadm $*"
	on "$node" kubeadm "$@" >"$OUT/$node-$1.log" 2>&1 || {
		tail -n 30 "$OUT/$node-$1.log" >&2
		die "$node: kubeadm $1 failed after $(seconds_since "$start") s"
	}
	result "$node: kubeadm $1" "exit 0 after $(seconds_since "$start") s" "exit 0" true
}

cluster_ready() {
	chapter "three nodes Ready, every pod running"
	kube wait --for=condition=Ready nodes --all --timeout=240s >/dev/null || die "not all nodes became Ready"
	kube wait --for=condition=Ready pods --all --namespace kube-system --timeout=240s >/dev/null ||
		die "not all pods of kube-system became Ready"
	kube get nodes -o wide
	kube get pods -A -o wide
	result "nodes Ready" "$(kube get nodes --no-headers | awk '$2 == "Ready"' | wc -l)" 3 three_ready
	result "addresses of the nodes are their own" "$(kube get nodes -o 'jsonpath={.items[*].status.addresses[?(@.type=="InternalIP")].address}')" \
		"never the VIP" vip_is_no_node_address
}

three_ready() { [[ $(kube get nodes --no-headers | awk '$2 == "Ready"' | wc -l) == 3 ]]; }

vip_is_no_node_address() {
	[[ " $(kube get nodes -o 'jsonpath={.items[*].status.addresses[*].address}') " != *" $VIP "* ]]
}

pods_as_declared() {
	chapter "the pods, as containerd runs them"
	local node checked
	for node in "${NODES[@]}"; do
		checked=$(pod_as_declared "$node") || checked=
		[[ -z $checked ]] || say "$node: $checked"
		result "$node: capabilities, seccomp and root of the pod" "${checked:+as in the manifest}" "the manifest" test -n "$checked"
		result "$node: API credentials in the pod" none none no_credentials "$node"
		result "$node: ha.yaml is what was written before kubeadm" "${manifest_sums[$node]:0:12}" "${manifest_sums[n1]:0:12}" \
			same_manifest "$node"
		harbinger_status "$node" || say "$node: harbinger status: no answer"
	done
}

same_manifest() { [[ $(manifest_sum "$1") == "${manifest_sums[$1]}" && ${manifest_sums[$1]} == "${manifest_sums[n1]}" ]]; }

freeze_the_holder() {
	local holder others=() node frozen frozen_for
	wait_for 30 "exactly one holder" one_holder "${NODES[@]}"
	holder=$(holders "${NODES[@]}")
	for node in "${NODES[@]}"; do
		[[ $node == "$holder" ]] || others+=("$node")
	done
	KUBE_NODE=${others[0]}
	chapter "$holder holds the VIP: freezing the whole host under a client that asks every 50 ms"
	client_up version /version
	client_up readyz /readyz
	wait_for 20 "first answers to the clients" clients_answered

	frozen=$(now_ms)
	docker pause "$(container "$holder")" >/dev/null
	wait_for 60 "the VIP on another host" one_holder "${others[@]}"
	wait_for 60 "an answer of the API through the VIP" kube --request-timeout=2s get --raw /readyz
	wait_for 30 "the clients to see the end of the outage" clients_saw_an_outage
	say "the VIP went from $holder to $(holders "${others[@]}")"

	chapter "$holder wakes up and believes it is the holder"
	docker unpause "$(container "$holder")" >/dev/null
	frozen_for=$(seconds_since "$frozen")
	wait_for 60 "$holder: its own API server is ready" on "$holder" kubectl --kubeconfig /etc/kubernetes/admin.conf \
		--server "https://$(address "$holder"):6443" --request-timeout=2s get --raw /readyz
	wait_for 60 "all three sidecars to be ready" sidecars_ready
	wait_for 60 "exactly one holder" one_holder "${NODES[@]}"

	for node in version readyz; do
		docker stop --time 5 "$(container "client-$node")" >/dev/null
		observer_log "client-$node" >"$OUT/client-$node.log"
	done
	result "holder frozen for $frozen_for s: no answer to /version" "$(worst_ms version) ms" "$outage_bound ms" \
		at_most "$(worst_ms version)" "$outage_bound"
	result "the same, /readyz (etcd has elected too)" "$(worst_ms readyz) ms" "$ready_bound ms" \
		at_most "$(worst_ms readyz)" "$ready_bound"
	result "holder now (before: $holder)" "$(holders "${NODES[@]}" | paste -sd' ')" "exactly one" one_holder "${NODES[@]}"
	result "two hosts had the VIP at once" "$(vip_times | overlap_ms) ms" "1000 ms" at_most "$(vip_times | overlap_ms)" 1000
	say "the VIP's moves (milliseconds since 1970, host, + taken or - gone):"
	vip_times | sed 's/^/        /' >&2
}

# The freeze costs Master_Down (3.6 s at most with 1 s adverts), the takeover, and one second of a request's patience.
outage_bound=6000
# An apiserver is not ready before etcd has a leader again; the two waits overlap.
ready_bound=15000

# client_up <name> <path> asks through the VIP, from a host of its own on the same network.
client_up() {
	local name
	name=$(container "client-$1")
	docker create --name "$name" --label "$E2E_LABEL" --pull never --stop-signal SIGTERM --network "$NETWORK" --entrypoint /outage "$node_image" \
		-url "https://$VIP:6443$2" -ca /ca.crt >/dev/null
	docker cp -L "$HARBINGER_E2E_BINARIES/outage" "$name:/outage"
	on n1 cat /etc/kubernetes/pki/ca.crt >"$OUT/ca.crt"
	docker cp "$OUT/ca.crt" "$name:/ca.crt"
	docker start "$name" >/dev/null
}

clients_answered() { observer_log client-version | grep first-answer && observer_log client-readyz | grep first-answer; }
clients_saw_an_outage() { observer_log client-version | grep ' outage ' && observer_log client-readyz | grep ' outage '; }
worst_ms() { awk -F'worst-ms=' '/ summary / {print $2}' "$OUT/client-$1.log"; }

sidecars_ready() {
	local not_ready
	# shellcheck disable=SC2016  # jq's variable
	not_ready=$(kube --request-timeout=2s get pods -n kube-system -o json |
		on_stdin "$KUBE_NODE" jq -r --arg image "$HARBINGER_E2E_IMAGE" '.items[] | select(.spec.containers[0].image == $image) |
			select([.status.conditions[] | select(.type == "Ready" and .status == "True")] == []) | .metadata.name')
	[[ -z $not_ready ]]
}

main() {
	((EUID == 0)) || die "run as root: the node's file system and the guard rule need it"
	rm -rf "$OUT"
	mkdir -p "$OUT"
	build
	hosts_up
	first_host
	other_hosts
	cluster_ready
	pods_as_declared
	freeze_the_holder
}

main
