#!/usr/bin/env bash
# Copyright The Harbinger Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Debian root file systems, made by debootstrap and kept in the cache. Sourced; needs lib.sh and a directory $work.

DEBIAN_SUITE=bookworm # the newest Debian whose containerd and systemd still do cgroup v1

# What a host of the test has: systemd, containerd, what kubeadm and the kubelet call, and the tools of the observers.
NODE_PACKAGES=systemd,systemd-sysv,dbus,iproute2,iptables,nftables,conntrack,ethtool,socat,kmod,mount,util-linux,procps
NODE_PACKAGES+=,containerd,runc,containernetworking-plugins,iputils-ping,iputils-arping,tcpdump,jq,curl,ca-certificates

# debian_mirror is where the host itself gets Debian from; another distribution has to name it.
debian_mirror() {
	local id codename
	if [[ -n ${HARBINGER_DEBIAN_MIRROR:-} ]]; then
		printf '%s\n' "$HARBINGER_DEBIAN_MIRROR"
		return
	fi
	# shellcheck source=/dev/null
	read -r id codename < <(source /etc/os-release && printf '%s %s\n' "${ID:-}" "${VERSION_CODENAME:-}")
	[[ $id == debian ]] || die "this host is not Debian: set HARBINGER_DEBIAN_MIRROR to the address of a Debian mirror"
	# shellcheck disable=SC2016  # the variables are apt's
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
		awk -v codename="$codename" '$2 == codename && $3 == "main" {print $1; found = 1; exit} END {exit !found}' ||
		die "apt names no source for $codename/main: set HARBINGER_DEBIAN_MIRROR"
}

# debian_root <name> <packages> prints the path of a tar of a root file system: the smallest Debian, and the packages, which
# are separated by commas. Documentation is left out.
# shellcheck disable=SC2154  # $work is the caller's
debian_root() {
	local name=$1 packages=$2 tar mirror
	tar=$HARBINGER_CACHE/$name-$DEBIAN_SUITE-$(content_key "$packages" "$(uname -m)").tar
	if [[ ! -f $tar ]]; then
		((EUID == 0)) || die "only root can debootstrap a root file system"
		need debootstrap debootstrap
		mirror=$(debian_mirror)
		say "cold: debootstrap of $name, Debian $DEBIAN_SUITE from $mirror"
		timed "debootstrap of $name" nice -n 10 unshare --mount debootstrap --variant=minbase --include="$packages" "$DEBIAN_SUITE" \
			"$work/debootstrap" "$mirror" >"$work/debootstrap.log" || {
			tail -n 20 "$work/debootstrap.log" >&2
			die "debootstrap failed"
		}
		tar -C "$work/debootstrap" --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./usr/share/doc/*' \
			--exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' -cf "$tar.partial" .
		mv "$tar.partial" "$tar"
		rm -rf "$work/debootstrap"
	fi
	printf '%s\n' "$tar"
}
