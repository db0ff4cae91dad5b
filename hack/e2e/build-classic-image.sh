#!/usr/bin/env bash
# Copyright The Harbinger Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Builds an image with Debian's keepalived, haproxy, curl and bash, for the static pods in node/classic, and prints the path
# of its tar. The same root makes the image of the load balancer that kind starts beside several control planes, where the
# Docker daemon has none.
set -euo pipefail
directory=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=hack/e2e/lib.sh
source "$directory/lib.sh"
# shellcheck source=hack/e2e/archive.sh
source "$directory/archive.sh"
# shellcheck source=hack/e2e/debian.sh
source "$directory/debian.sh"

packages=keepalived,haproxy,curl,procps,iproute2
reference=harbinger.dev/classic:e2e # never in any registry; the pods name it
path='"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"'

umask 022
work=$(mktemp -d "${TMPDIR:-/tmp}/harbinger-classic.XXXXXX")
trap 'rm -rf "$work"' EXIT

root=$work/root # the Debian root, once unpack has been called
unpack() {
	local tar
	[[ ! -d $root ]] || return 0
	tar=$(debian_root classic "$packages")
	mkdir "$root"
	tar -C "$root" -xf "$tar"
}

# load_balancer loads the image of kind's load balancer by the name that this version of kind asks for. haproxy takes
# descriptors for its greatest number of connections at once: kind's 100000 are more than a container may have everywhere.
load_balancer() {
	local key=$1 sources name
	sources=$(module_source modules/kind sigs.k8s.io/kind)
	name=$(sed -n 's/^const Image = "\(.*\)"$/\1/p' "$sources/pkg/cluster/internal/loadbalancer/const.go" | grep .)
	# An image without our label is kind's own; one with another key is ours of another day.
	case $(docker image inspect --format "{{with .Config.Labels}}{{index . \"$E2E_LABEL\"}}{{end}}." "$name" 2>/dev/null || true) in
	. | "$key.") return ;;
	esac
	say "cold: building the image of kind's load balancer"
	unpack
	install -D -m 644 "$sources/images/haproxy/haproxy.cfg" "$root/usr/local/etc/haproxy/haproxy.cfg"
	image_archive "$work/haproxy.tar" "$name" "$root" "{
		\"Entrypoint\": [\"haproxy\", \"-W\", \"-db\", \"-n\", \"4000\", \"-f\", \"/usr/local/etc/haproxy/haproxy.cfg\"],
		\"Env\": [$path], \"Labels\": {\"$E2E_LABEL\": \"$key\"}, \"StopSignal\": \"SIGUSR1\"}"
	docker load --quiet --input "$work/haproxy.tar" >/dev/null
}

main() {
	local key tar
	key=$(content_key "$DEBIAN_SUITE" "$packages" "$(uname -m)" "$E2E_DIR/archive.sh" "${BASH_SOURCE[0]}" "$E2E_DIR/modules/kind")
	tar=$HARBINGER_CACHE/classic-image-$key.tar
	if [[ ! -f $tar ]]; then
		say "cold: building the image of keepalived and haproxy"
		unpack
		image_archive "$tar.partial" "$reference" "$root" "{\"Cmd\": [\"bash\"], \"Env\": [$path]}"
		mv "$tar.partial" "$tar"
	fi
	load_balancer "$key"
	printf '%s\n' "$tar"
}

timed "images of keepalived and haproxy" main
