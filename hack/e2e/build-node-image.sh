#!/usr/bin/env bash
# Copyright The Harbinger Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Builds the image of a node in the layout of kindest/node: Debian with systemd, containerd, kubeadm and the kubelet, and the
# images of the control plane and of flannel in its content store, so that nothing is ever pulled. `kind create cluster`
# takes it, and a privileged `docker run` of it is a host for kubeadm. Needs a Docker daemon. Prints the image's reference.
#
#   build-node-image.sh <directory of build-binaries.sh>
#
# HARBINGER_E2E_NODE_IMAGE names an image to take instead, or a file that holds one: a published kindest/node, say. It has
# neither flannel nor the tools of the observers.
set -euo pipefail
directory=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=hack/e2e/lib.sh
source "$directory/lib.sh"
# shellcheck source=hack/e2e/archive.sh
source "$directory/archive.sh"
# shellcheck source=hack/e2e/debian.sh
source "$directory/debian.sh"

binaries=$1
version=$(<"$binaries/version")
flannel=harbinger.dev/flannel:e2e # never in any registry; kube-flannel.yaml names it

umask 022
work=$(mktemp -d "${TMPDIR:-/tmp}/harbinger-node.XXXXXX")
trap 'rm -rf "$work"' EXIT

# component <reference> <path in the image>: an image of one static program, which has the name of the path's end.
component() {
	local reference=$1 path=$2 name=${2##*/} root
	root=$work/$name
	mkdir -p "$root/${path%/*}" "$root/etc" "$root/tmp"
	cp -L "$binaries/$name" "$root$path"
	printf 'root:x:0:0:root:/:/\n' >"$root/etc/passwd"
	image_archive "$work/images/$name.tar" "$reference" "$root" "{\"Entrypoint\": [\"$path\"]}"
	rm -rf "$root"
}

# filtering <reference> <node root> <path in the image> [more programs…]: static programs, and Debian's packet filter tools.
# The loadable matches of xtables count too: without their libraries iptables-restore fails without a word that helps.
filtering() {
	local reference=$1 node=$2 path=$3 name=${3##*/} root file
	local tools=(/usr/sbin/xtables-nft-multi /usr/sbin/xtables-legacy-multi /usr/sbin/nft /usr/sbin/conntrack)
	shift 2
	root=$work/$name
	mkdir -p "$root"/{etc,tmp,run,var}
	mapfile -t -O ${#tools[@]} tools < <(cd "$node" && find usr/lib -path '*/xtables/*.so' -printf '/%p\n')
	with_libraries "$root" "$node" "${tools[@]}"
	for file in {iptables,ip6tables}{,-save,-restore}; do
		ln -s xtables-nft-multi "$root/usr/sbin/$file"
	done
	for file in "$@"; do
		mkdir -p "$root${file%/*}"
		cp -L "$binaries/${file##*/}" "$root$file"
	done
	image_archive "$work/images/$name.tar" "$reference" "$root" \
		"{\"Entrypoint\": [\"$path\"], \"Env\": [\"PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"]}"
	rm -rf "$root"
}

# archives <node root> writes an archive of each image that a node is to have, and prints the reference of pause.
archives() {
	local node=$1 reference name
	mkdir -p "$work/images"
	# kubeadm knows best which images it will ask for, and by which names.
	while read -r reference; do
		name=${reference%:*}
		name=${name##*/}
		case $name in
		pause)
			component "$reference" /pause
			printf '%s\n' "$reference"
			;;
		coredns) component "$reference" /coredns ;;
		kube-proxy) filtering "$reference" "$node" /usr/local/bin/kube-proxy ;;
		*) component "$reference" "/usr/local/bin/$name" ;;
		esac
	done < <("$binaries/kubeadm" config images list --kubernetes-version "$version")
	filtering "$flannel" "$node" /opt/bin/flanneld /opt/bin/flannelcni
}

# kind_files puts the files of kind's base image over the Debian root, and does what its Dockerfile does besides.
kind_files() {
	local node=$1 files
	files=$(module_source modules/kind sigs.k8s.io/kind)/images/base/files
	cp -r --no-preserve=mode,ownership "$files/kind" "$files/etc" "$files/LICENSES" "$node/"
	install -m 755 "$files"/usr/local/bin/* "$node/usr/local/bin/"
	chmod 755 "$node"/kind/bin/*
	ln -s /usr/bin/containerd "$node/usr/local/bin/containerd" # kind's unit has it there
	mkdir -p "$node/etc/kubernetes/manifests" "$node/kind/manifests" "$node/etc/cni/net.d"
	printf '%s' "$version" >"$node/kind/version"
	chroot "$node" bash -euc '
		rm -f /lib/systemd/system/multi-user.target.wants/* /etc/systemd/system/*.wants/* \
			/lib/systemd/system/local-fs.target.wants/* /lib/systemd/system/sockets.target.wants/*udev* \
			/lib/systemd/system/sockets.target.wants/*initctl* /lib/systemd/system/basic.target.wants/* \
			/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service
		printf "ReadKMsg=no\n" >>/etc/systemd/journald.conf
		systemctl -q enable kubelet.service containerd.service undo-mount-hacks.service
		systemctl -q mask systemd-binfmt.service
		ctr oci spec | jq ".hooks.createContainer += [{path: \"/kind/bin/mount-product-files.sh\"}] | del(.process.rlimits)" \
			>/etc/containerd/cri-base.json'
}

# adapt changes what kind's files do not foresee: the node may have no right to lower an OOM score (CAP_SYS_RESOURCE), pause
# is the one that kubeadm asks for, and Debian's containerd and plugins have directories of their own.
adapt() {
	local node=$1 pause=$2 config=$1/etc/containerd/config.toml
	sed -i '/^OOMScoreAdjust=/d' "$node/etc/systemd/system/containerd.service"
	sed -i -e "s|sandbox_image = .*|sandbox_image = \"$pause\"|" -e 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' "$config"
	cat >>"$config" <<-'TOML'
		  [plugins."io.containerd.grpc.v1.cri".cni]
		    bin_dir = "/opt/cni/bin"
		    conf_dir = "/etc/cni/net.d"
	TOML
	[[ $(grep -c -e "\"$pause\"" -e 'restrict_oom_score_adj = true' "$config") == 2 ]] ||
		die "containerd's configuration in this version of kind is another one: see adapt in ${BASH_SOURCE[0]}"
	mkdir -p "$node/opt/cni/bin"
	mv "$node"/usr/lib/cni/{bridge,host-local,loopback,portmap,ptp} "$node/opt/cni/bin/"
	rm -rf "$node/usr/lib/cni"
	install -D -m 644 "$E2E_DIR/node/sysctl.conf" "$node/etc/sysctl.d/20-kubernetes.conf"
	install -D -m 755 "$E2E_DIR/node/entrypoint" "$node/kind/harbinger/entrypoint"
	install -m 644 "$E2E_DIR/node/kube-flannel.yaml" "$node/kind/harbinger/kube-flannel.yml" # the name that flannel gives it
	ln -s ../harbinger/kube-flannel.yml "$node/kind/manifests/default-cni.yaml"
	for binary in kubeadm kubelet kubectl etcdctl crictl; do
		install -m 755 "$(readlink -f "$binaries/$binary")" "$node/usr/bin/$binary"
	done
}

# preload puts images into the content store of the node's containerd, packed, as kind's own build does. That takes a
# containerd, but no container: it runs in the root, and ends with its namespace of processes.
preload() {
	local node=$1
	mkdir "$node/preload"
	mv "$work"/images/*.tar "$node/preload/"
	# shellcheck disable=SC2016  # $0 is the inner shell's
	unshare --mount --net --ipc --pid --fork --kill-child bash -euc '
		mount -t proc proc "$0/proc"
		mount -t tmpfs tmpfs "$0/run"
		chroot "$0" bash -euc "
			containerd --log-level warn &
			for ((i = 0; i < 600; i++)); do
				! ctr version >/dev/null 2>&1 || break
				sleep 0.1
			done
			for tar in /preload/*; do
				ctr -n k8s.io images import --no-unpack \$tar
			done
			kill %1
			wait"' "$node" >"$work/preload.log" 2>&1 || {
		tail -n 20 "$work/preload.log" >&2
		die "cannot import the images into the node's containerd"
	}
	rm -rf "$node/preload"
}

# forget_old_images <reference to keep>: a node image is a gigabyte.
forget_old_images() {
	local reference
	docker image ls --format '{{.Repository}}:{{.Tag}}' --filter reference=harbinger-e2e/node | while read -r reference; do
		[[ $reference == "$1" ]] || docker image rm "$reference" >/dev/null || warn "cannot remove $reference"
	done
}

# given <image or file> prints the reference.
given() {
	if [[ -f $1 ]]; then
		docker load --quiet --input "$1" | sed -n 's/^Loaded image: //p' | grep . || die "$1 holds no image with a name"
		return
	fi
	if ! docker image inspect "$1" >/dev/null 2>&1; then
		[[ -z ${HARBINGER_E2E_DOCKER_IS_OURS:-} ]] ||
			die "our own Docker has no image $1 and no way to pull one: set HARBINGER_E2E_NODE_IMAGE to a file of docker save"
		docker pull --quiet "$1" >&2
	fi
	printf '%s\n' "$1"
}

main() {
	local key image node pause tar
	if [[ -n ${HARBINGER_E2E_NODE_IMAGE:-} ]]; then
		given "$HARBINGER_E2E_NODE_IMAGE"
		return
	fi
	key=$(content_key "$(for name in "$binaries"/*; do readlink -f "$name"; done)" "$DEBIAN_SUITE" "$NODE_PACKAGES" \
		"$E2E_DIR/node/"{entrypoint,sysctl.conf,kube-flannel.yaml} "$E2E_DIR/archive.sh" "${BASH_SOURCE[0]}")
	image=harbinger-e2e/node:$key
	if ! docker image inspect "$image" >/dev/null 2>&1; then
		say "cold: building the node image"
		((EUID == 0)) || die "only root can make the node's file system"
		tar=$(debian_root root "$NODE_PACKAGES")
		node=$work/node
		mkdir "$node"
		tar -C "$node" -xf "$tar"
		pause=$(archives "$node")
		kind_files "$node"
		adapt "$node" "$pause"
		preload "$node"
		image_archive "$work/node.tar" "$image" "$node" '{
			"Entrypoint": ["/kind/harbinger/entrypoint", "/usr/local/bin/entrypoint", "/sbin/init"],
			"Env": ["container=docker", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
			"StopSignal": "SIGRTMIN+3"}'
		rm -rf "$node"
		docker load --quiet --input "$work/node.tar" >/dev/null
		forget_old_images "$image"
	fi
	printf '%s\n' "$image"
}

timed "node image" main
