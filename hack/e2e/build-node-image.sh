#!/usr/bin/env bash
# Copyright The Harbinger Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Builds the image of a node: Debian with systemd, containerd, kubeadm and the kubelet, and the images of the control
# plane in its content store, so that nothing is ever pulled. Needs a Docker daemon. Prints the image's reference.
#
#   build-node-image.sh <directory of build-binaries.sh>
set -euo pipefail
# shellcheck source=hack/e2e/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

binaries=$1
version=$(<"$binaries/version")
suite=bookworm # the newest Debian whose containerd and systemd still do cgroup v1
packages=systemd,systemd-sysv,dbus,iproute2,iptables,nftables,conntrack,ethtool,socat,kmod,mount,util-linux,procps
packages+=,containerd,runc,containernetworking-plugins,iputils-ping,iputils-arping,tcpdump,jq,ca-certificates

work=$(mktemp -d "${TMPDIR:-/tmp}/harbinger-node.XXXXXX")
builder=
cleanup() {
	[[ -z $builder ]] || docker rm --force --volumes "$builder" >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap cleanup EXIT

# debian_mirror is where the host itself gets Debian from; another distribution has to be told.
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

# node_root prints the path of the Debian root file system as a tar file.
node_root() {
	local mirror tar start
	tar=$HARBINGER_CACHE/root-$suite-$(content_key "$packages" "$(uname -m)").tar
	if [[ ! -f $tar ]]; then
		((EUID == 0)) || die "only root can debootstrap the node's root file system"
		need debootstrap debootstrap
		mirror=$(debian_mirror)
		say "cold: debootstrap of $suite from $mirror"
		start=$(now_ms)
		nice -n 10 debootstrap --variant=minbase --include="$packages" "$suite" "$work/debian" "$mirror" \
			>"$work/debootstrap.log" 2>&1 || {
			tail -n 20 "$work/debootstrap.log" >&2
			die "debootstrap failed"
		}
		say "debootstrap: $(seconds_since "$start") s"
		tar -C "$work/debian" --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./usr/share/doc/*' \
			--exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' -cf "$tar.partial" .
		mv "$tar.partial" "$tar"
		rm -rf "$work/debian"
	fi
	printf '%s\n' "$tar"
}

# component <reference> <binary> <path in the image>: an image of one static program.
component() {
	local reference=$1 binary=$2 path=$3 root=$work/$2
	mkdir -p "$root/${path%/*}" "$root/etc" "$root/tmp"
	cp -L "$binaries/$binary" "$root$path"
	printf 'root:x:0:0:root:/:/\n' >"$root/etc/passwd"
	tar -C "$root" -c . | docker import --change "ENTRYPOINT [\"$path\"]" - "$reference" >/dev/null
}

# kube_proxy <reference> <node root>: the static program, and Debian's packet filter tools with what they are linked to.
# The loadable matches of xtables count too: without their libraries iptables-restore fails without a word that helps.
kube_proxy() {
	local reference=$1 node=$2 root=$work/kube-proxy library file directory
	local tools=(/usr/sbin/xtables-nft-multi /usr/sbin/xtables-legacy-multi /usr/sbin/nft /usr/sbin/conntrack)
	mkdir -p "$root"/{etc,tmp,run,var,usr/local/bin}
	for directory in bin sbin lib lib64; do
		mkdir -p "$root/usr/$directory"
		ln -s "usr/$directory" "$root/$directory"
	done
	cp -L "$binaries/kube-proxy" "$root/usr/local/bin/"
	while read -r file; do
		mkdir -p "$root${file%/*}"
		cp "$node$file" "$root$file"
		while read -r library; do
			mkdir -p "$root${library%/*}"
			cp -L "$node$library" "$root$library"
		done < <(chroot "$node" ldd "$file" | grep -o '/lib[^ ]*')
	done < <(
		printf '%s\n' "${tools[@]}"
		cd "$node" && find usr/lib -path '*/xtables/*.so' -printf '/%p\n'
	)
	for file in {iptables,ip6tables}{,-save,-restore}; do
		ln -s xtables-nft-multi "$root/usr/sbin/$file"
	done
	tar -C "$root" -c . | docker import --change 'ENTRYPOINT ["/usr/local/bin/kube-proxy"]' \
		--change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' - "$reference" >/dev/null
}

# node_files puts programs, units and configuration over the Debian root.
node_files() {
	local node=$1 pause=$2 binary
	for binary in kubeadm kubelet kubectl etcdctl; do
		install -m 755 "$(readlink -f "$binaries/$binary")" "$node/usr/bin/$binary"
	done
	install -D -m 755 "$E2E_DIR/node/entrypoint" "$node/usr/local/bin/entrypoint"
	install -D -m 644 "$E2E_DIR/node/kubelet.service" "$node/etc/systemd/system/kubelet.service"
	install -D -m 644 "$E2E_DIR/node/containerd.service" "$node/etc/systemd/system/containerd.service"
	install -D -m 644 "$E2E_DIR/node/sysctl.conf" "$node/etc/sysctl.d/kubernetes.conf"
	mkdir -p "$node/etc/containerd" "$node/etc/kubernetes/manifests" "$node/etc/cni/net.d"
	sed "s|@PAUSE@|$pause|" "$E2E_DIR/node/containerd.toml" >"$node/etc/containerd/config.toml"
	# A container has no terminals, no devices to manage and no kernel log of its own.
	chroot "$node" bash -euc '
		mkdir -p /etc/systemd/journald.conf.d
		printf "[Journal]\nReadKMsg=no\nStorage=volatile\n" >/etc/systemd/journald.conf.d/container.conf
		systemctl -q mask getty.target systemd-logind.service systemd-binfmt.service systemd-modules-load.service \
			systemd-firstboot.service systemd-random-seed.service systemd-update-utmp.service \
			systemd-repart.service systemd-initctl.socket systemd-tmpfiles-clean.timer \
			dev-hugepages.mount sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount \
			sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount \
			apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer fstrim.timer
		systemctl -q enable containerd.service kubelet.service' 2>/dev/null
}

# forget_old_images <reference to keep>: a node image is a gigabyte.
forget_old_images() {
	local reference
	docker image ls --format '{{.Repository}}:{{.Tag}}' --filter reference=harbinger-e2e/node | while read -r reference; do
		[[ $reference == "$1" ]] || docker image rm "$reference" >/dev/null || warn "cannot remove $reference"
	done
}

main() {
	local key image root_tar node images reference name pause
	key=$(content_key "$(for name in "$binaries"/*; do readlink -f "$name"; done)" "$suite" "$packages" \
		"$E2E_DIR/node" "${BASH_SOURCE[0]}")
	image=harbinger-e2e/node:$key
	if docker image inspect "$image" >/dev/null 2>&1; then
		printf '%s\n' "$image"
		return
	fi
	say "cold: building the node image"
	root_tar=$(node_root)
	node=$work/node
	mkdir -p "$node"
	tar -C "$node" -xf "$root_tar"

	# kubeadm knows best which images it will ask for, and by which names.
	images=()
	while read -r reference; do
		name=${reference%:*}
		name=${name##*/}
		case $name in
		pause)
			pause=$reference
			component "$reference" pause /pause
			;;
		etcd) component "$reference" etcd /usr/local/bin/etcd ;;
		coredns) component "$reference" coredns /coredns ;;
		kube-proxy) kube_proxy "$reference" "$node" ;;
		*) component "$reference" "$name" "/usr/local/bin/$name" ;;
		esac
		images+=("$reference")
	done < <("$binaries/kubeadm" config images list --kubernetes-version "$version")
	timed "images of the control plane" docker save --output "$work/images.tar" "${images[@]}"
	docker image rm --no-prune "${images[@]}" >/dev/null

	node_files "$node" "$pause"
	tar -C "$node" -c . | docker import --change 'ENV container=docker' \
		--change 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/lib/systemd/systemd"]' - "$image-empty" >/dev/null

	builder=harbinger-e2e-builder-$$
	docker run --detach --name "$builder" --label "$E2E_LABEL" --network none --pull never \
		--security-opt seccomp=unconfined --entrypoint sleep "$image-empty" infinity >/dev/null
	docker exec --detach "$builder" containerd
	wait_for 60 "containerd in the builder" docker exec "$builder" ctr version
	docker exec --interactive "$builder" ctr -n k8s.io images import --no-unpack - \
		<"$work/images.tar" >/dev/null
	docker stop --time 5 "$builder" >/dev/null
	docker commit --change 'ENTRYPOINT ["/usr/local/bin/entrypoint", "/lib/systemd/systemd"]' --change 'CMD []' "$builder" "$image" >/dev/null
	docker rm --force --volumes "$builder" >/dev/null
	builder=
	docker image rm --no-prune "$image-empty" >/dev/null
	forget_old_images "$image"
	printf '%s\n' "$image"
}

timed "node image" main
