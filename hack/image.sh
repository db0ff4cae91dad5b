#!/usr/bin/env bash
# Copyright The Harbinger Authors.
# SPDX-License-Identifier: Apache-2.0
#
# Builds Harbinger's image, and a tar file of it for hosts without a registry:
#
#   hack/image.sh [--arch amd64|arm64|…] [--tag REFERENCE] [--output FILE]
#   ctr -n k8s.io images import FILE
#
# HARBINGER_BINARY names a program to take instead of building one.
set -euo pipefail
# shellcheck source=hack/e2e/lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/e2e/lib.sh"
# shellcheck source=hack/e2e/docker.sh
source "$(dirname "${BASH_SOURCE[0]}")/e2e/docker.sh"

limit=$((30 * 1000 * 1000)) # bytes: the image goes to every control plane host before there is a cluster to help

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

cd "$REPO_DIR"
binary=bin/linux/$arch/harbinger
output=${output:-bin/harbinger-image-$arch.tar}
mkdir -p "${binary%/*}" "$(dirname "$output")"

if [[ -n ${HARBINGER_BINARY:-} ]]; then
	say "taking $HARBINGER_BINARY as it is"
	install -m 755 "$HARBINGER_BINARY" "$binary"
else
	timed "built harbinger for linux/$arch" env CGO_ENABLED=0 GOOS=linux GOARCH="$arch" \
		go build -trimpath -ldflags='-s -w -buildid=' -o "$binary" ./cmd/harbinger
fi
touch --date=@0 "$binary" # the layer is the same for the same program

trap docker_down EXIT
docker_up ""

before=$(docker image inspect --format '{{.Id}}' "$tag" 2>/dev/null || true)
# BuildKit knows every architecture, but not every client has it; the builder before it knows the daemon's own.
build=(docker build --quiet --build-arg "TARGETARCH=$arch" --tag "$tag")
if DOCKER_BUILDKIT=1 "${build[@]}" --platform "linux/$arch" . >"$output.log" 2>&1; then
	:
elif [[ $arch == "$(go env GOHOSTARCH)" ]] && DOCKER_BUILDKIT=0 "${build[@]}" . >>"$output.log" 2>&1; then
	:
else
	cat "$output.log" >&2
	die "docker build failed (an image for another architecture needs BuildKit: install docker-buildx)"
fi
rm -f "$output.log"
if [[ -n $before && $before != "$(docker image inspect --format '{{.Id}}' "$tag")" ]]; then
	docker image rm "$before" >/dev/null 2>&1 || true # still in use by somebody: theirs to remove
fi
[[ $(docker image inspect --format '{{.Architecture}}' "$tag") == "$arch" ]] || die "$tag is not an image for $arch"

if [[ $arch == "$(go env GOHOSTARCH)" ]]; then
	docker run --rm --network none --read-only --cap-drop ALL "$tag" version >/dev/null ||
		die "the program does not start in its own image: is it linked statically?"
fi

docker save --output "$output.partial" "$tag"
mv "$output.partial" "$output"
size=$(docker image inspect --format '{{.Size}}' "$tag")
printf '%s: linux/%s, %d.%d MB (limit %d MB); %s\n' "$tag" "$arch" \
	$((size / 1000000)) $((size / 100000 % 10)) $((limit / 1000000)) "$output"
((size <= limit)) || die "the image is larger than $((limit / 1000000)) MB"
