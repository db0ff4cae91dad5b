#!/usr/bin/env bash
# Copyright The Harbinger Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Builds Harbinger's image of the working tree, as a tar file: no container engine is needed. What a version publishes is made
# by `make release`.
#
#   hack/image.sh [--arch amd64|arm64|…] [--tag REFERENCE] [--output FILE]
#   ctr -n k8s.io images import FILE, docker load --input FILE or podman load --input FILE
#
# HARBINGER_BINARY names a program to take instead of building one.
set -euo pipefail
# shellcheck source=hack/e2e/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/e2e/lib.sh"

arch=$(go env GOHOSTARCH)
tag=harbinger.dev/harbinger:dev
output=
while (($#)); do
	(($# > 1)) || die "$1 needs a value"
	case $1 in
	--arch) arch=$2 ;;
	--tag) tag=$2 ;;
	--output) output=$2 ;;
	*) die "unknown flag $1 (known: --arch --tag --output)" ;;
	esac
	shift 2
done
output=$(realpath -m "${output:-$REPO_DIR/bin/harbinger-image-$arch.tar}")

cd "$REPO_DIR"
binary=bin/linux/$arch/harbinger
mkdir -p "${binary%/*}" "${output%/*}"
if [[ -n ${HARBINGER_BINARY:-} ]]; then
	say "taking $HARBINGER_BINARY as it is"
	install -m 755 "$HARBINGER_BINARY" "$binary"
else
	timed "built harbinger for linux/$arch" env CGO_ENABLED=0 GOOS=linux GOARCH="$arch" \
		go build -trimpath -ldflags='-s -w -buildid=' -o "$binary" ./cmd/harbinger
fi
cd hack/release
go run . image -program "$REPO_DIR/$binary" -arch "$arch" -tag "$tag" -output "$output.partial"
mv "$output.partial" "$output"
printf '%s: linux/%s, %s bytes; %s\n' "$tag" "$arch" "$(stat --format %s "$output")" "$output"
