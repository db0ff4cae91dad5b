#!/usr/bin/env bash
# Copyright The Harbinger Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Images without a registry, a builder or a container: a directory becomes a tar that `docker load` and
# `ctr images import` take. Sourced; needs lib.sh.

# image_archive <tar> <reference> <root directory> <configuration>: an image of one layer. The configuration is the JSON
# object that the instructions of a Dockerfile would fill: Entrypoint, Env, Labels, StopSignal.
image_archive() {
	local tar=$1 reference=$2 root=$3 configuration=$4 parts digest
	parts=$(mktemp -d "$tar.XXXXXX")
	tar -C "$root" --sort=name -cf "$parts/layer.tar" .
	digest=$(sha256sum <"$parts/layer.tar" | cut -d' ' -f1)
	printf '{"architecture": "%s", "os": "linux", "created": "1970-01-01T00:00:00Z", "config": %s, "rootfs": {"type": "layers", "diff_ids": ["sha256:%s"]}}' \
		"$(go env GOHOSTARCH)" "$configuration" "$digest" >"$parts/config.json"
	printf '[{"Config": "config.json", "RepoTags": ["%s"], "Layers": ["layer.tar"]}]' "$reference" >"$parts/manifest.json"
	tar -C "$parts" --sort=name -cf "$tar" config.json layer.tar manifest.json
	rm -rf "$parts"
}

# with_libraries <root directory> <Debian root> <path…> copies programs or libraries out of a Debian root, with what they
# are linked to.
with_libraries() {
	local root=$1 debian=$2 file library
	shift 2
	for file in bin sbin lib lib64; do
		mkdir -p "$root/usr/$file"
		[[ -e $root/$file ]] || ln -s "usr/$file" "$root/$file"
	done
	for file in "$@"; do
		mkdir -p "$root${file%/*}"
		cp "$debian$file" "$root$file"
		while read -r library; do
			mkdir -p "$root${library%/*}"
			cp -L "$debian$library" "$root$library"
		done < <(chroot "$debian" ldd "$file" | grep -o '/lib[^ ]*')
	done
}
