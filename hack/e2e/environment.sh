#!/usr/bin/env bash
# Copyright The Harbinger Authors.
# SPDX-License-Identifier: Apache-2.0
#
# What there is before the first host and after the last: programs and images, a Docker daemon, the network, and the guard
# that lets nothing out. Sourced; needs lib.sh.
#
#   HARBINGER_CACHE          where built things and Docker's images are kept       ($XDG_CACHE_HOME/harbinger)
#   HARBINGER_DEBIAN_MIRROR  a Debian mirror, on hosts that are not Debian
#   HARBINGER_BINARY         a program to take instead of building ./cmd/harbinger
#   HARBINGER_E2E_OWN_DOCKER =1: start a Docker daemon of our own even if one runs
#   HARBINGER_E2E_NODE_IMAGE an image of a host to take instead of building one    (see build-node-image.sh)
#   HARBINGER_E2E_OUT        logs of a run that failed                             (out/e2e)
#
#   environment_build <directory for Harbinger's image and for logs>
#   environment_up
#   …
#   environment_down     sets GUARD_REFUSED
#
# environment_build exports what the tests read:
#
#   HARBINGER_E2E_BINARIES     directory of the programs of build-binaries.sh
#   HARBINGER_E2E_NODE_IMAGE   reference of the image of a host
#   HARBINGER_E2E_IMAGE        reference of Harbinger's image
#   HARBINGER_E2E_IMAGE_TAR    file that holds it
#   HARBINGER_E2E_PROGRAM      file of the program in it
#   HARBINGER_E2E_CLASSIC_TAR  file with the image of keepalived and haproxy
#   HARBINGER_E2E_NETWORK      name of the network in Docker
#   HARBINGER_E2E_OUT          directory of the logs

# shellcheck source=hack/e2e/docker.sh
source "$E2E_DIR/docker.sh"
# shellcheck source=hack/e2e/guard.sh
source "$E2E_DIR/guard.sh"
# shellcheck source=hack/e2e/network.sh
source "$E2E_DIR/network.sh"

ENVIRONMENT_IS_UP=
GUARD_REFUSED= # packets that wanted to leave the machine, once all is down; empty if they were not counted

environment_build() {
	mkdir -p "$1"
	HARBINGER_E2E_OUT=$(cd "$1" && pwd)
	HARBINGER_E2E_BINARIES=$("$E2E_DIR/build-binaries.sh")
	docker_up "$HARBINGER_E2E_BINARIES/ociruntime"
	docker_remove_ours
	HARBINGER_E2E_NODE_IMAGE=$("$E2E_DIR/build-node-image.sh" "$HARBINGER_E2E_BINARIES")
	HARBINGER_E2E_CLASSIC_TAR=$("$E2E_DIR/build-classic-image.sh")
	HARBINGER_E2E_IMAGE=harbinger.dev/harbinger:e2e # never in any registry: what runs is what was imported
	HARBINGER_E2E_IMAGE_TAR=$HARBINGER_E2E_OUT/image.tar
	HARBINGER_E2E_PROGRAM=$REPO_DIR/bin/linux/$(go env GOHOSTARCH)/harbinger
	HARBINGER_E2E_NETWORK=$NETWORK
	"$REPO_DIR/hack/image.sh" --tag "$HARBINGER_E2E_IMAGE" --output "$HARBINGER_E2E_IMAGE_TAR" >&2
	load_image
	export HARBINGER_E2E_BINARIES HARBINGER_E2E_NODE_IMAGE HARBINGER_E2E_CLASSIC_TAR HARBINGER_E2E_NETWORK HARBINGER_E2E_OUT
	export HARBINGER_E2E_IMAGE HARBINGER_E2E_IMAGE_TAR HARBINGER_E2E_PROGRAM
}

# load_image gives Docker Harbinger's image, and removes the one before, where nobody uses it.
load_image() {
	local before
	before=$(docker image inspect --format '{{.Id}}' "$HARBINGER_E2E_IMAGE" 2>/dev/null || true)
	docker load --quiet --input "$HARBINGER_E2E_IMAGE_TAR" >&2
	if [[ -n $before && $before != "$(docker image inspect --format '{{.Id}}' "$HARBINGER_E2E_IMAGE")" ]]; then
		docker image rm "$before" >/dev/null 2>&1 || true
	fi
}

# environment_up: afterwards a host may be started.
environment_up() {
	ENVIRONMENT_IS_UP=yes
	limits_up
	network_up # first: Docker makes the guard's chain with the first bridge
	guard_up
	watch_strays "$HARBINGER_E2E_NODE_IMAGE"
}

# environment_down removes what is left of the test, and the daemon if it is ours. What the guard has refused is said.
environment_down() {
	local seen
	if [[ -n $ENVIRONMENT_IS_UP ]]; then
		environment_unplug
		seen=$(strays | head -n 20) || true
		docker_remove_ours
		# Only now: to the last container the rules stand, and the count is complete.
		GUARD_REFUSED=$(guard_count) || GUARD_REFUSED=
		guard_down
		[[ $GUARD_REFUSED == 0 ]] || warn "packets for the outside: ${GUARD_REFUSED:-not counted, a rule of the guard is gone}"$'\n'"$seen"
	fi
	limits_down
	docker_down
	ENVIRONMENT_IS_UP=
}

# environment_unplug takes the cable from every host: one that is killed must not send a last word to where its rules no
# longer translate it.
environment_unplug() {
	local name
	for name in $(docker ps --all --filter "network=$NETWORK" --format '{{.Names}}'); do
		docker network disconnect --force "$NETWORK" "$name" 2>/dev/null || true
	done
}

# --- limits of the machine ---------------------------------------------------------------------------------------------
# The old values are kept in a file, so that the run after one that was killed can put them back.

LIMITS_BEFORE=$HARBINGER_CACHE/limits-before

set_limit() { # set_limit <file> <value>
	local before
	before=$(<"$1")
	printf '%s %s\n' "$before" "$1" >>"$LIMITS_BEFORE"
	{ printf '%s\n' "$2" >"$1"; } 2>/dev/null || warn "cannot set $1 to $2: it stays at $before"
}

limits_up() {
	local instances=/proc/sys/fs/inotify/max_user_instances connections=/proc/sys/net/netfilter/nf_conntrack_max wanted
	limits_down
	# Hosts with systemd, containerd and a kubelet each need more inotify instances than some kernels allow one user.
	(($(<"$instances") >= 1024)) || set_limit "$instances" 1024
	# kube-proxy sets this to 32768 for each core, at least to 131072, unless it is configured not to; only the first network
	# namespace of the machine can, and a kube-proxy that cannot ends. It leaves alone what is right already.
	wanted=$(($(nproc) * 32768 > 131072 ? $(nproc) * 32768 : 131072))
	[[ ! -w $connections || $(<"$connections") == "$wanted" ]] || set_limit "$connections" "$wanted"
}

limits_down() {
	local before file
	[[ -s $LIMITS_BEFORE ]] || return 0
	while read -r before file; do
		{ printf '%s\n' "$before" >"$file"; } 2>/dev/null || warn "cannot set $file back to $before"
	done <"$LIMITS_BEFORE"
	rm -f "$LIMITS_BEFORE"
}
