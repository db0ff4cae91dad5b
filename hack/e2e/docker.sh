#!/usr/bin/env bash
# Copyright The Harbinger Authors.
# SPDX-License-Identifier: Apache-2.0
#
# A Docker daemon for the test. Sourced; needs lib.sh.
#
# A daemon that runs already is used where it can run privileged containers. Else one is started, in network and mount
# namespaces of its own: its bridge, its packet filter and its routes never touch the host, none of them outlives it, and
# there is no way out of its network in the first place. Its images stay in the cache. Its resolver knows the names of the
# containers and asks nobody else: for what it does not know, the name server is 127.0.0.1, where none is.

DOCKER_STATE=$HARBINGER_CACHE/docker # images of our own daemon
DOCKER_RUN=                          # its run-time files; set while we have one
DOCKER_PID=

# lacks_sys_resource: such a host cannot grant all capabilities, and so no privileged container by plain runc.
lacks_sys_resource() {
	local bounding
	bounding=$(awk '$1 == "CapBnd:" {print $2}' /proc/self/status)
	((!(16#$bounding >> 24 & 1)))
}

docker_usable() { # the daemon that the environment points at, if any
	[[ -z ${HARBINGER_E2E_OWN_DOCKER:-} ]] && docker info >/dev/null 2>&1 && ! lacks_sys_resource
}

# docker_up <runtime program>: afterwards `docker` works. The program takes the place of runc in a daemon of our own.
docker_up() {
	local runtime=$1
	need docker docker.io
	[[ -z ${HARBINGER_E2E_DOCKER_IS_OURS:-} ]] || return 0 # a script above has seen to it
	if docker_usable; then
		say "using the Docker daemon that runs already"
		return
	fi
	((EUID == 0)) || die "no usable Docker daemon, and only root can start one: start Docker or run as root"
	need dockerd docker.io
	PATH=$PATH:/usr/sbin:/sbin

	mkdir -p "$DOCKER_STATE"
	# One daemon per set of images. The descriptor is closed for the daemon below, or it would keep the lock for us.
	exec {docker_lock}>"$HARBINGER_CACHE/docker.lock"
	flock -n "$docker_lock" || {
		say "waiting for another run that uses $DOCKER_STATE"
		flock "$docker_lock"
	}
	docker_kill_stale

	DOCKER_RUN=$(mktemp -d "${TMPDIR:-/tmp}/harbinger-docker.XXXXXX")
	local options=(
		--data-root "$DOCKER_STATE" --exec-root "$DOCKER_RUN/exec" --pidfile "$DOCKER_RUN/dockerd.pid"
		--host "unix://$DOCKER_RUN/docker.sock" --bridge none --dns 127.0.0.1 --log-level warn
		--add-runtime "ociruntime=$runtime" --default-runtime ociruntime
	)
	! lacks_sys_resource || say "no CAP_SYS_RESOURCE here: a host of the test has all other capabilities"
	# The default routes make the namespace look like a host with an uplink: a packet that wants to leave is forwarded, so
	# that the guard sees and counts it. The uplink is a cable whose other end is not plugged in.
	# shellcheck disable=SC2016  # expanded by the inner shell
	TMPDIR=$DOCKER_RUN unshare --net --mount bash -c '
		set -e
		ip link set lo up
		ip link add uplink0 type veth peer name uplink1
		ip link set uplink0 up
		ip link set uplink1 up
		ip route add default dev uplink0
		ip -6 route add default dev uplink0 || true # there may be no IPv6 here
		exec dockerd "$@"' dockerd "${options[@]}" >"$DOCKER_RUN/dockerd.log" 2>&1 {docker_lock}>&- &
	DOCKER_PID=$!
	printf '%s %s\n' "$DOCKER_PID" "$DOCKER_RUN" >"$HARBINGER_CACHE/docker.pid"
	export DOCKER_HOST=unix://$DOCKER_RUN/docker.sock HARBINGER_E2E_DOCKER_IS_OURS=1
	wait_for 60 "dockerd to answer" docker_answers_or_died || true
	docker info >/dev/null 2>&1 || {
		tail -n 20 "$DOCKER_RUN/dockerd.log" >&2
		die "dockerd does not start"
	}
	say "started dockerd in a network namespace of its own (process $DOCKER_PID, images in $DOCKER_STATE)"
}

docker_answers_or_died() { docker info || ! kill -0 "$DOCKER_PID"; }

# docker_kill_stale ends the daemon of a run that was killed. The record alone is no proof (process numbers are used
# again): the process must be a dockerd on our images.
docker_kill_stale() {
	local pid run
	[[ -s $HARBINGER_CACHE/docker.pid ]] || return 0
	read -r pid run <"$HARBINGER_CACHE/docker.pid"
	if tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "dockerd --data-root $DOCKER_STATE "; then
		warn "ending the daemon of a run that was killed (process $pid)"
		kill "$pid"
		wait_for 60 "process $pid to end" process_ended "$pid"
	fi
	[[ $run != */harbinger-docker.* ]] || rm -rf "$run"
	rm -f "$HARBINGER_CACHE/docker.pid"
}

process_ended() { ! kill -0 "$1"; }

# docker_netns <command…> runs the command where the daemon's bridges and packet filter are.
docker_netns() {
	if [[ -n $DOCKER_PID ]]; then
		nsenter --target "$DOCKER_PID" --net -- "$@"
	else
		"$@"
	fi
}

# docker_down ends our own daemon, if there is one, and what it left in /tmp and in the cgroup file system.
docker_down() {
	[[ -n $DOCKER_PID ]] || return 0
	kill "$DOCKER_PID" 2>/dev/null || true
	wait "$DOCKER_PID" 2>/dev/null || true
	rm -rf "$DOCKER_RUN" "$HARBINGER_CACHE/docker.pid"
	find /sys/fs/cgroup -maxdepth 2 -type d -name docker -exec rmdir --ignore-fail-on-non-empty {} + 2>/dev/null || true
	DOCKER_PID=
	unset DOCKER_HOST HARBINGER_E2E_DOCKER_IS_OURS
}

# docker_ours <docker ps flags…> lists the containers of this test: those with our labels, and what kind has made, which is
# on our network if it is up.
docker_ours() {
	local network
	docker ps -q --filter "label=$E2E_LABEL" "$@"
	docker ps -q --filter "label=$E2E_LABEL-environment" "$@"
	for network in $(docker network ls -q --filter "label=$E2E_LABEL"); do
		docker ps -q --filter "network=$network" "$@"
	done
	docker ps -q --filter "label=io.x-k8s.kind.cluster=$E2E_LABEL" "$@"
}

# docker_remove_ours removes every container and network of this test, of this run or of one that was killed.
docker_remove_ours() {
	local found
	# A paused container cannot be stopped.
	found=$(docker_ours --filter status=paused | sort -u)
	[[ -z $found ]] || xargs docker unpause <<<"$found" >/dev/null || true
	found=$(docker_ours --all | sort -u)
	[[ -z $found ]] || xargs docker rm --force --volumes <<<"$found" >/dev/null
	found=$(docker network ls -q --filter "label=$E2E_LABEL")
	[[ -z $found ]] || xargs docker network rm <<<"$found" >/dev/null
}
