#!/usr/bin/env bash
# Copyright The Harbinger Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Builds Kubernetes, etcd, CoreDNS, kind, crictl, flannel and the small programs of the test from Go modules: the one source
# that a machine which builds Harbinger can reach anyway. With names as arguments it builds only those. Prints the directory
# that holds the binaries.
set -euo pipefail
# shellcheck source=hack/e2e/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

export CGO_ENABLED=0
export GOFLAGS="-mod=readonly -buildvcs=false ${GOFLAGS:-}" GOWORK=off

# selected <module directory> <module> prints the version.
selected() { (cd "$E2E_DIR/$1" && go list -m -f '{{.Version}}' "$2"); }

kubernetes_version=$(selected modules/kubernetes k8s.io/kubernetes)

# What `kubectl version` and kubeadm's version checks read; the release tooling stamps the same variables.
version_flags() {
	local package minor=${kubernetes_version#v1.}
	for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
		printf -- '-X %s=%s ' \
			"$package.gitVersion" "$kubernetes_version" \
			"$package.gitMajor" 1 \
			"$package.gitMinor" "${minor%%.*}" \
			"$package.gitTreeState" clean \
			"$package.buildDate" 1970-01-01T00:00:00Z
	done
}

only=" $* " # blank around each name; two blanks for all

# build <module directory> <package> <name> [linker flags]: nothing to do where the cache has it.
# The key holds the module's requirements and sums, its own sources where it has any, the toolchain and the architecture.
build() {
	local module=$1 package=$2 name=$3 flags="-s -w ${4:-}" key out
	if [[ $only != "  " && $only != *" $name "* ]]; then
		return
	fi
	key=$(content_key "$E2E_DIR/$module" "$package" "$flags" "$(go env GOVERSION GOARCH)")
	out=$HARBINGER_CACHE/bin/$name-$key
	if [[ ! -x $out ]]; then
		mkdir -p "${out%/*}"
		say "cold: building $name"
		compile "$module" -trimpath -ldflags "$flags" -o "$out.partial" "$package"
		mv "$out.partial" "$out" # a killed build never leaves a half-written binary under the final name
	fi
	ln -sf "$out" "$set_dir/$name"
}

# compile <module directory> <arguments of go build…>
compile() (
	module=$1
	shift
	if [[ -x $E2E_DIR/$module/overlay.sh ]]; then
		overlay=$(mktemp -d)
		trap 'rm -rf "$overlay"' EXIT
		"$E2E_DIR/$module/overlay.sh" "$overlay" >"$overlay/overlay.json"
		set -- -overlay "$overlay/overlay.json" "$@"
	fi
	cd "$E2E_DIR/$module"
	timed "built $name" nice -n 10 go build "$@"
)

# One directory of links per set of sources: what the other scripts take.
set_dir=$HARBINGER_CACHE/set-$(content_key "$E2E_DIR/modules" "$E2E_DIR/tiny" "$(go env GOVERSION GOARCH)")
mkdir -p "$set_dir"

for name in kubeadm kubelet kube-apiserver kube-controller-manager kube-scheduler kubectl kube-proxy; do
	build modules/kubernetes "k8s.io/kubernetes/cmd/$name" "$name" "$(version_flags)"
done
build modules/etcd go.etcd.io/etcd/server/v3 etcd
build modules/etcd go.etcd.io/etcd/etcdctl/v3 etcdctl
build modules/coredns github.com/coredns/coredns coredns
build modules/kind sigs.k8s.io/kind kind
build modules/crictl sigs.k8s.io/cri-tools/cmd/crictl crictl "-X sigs.k8s.io/cri-tools/pkg/version.Version=$(selected modules/crictl sigs.k8s.io/cri-tools)"
build modules/flannel flannelbuild flanneld "-X github.com/flannel-io/flannel/pkg/version.Version=$(selected modules/flannel github.com/flannel-io/flannel)"
for name in pause ociruntime flannelcni; do
	build tiny "./$name" "$name"
done
printf '%s' "$kubernetes_version" >"$set_dir/version"
printf '%s\n' "$set_dir"
