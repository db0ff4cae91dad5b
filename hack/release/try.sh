#!/usr/bin/env bash
# Copyright The Harbinger Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Makes a release of the last commit twice, and installs it as an operator would: the deb and the rpm into a Debian, the image
# into the containerd of a host of the end-to-end test. Needs root and Debian's packages; leaves nothing behind.
#
#   hack/release/try.sh
#
#   HARBINGER_RELEASE_COLD  =1: the second release compiles everything anew, also the standard library (minutes)
#   HARBINGER_RELEASE_DIR   a signed release to try, instead of making one twice
#   HARBINGER_DEBIAN_MIRROR a Debian mirror, on hosts that are not Debian
set -Eeuo pipefail
directory=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=hack/e2e/lib.sh
source "$directory/../e2e/lib.sh"
# shellcheck source=hack/e2e/debian.sh
source "$directory/../e2e/debian.sh"

((EUID == 0)) || die "only root can change its root: run as root"
need openssl openssl
need rpm rpm
work=$(mktemp -d "${TMPDIR:-/tmp}/harbinger-try.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'printf "error: line %s: %s\n" "$LINENO" "$BASH_COMMAND" >&2' ERR

# The clone of a runner may belong to another user.
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0='*'

minor=$(sed -n 's/^const Minor = "\(v[0-9.]*\)"$/\1/p' "$REPO_DIR/pkg/version/version.go" | grep .)
version=$minor.0
root=$work/root
system=$(go env GOHOSTARCH)

# release <name>: a clone of the last commit, and its release.
release() {
	git clone --quiet "$REPO_DIR" "$work/$1"
	COSIGN_KEY=$work/cosign.key make --no-print-directory -C "$work/$1" release VERSION="$version"
}

twice() {
	openssl ecparam -name prime256v1 -genkey -noout -out "$work/cosign.key"
	timed "a release" release one
	if [[ -n ${HARBINGER_RELEASE_COLD:-} ]]; then
		GOCACHE=$work/cache timed "a release from nothing" release two >/dev/null
	else
		timed "the same release in another place" release two >/dev/null
	fi
	diff --recursive "$work/one/out/release/$version" "$work/two/out/release/$version" || die "the two releases differ"
	release=$work/one/out/release/$version
	say "two releases: the same bytes"
}

verify() {
	(
		cd "$release"
		sha256sum --quiet --check SHA256SUMS
		base64 -d SHA256SUMS.sig | openssl dgst -sha256 -verify cosign.pub -signature /dev/stdin SHA256SUMS
	)
}

# files lists what is in the root, but for the lists of the package managers themselves.
files() {
	(cd "$root" && find . -xdev \( -path ./var/lib/dpkg -o -path ./var/lib/rpm -o -path ./var/log -o -path ./run \) -prune -o -printf '%p %m %s\n' | LC_ALL=C sort)
}

# installed holds what a package has brought.
installed() {
	chroot "$root" harbinger version | grep -F "harbinger $version "
	chroot "$root" harbinger preflight --help >/dev/null
	chroot "$root" systemd-analyze verify harbinger-kubeconfig.timer harbinger-kubeconfig.service
	chroot "$root" systemctl list-unit-files --root=/ harbinger-kubeconfig.timer | grep -F harbinger-kubeconfig.timer
	[[ -e $root/usr/lib/systemd/system/timers.target.wants/harbinger-kubeconfig.timer ]] || die "the timer is not in force"
}

# leaves_nothing holds that what is there now is what was there before.
leaves_nothing() { # leaves_nothing <package>
	files >"$work/after"
	diff "$work/before" "$work/after" || die "$1 leaves this behind"
	[[ -z $(find "$root/var/lib/dpkg/info" -name 'harbinger*') ]] || die "$1 leaves lists of its files behind"
	! chroot "$root" dpkg --status harbinger >/dev/null 2>&1 || die "dpkg still knows harbinger"
}

packages() {
	mkdir "$root"
	tar -C "$root" -xf "$(debian_root root "$NODE_PACKAGES")"
	mkdir -p "$root/var/lib/systemd/timers"
	files >"$work/before"

	install -m 644 "$release/harbinger_${version#v}-1_$system.deb" "$work/harbinger.deb"
	mv "$work/harbinger.deb" "$root/harbinger.deb"
	chroot "$root" dpkg --install /harbinger.deb
	rm "$root/harbinger.deb"
	installed
	touch "$root/var/lib/systemd/timers/stamp-harbinger-kubeconfig.timer" # as if the timer had run
	chroot "$root" dpkg --purge harbinger
	leaves_nothing "the deb"
	say "the deb installs, runs and is purged"

	local rpm=(rpm --root "$root" --dbpath /var/lib/rpm)
	"${rpm[@]}" --initdb
	"${rpm[@]}" --install --nodeps "$release/harbinger-${version#v}-1.$(uname -m).rpm" # nothing of this root is known to it
	"${rpm[@]}" --query --list harbinger
	installed
	"${rpm[@]}" --erase harbinger
	leaves_nothing "the rpm"
	say "the rpm installs, runs and is erased"
}

# containerd has the root to itself: its own mounts, network and processes, which end with the shell.
containerd() {
	(cd "$REPO_DIR/hack/e2e/tiny" && CGO_ENABLED=0 go build -o "$root/ociruntime" ./ociruntime)
	install -m 644 "$release/harbinger-$version-image.tar" "$root/index.tar"
	install -m 644 "$release/harbinger-$version-image-$system.tar" "$root/single.tar"
	# shellcheck disable=SC2016  # expanded by the inner shells
	unshare --mount --net --ipc --pid --fork --kill-child bash -euc '
		mount --bind "$0" "$0" # a file system of its own, which runc makes private
		mount -t proc proc "$0/proc"
		mount -t tmpfs tmpfs "$0/run"
		mount --rbind /sys "$0/sys"
		mount -t tmpfs tmpfs "$0/tmp"
		cd "$0"
		pivot_root . mnt
		umount --lazy /mnt
		exec bash -euo pipefail -s "$@"' "$root" "harbinger.dev/harbinger" "$version" "$minor" <<-'SH'
		containerd --log-level error &
		for ((i = 0; i < 600; i++)); do
			! ctr version >/dev/null 2>&1 || break
			sleep 0.1
		done
		ctr version >/dev/null
		for tar in /index.tar /single.tar; do
			ctr -n k8s.io images import --snapshotter native "$tar"
			for name in "$1:$2" "$1:$3"; do
				[[ $(ctr -n k8s.io images list -q "name==$name") == "$name" ]] || { echo "$tar gives no $name" >&2 && exit 1; }
				says=$(ctr -n k8s.io run --rm --snapshotter native --runc-binary /ociruntime --cap-drop CAP_SYS_RESOURCE "$name" try /harbinger version)
				grep -F "harbinger $2 " <<<"$says"
				ctr -n k8s.io images remove --sync "$name"
			done
		done
		kill %1
		wait %1 || true
	SH
	say "containerd takes the index and the image of one architecture, and runs the program from both"
}

(cd "$directory" && go vet ./... && timed "tests of hack/release" go test ./...)
release=${HARBINGER_RELEASE_DIR:-}
[[ -n $release ]] || twice
verify
packages
containerd
